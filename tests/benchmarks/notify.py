"""How long it takes from an alert to a notification that a receiver has accepted.

    python tests/benchmarks/notify.py [--rate 500] [--per-request 5] [--seconds 8] [--runs 3] [--smoke]

Alerts as Prometheus sends them (`POST /api/v2/alerts`, 10 labels, about 0.7 KB, some in one request), each of a group
of its own, open-loop: a request has an intended time, and the latency counts from there to the moment at which the sink
has read the message for the alert whole, so a stall hides nothing. In the same run and into the same sink: a bare
`aiohttp` POST of the message (the limit), `tocsin run` on a fresh directory over its webhook channel, and Alertmanager
with `group_wait: 0s`, where it is installed. Prints one JSON document; exit 1 when a notification is missing or came
twice.
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import yaml
from asking import asked, options
from latency import body
from measuring import CONNECTIONS_MAX, Connection, Latencies, process_cpu_seconds, started
from peer import LeftOut, alertmanager, alertmanager_version
from results import right, say, spread, stamped

WARM_SECONDS: Final = 1.0
DRAIN_SECONDS_MAX: Final = 20.0
NUMBER: Final = re.compile(rb"Benchmark(\d{7})")
"""Stands in the labels of each alert, and so in every message about it."""
ALERTS_MAX: Final = 50_000
IN_FLIGHT: Final = 64
"""Sends at once, of tocsin and of the bare client."""


class Sink:
    """An HTTP receiver that answers 200 and remembers when it first read the message of each alert."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self.times: Counter[int] = Counter()
        self.url = ""

    async def __aenter__(self) -> "Sink":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                top = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(top.split(b"content-length:")[1].split(b"\r\n")[0])
                found = NUMBER.search(await reader.readexactly(length))
                now = time.perf_counter()
                if found:
                    self.at.setdefault(int(found[1]), now)
                    self.times[int(found[1])] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    async def has(self, numbers: Sequence[int]) -> None:
        """Wait until the messages of all `numbers` have come; what is missing is reported by the check."""
        ends = time.perf_counter() + DRAIN_SECONDS_MAX
        while time.perf_counter() < ends and not all(number in self.at for number in numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class OpenLoop:
    """Requests at intended times over kept-alive connections."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(CONNECTIONS_MAX):
            self._free.put_nowait(Connection(address))

    async def send(self, numbers: Sequence[int], rate: float, together: int) -> dict[int, float]:
        """Send the alerts of `numbers`, `rate` a second and some `together`; number -> intended time.

        Raises:
            RuntimeError: one was not answered with 2xx.
        """
        portions = [numbers[start : start + together] for start in range(0, len(numbers), together)]
        bodies = [b"[" + b",".join(map(alert, portion)) + b"]" for portion in portions]
        start = time.perf_counter() + 0.05
        intended: dict[int, float] = {}
        tasks = []
        for place, portion in enumerate(portions):
            at = start + place * together / rate
            intended |= dict.fromkeys(portion, at)
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self._one(bodies[place])))
        await asyncio.gather(*tasks)
        return intended

    async def _one(self, content: bytes) -> None:
        connection = await self._free.get()
        try:
            status, answer = await connection.request("POST", "/api/v2/alerts", content)
        finally:
            self._free.put_nowait(connection)
        if not 200 <= status < 300:
            raise RuntimeError(f"answered with {status}: {answer[:300]!r}")

    def close(self) -> None:
        while not self._free.empty():
            self._free.get_nowait().close()


def summary(sink: Sink, intended: dict[int, float]) -> dict[str, Any]:
    """Milliseconds from the intended time to the sink, and whether each message came exactly once."""
    found = Latencies()
    for number, at in intended.items():
        if number in sink.at:
            found.add((sink.at[number] - at) * 1000)
    missing = sum(number not in sink.at for number in intended)
    doubled = sum(sink.times[number] > 1 for number in intended)
    return {"to_sink_ms": found.summary(), "missing": missing, "doubled": doubled, "ok": not missing and not doubled}


class Asked(NamedTuple):
    """One load: `count` alerts from number `first` on, `rate` a second, so many `together` in a request."""

    rate: float
    count: int
    first: int
    together: int


async def bare(load: Asked) -> dict[str, Any]:
    """The message of each alert, posted by aiohttp at once."""
    async with Sink() as sink, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def post(content: bytes) -> None:
            async with session.post(sink.url, data=content) as answer:
                await answer.read()

        start = time.perf_counter() + 0.05
        numbers = range(load.first, load.first + load.count)
        intended = {number: start + place / load.rate for place, number in enumerate(numbers)}
        tasks = []
        for number in intended:
            content = body(number)
            if (wait := intended[number] - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(post(content)))
        await asyncio.gather(*tasks)
        return summary(sink, intended)


async def tocsin(load: Asked) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tocsin-notify-") as folder:
        async with Sink() as sink:
            hook = {"type": "webhook", "url": sink.url, "in_flight_max": IN_FLIGHT}
            tree = {
                "data_dir": str(Path(folder) / "data"),
                "http": {"listen": "127.0.0.1:0"},
                "notify": {"channels": {"sink": hook}, "catch_all": ["sink"]},
            }
            path = Path(folder) / "tocsin.yaml"
            path.write_text(yaml.safe_dump(tree), encoding="utf-8")
            async with started(path) as running:
                return await _measured(OpenLoop(running.address), sink, load, running.pid)


async def peer(load: Asked) -> dict[str, Any]:
    """Alertmanager.

    Raises:
        LeftOut: it is not installed.
    """
    async with Sink() as sink:
        receiver = {"name": "sink", "webhook_configs": [{"url": sink.url, "send_resolved": False}]}
        route = {"receiver": "sink", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "5m"}
        async with alertmanager(yaml.safe_dump({"receivers": [receiver], "route": route})) as (pid, address):
            return await _measured(OpenLoop(address), sink, load, pid)


def alert(number: int) -> bytes:
    """One alert as Prometheus sends it."""
    whole = json.loads(body(number))["alerts"][0]
    wanted = {name: whole[name] for name in ("labels", "annotations", "startsAt", "generatorURL")}
    return json.dumps(wanted, separators=(",", ":")).encode()


async def _measured(loop: OpenLoop, sink: Sink, load: Asked, pid: int) -> dict[str, Any]:
    """What a program makes of `load` after a warm-up."""
    behind = load.first + load.count
    warm = range(behind, behind + max(1, int(load.rate * WARM_SECONDS)))
    await loop.send(warm, load.rate, load.together)
    await sink.has(warm)
    before = process_cpu_seconds(pid)
    intended = await loop.send(range(load.first, behind), load.rate, load.together)
    await sink.has(list(intended))
    cpu = process_cpu_seconds(pid) - before
    loop.close()
    return {**summary(sink, intended), "cpu_ms_per_alert": round(cpu / load.count * 1000, 3)}


async def measure(rate: float, seconds: float, runs: int, together: int) -> dict[str, Any]:
    count = int(rate * seconds)
    found: dict[str, list[dict[str, Any]]] = {"aiohttp_post": [], "tocsin": [], "alertmanager": []}
    left_out = ""
    for number in range(runs):
        load = Asked(rate, count, (number + 1) * 1_000_000, together)
        for name, program in (("aiohttp_post", bare), ("tocsin", tocsin), ("alertmanager", peer)):
            try:
                found[name].append(one := await program(load))
                say(f"{name}: {one['to_sink_ms']}")
            except LeftOut as reason:
                left_out = str(reason)
    asked = {"rate": rate, "per_request": together, "seconds": seconds, "runs": runs, "alerts": count}
    document: dict[str, Any] = {"load": asked}
    for name, results in found.items():
        if results:
            figures = {pick: spread([one["to_sink_ms"][pick] for one in results]) for pick in ("p50", "p99", "max")}
            document[name] = {"to_sink_ms": figures, "runs": results}
    document["alertmanager_version"] = "" if left_out else alertmanager_version()
    if left_out:
        document["left_out"] = {"alertmanager": left_out}
    return document


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="alerts a second")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--per-request", type=int, default=5, help="alerts of one request; Prometheus sends up to 64")
    parser.add_argument("--runs", type=int, default=3)
    given = asked(parser, rate=50.0, seconds=1.0, runs=1)
    if not 0 < given.rate * given.seconds <= ALERTS_MAX:
        parser.error(f"at most {ALERTS_MAX} alerts")
    found = stamped(
        "notify", given.smoke, asyncio.run(measure(given.rate, given.seconds, given.runs, given.per_request))
    )
    print(json.dumps(found, indent=1))
    return 0 if right(found) else 1


if __name__ == "__main__":
    sys.exit(main())
