"""What the latency benchmark measures with: an open-loop HTTP load, a sink, a process, the machine and its limits.

Nothing here uses tocsin's own code: HTTP is spoken by hand over asyncio streams, so that the load costs little itself.
"""

import asyncio
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Final

CONNECTIONS_MAX: Final = 64
READY_SECONDS_MAX: Final = 60.0
COMMITS: Final = 200
PAGE: Final = 1000
PACKAGES: Final = ("aiokafka", "faust-streaming", "msgspec", "orjson", "fastapi", "uvicorn", "httpx", "pydantic")

ECHO: Final = """
import asyncio, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
import socket
bound = socket.create_server(("127.0.0.1", 0))
print("listening http://127.0.0.1:%d" % bound.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="h11"))
asyncio.run(server.serve([bound]))
"""

Address = tuple[str, int]


class Latencies:
    """Durations in milliseconds, and what is said of them."""

    def __init__(self) -> None:
        self._found: list[float] = []

    def add(self, milliseconds: float) -> None:
        self._found.append(milliseconds)

    def summary(self) -> dict[str, float]:
        found = sorted(self._found)
        if not found:
            return {"count": 0}
        picks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        values = {name: round(found[min(int(len(found) * part), len(found) - 1)], 2) for name, part in picks.items()}
        return {"count": len(found), **values, "max": round(found[-1], 2)}


class Connection:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, content: bytes = b"") -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=2**26)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        top = await reader.readuntil(b"\r\n\r\n")
        status, length, closes = _read_head(top)
        answer = await reader.readexactly(length) if length >= 0 else await _chunks(reader)
        if closes:
            self.close()
        return status, answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _read_head(top: bytes) -> tuple[int, int, bool]:
    """Status, length of the body (-1 = chunked), whether the connection ends."""
    lines = top.lower().split(b"\r\n")
    length = -1
    for line in lines[1:]:
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    status = int(lines[0].split()[1])
    if length < 0 and b"transfer-encoding: chunked" not in top.lower():
        length = 0
    return status, length, b"connection: close" in top.lower()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        found += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return found


class Load:
    """Requests at intended times; their latency counts from there, waiting for a free connection included."""

    def __init__(self, address: Address, path: str) -> None:
        self._path = path
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._all = [Connection(address) for _ in range(CONNECTIONS_MAX)]
        for connection in self._all:
            self._free.put_nowait(connection)

    async def __aenter__(self) -> "Load":
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._all:
            connection.close()

    async def send(self, bodies: Sequence[bytes], rate: float) -> Latencies:
        """Send all, `rate` a second.

        Raises:
            RuntimeError: one was not answered with 2xx.
        """
        found = Latencies()
        start = time.perf_counter() + 0.05
        tasks = []
        for number, content in enumerate(bodies):
            intended = start + number / rate
            if (wait := intended - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self._one(content, intended, found)))
        await asyncio.gather(*tasks)
        return found

    async def _one(self, content: bytes, intended: float, found: Latencies) -> None:
        connection = await self._free.get()
        try:
            status, answer = await connection.request("POST", self._path, content)
        finally:
            self._free.put_nowait(connection)
        if not 200 <= status < 300:
            raise RuntimeError(f"answered with {status}: {answer[:300]!r}")
        found.add((time.perf_counter() - intended) * 1000)


class Sink:
    """Takes webhooks; remembers when the first message of each incident came."""

    def __init__(self) -> None:
        self.received: dict[str, float] = {}
        self.doubled = 0
        self.url = ""
        self._seen: set[str] = set()
        self._news = asyncio.Condition()

    async def __aenter__(self) -> "Sink":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                top = await reader.readuntil(b"\r\n\r\n")
                _, length, _ = _read_head(b"POST 200 x\r\n" + top)
                content = await reader.readexactly(max(length, 0))
                self._take(content, time.time())
                async with self._news:
                    self._news.notify_all()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()

    async def has(self, count: int) -> None:
        """Wait until messages of `count` incidents have come."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.received) >= count)

    def _take(self, content: bytes, at: float) -> None:
        message = json.loads(content)
        self.doubled += message["delivery_id"] in self._seen
        self._seen.add(message["delivery_id"])
        self.received.setdefault(message["incident"]["id"], at)


class Process:
    """A running program that has said where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address, start_seconds: float) -> None:
        self.pid = process.pid
        self.address = address
        self.start_seconds = start_seconds


@asynccontextmanager
async def started(config: Path) -> AsyncIterator[Process]:
    """`tocsin run -c config`, ready; ended by SIGTERM."""
    async with _program(Path(sys.executable).parent / "tocsin", "run", "-c", config, stderr=True) as (
        process,
        address,
        at,
    ):
        while True:
            connection = Connection(address)
            status, _ = await connection.request("GET", "/-/ready")
            connection.close()
            if status == 200:
                break
            if time.perf_counter() - at > READY_SECONDS_MAX:
                raise RuntimeError("tocsin does not become ready")
            await asyncio.sleep(0.01)
        yield Process(process, address, time.perf_counter() - at)


@asynccontextmanager
async def _program(
    *command: str | Path, stderr: bool = False
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Address, float]]:
    """A program that prints a line with its URL when it listens."""
    at = time.perf_counter()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdout=None if stderr else pipe, stderr=pipe if stderr else None
    )
    stream = process.stderr if stderr else process.stdout
    assert stream is not None
    try:
        url = ""
        while not url:
            line = (await asyncio.wait_for(stream.readline(), READY_SECONDS_MAX)).decode()
            if not line:
                raise RuntimeError(f"{command[0]} ended with {await process.wait()}")
            url = next((word for word in line.split() if word.startswith("http://")), "")
        drain = asyncio.create_task(_drain(stream))
        host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
        yield process, (host, int(port)), at
        drain.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while line := await stream.readline():
        sys.stderr.write(line.decode(errors="replace"))


async def echo_peer(content: bytes, rate: float, seconds: float) -> dict[str, float]:
    """The same load on a server that does nothing: what the machine and HTTP cost."""
    async with _program(sys.executable, "-c", ECHO) as (_, address, _), Load(address, "/") as load:
        await load.send([content] * int(rate), rate)
        return (await load.send([content] * int(rate * seconds), rate)).summary()


def raw_commit_ms(directory: Path) -> dict[str, float]:
    """One row of 1 KB, durably committed by SQLite: what the disk costs."""
    found = Latencies()
    connection = sqlite3.connect(directory / "peer.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY, value BLOB)")
    for _ in range(COMMITS):
        start = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (value) VALUES (?)", (os.urandom(1024),))
        connection.execute("COMMIT")
        found.add((time.perf_counter() - start) * 1000)
    connection.close()
    return found.summary()


async def fetch_records(address: Address, topic: str) -> list[dict[str, Any]]:
    """All records of a topic's first partition, as `topics export` writes them; those that do not count left out."""
    connection, found, offset, end = Connection(address), [], 0, 1
    while offset < end:
        _, answer = await connection.request("GET", f"/api/v1/topics/{topic}/0/records?from={offset}&limit={PAGE}")
        page = json.loads(answer)
        found += [record for record in page["records"] if record.get("counts", True)]
        offset, end = page["next"], page["end"]
    connection.close()
    return found


async def exposition(address: Address) -> dict[str, float]:
    """The metrics: `name{labels}` -> value."""
    connection = Connection(address)
    _, answer = await connection.request("GET", "/metrics")
    connection.close()
    lines = (line.rpartition(" ") for line in answer.decode().splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def process_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """Where and with what it was measured."""
    model = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit,
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: metadata.version(name) for name in ("tocsin", *PACKAGES)},
    }
