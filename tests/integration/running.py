"""A real `tocsin run` in a process of its own, and a webhook receiver with a journal: what fault tests drive.

Nothing here uses the product's code: it starts the installed command, talks HTTP, and reads what comes back.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

TOCSIN = Path(sys.executable).with_name("tocsin")
READY_WITHIN = 15.0
"""Seconds; the promise is five, measured by tests/benchmarks/latency.py on a quiet machine."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(log: Path, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program that writes to `log`; with `environment` it sees those variables only."""
    with log.open("ab") as stream:
        return subprocess.Popen(words, stdout=stream, stderr=stream, env=environment)


async def call(*words: str) -> None:
    """Run a program to its end without holding up the servers in this process.

    Raises:
        AssertionError: it failed; with what it printed.
    """
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, printed.decode()


class Sink:
    """A webhook receiver on loopback. `journal` has every request it answered with 2xx, in order."""

    def __init__(self) -> None:
        self.journal: list[dict[str, Any]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                pairs = [line.split(":", 1) for line in lines[1:] if ":" in line]
                headers = {name.strip().lower(): value.strip() for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.journal.append({"at": time.time(), "headers": headers, "body": json.loads(body)})
                writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        del self._connections[task]


class Tocsin:
    """One installation in a directory; `start`, `kill`, `stop` as often as you like."""

    def __init__(self, directory: Path, sink_url: str | None = None, **settings: Any) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = directory / "tocsin.yaml"
        self.process: subprocess.Popen[bytes] | None = None
        tree: dict[str, Any] = {
            "data_dir": str(directory / "state"),
            "http": {"listen": f"127.0.0.1:{self.port}"},
            **settings,
        }
        if sink_url:
            tree["notify"] = {
                "channels": {"sink": {"type": "webhook", "url": sink_url}},
                "routes": [{"channels": ["sink"]}],
                **settings.get("notify", {}),
            }
        directory.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(tree))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one `tocsin` command against this installation."""
        environment = {**os.environ, "TOCSIN_URL": self.url, "TOCSIN_DATA_DIR": str(self.directory / "state")}
        return subprocess.run(
            [str(TOCSIN), *words], capture_output=True, text=True, env=environment, timeout=120, check=False
        )

    async def start(self, within: float = READY_WITHIN) -> float:
        """Start and wait until it is ready; returns the seconds that took.

        Raises:
            AssertionError: it ended, or was not ready in time; with what it printed.
        """
        began = time.monotonic()
        self.process = spawn(self.directory / "log.txt", str(TOCSIN), "run", "-c", str(self.config))
        async with httpx.AsyncClient() as client:
            while time.monotonic() - began < within:
                assert self.process.poll() is None, self.printed()
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/-/ready", timeout=1)).status_code == 200:
                        return time.monotonic() - began
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready within {within} s\n{self.printed()}")

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the clean end; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=12)

    def printed(self) -> str:
        return (self.directory / "log.txt").read_text(errors="replace")[-4000:]

    def exported(self, topic: str) -> list[dict[str, Any]]:
        """Every record of a topic, as `tocsin topics export` gives them."""
        result = self.command("topics", "export", topic)
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    async def quiet(self, seconds: float = 60.0, still: float = 2.5) -> None:
        """Wait until every alert is applied, every event persisted and no delivery is unfinished.

        Args:
            still: for so long nothing may have happened: longer than a tally waits, a retry rests and a position is
                held back; longer than the time to the next deadline where some are to come.
        """
        ends = time.monotonic() + seconds
        before: object = None
        async with httpx.AsyncClient(timeout=10) as client:
            while time.monotonic() < ends:
                topics = (await client.get(f"{self.url}/api/v1/topics")).json()
                # A commit that waits for its next attempt is rest only for those who look at the log alone.
                ready = (await client.get(f"{self.url}/-/ready")).status_code == 200
                if topics == before and ready:
                    return
                before = topics
                await asyncio.sleep(still)
        raise AssertionError("the log did not come to rest")


@contextlib.asynccontextmanager
async def running(directory: Path, **settings: Any) -> AsyncIterator[tuple[Tocsin, Sink]]:
    """A started installation with a webhook receiver; ended at the end."""
    async with Sink() as sink:
        tocsin = Tocsin(directory, sink.url, **settings)
        await tocsin.start()
        try:
            yield tocsin, sink
        finally:
            if tocsin.process is not None and tocsin.process.poll() is None:
                tocsin.process.kill()
                tocsin.process.wait()
