"""tocsin's processes in a benchmark: started, filled while they stand still, let go, watched until all is in the log.

In: a broker, a prefix, how many processes and which of them. Out: wall and CPU seconds from the moment they may begin
to the last event of the incidents. They are held by SIGSTOP while the raw topic is filled, warm and in their groups,
so that neither imports nor joining nor the load generator is part of what is measured. CPU is that of the whole
process: user and system, all threads, from /proc.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from log import Place, Reader, fill
from measuring import Connection, process_cpu_seconds

sys.path.insert(0, str(Path(__file__).parents[1]))
from integration.running import free_port

INCIDENTS: Final = "incidents.events.v1"
RAW: Final = "alerts.raw.v1"
TOCSIN: Final = (str(Path(sys.executable).with_name("tocsin")), "run")
CUT: Final = (sys.executable, str(Path(__file__).with_name("cut_stream.py")))
"""Ingest and correlate only: what lies between Kafka and durable incident events."""
SESSION: Final = "120s"
"""A worker that stands still while a topic is filled stays in its group."""
READY_SECONDS_MAX: Final = 60.0
LOOK_EVERY: Final = 0.03
STILL_SECONDS: Final = 1.7
"""Repeats are written at most a second after they were seen."""


class Worker:
    """One process."""

    def __init__(self, directory: Path, entry: Sequence[str], settings: dict[str, Any]) -> None:
        self.port = free_port()
        directory.mkdir(parents=True)
        self.config = directory / "tocsin.yaml"
        self._printed = directory / "printed.txt"
        tree = {"data_dir": str(directory / "state"), "http": {"listen": f"127.0.0.1:{self.port}"}, **settings}
        self.config.write_text(yaml.safe_dump(tree), encoding="utf-8")
        self._entry = entry
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._printed.open("ab") as out:
            self._running = subprocess.Popen([*self._entry, "-c", str(self.config)], stdout=out, stderr=out)

    async def ready(self) -> None:
        """Wait until it is.

        Raises:
            RuntimeError: it is not, with what it printed.
        """
        assert self._running is not None
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until and self._running.poll() is None:
            connection = Connection(("127.0.0.1", self.port))
            with suppress(OSError, asyncio.IncompleteReadError):
                status, _ = await connection.request("GET", "/-/ready")
                if status == 200:
                    return
            connection.close()
            await asyncio.sleep(0.05)
        raise RuntimeError(f"tocsin is not ready:\n{self.printed()}")

    def send(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)

    def cpu(self) -> float:
        """Seconds so far.

        Raises:
            RuntimeError: it has ended, with what it printed.
        """
        assert self._running is not None
        if self._running.poll() is not None:
            raise RuntimeError(f"tocsin has ended:\n{self.printed()}")
        return process_cpu_seconds(self._running.pid)

    def printed(self) -> str:
        return self._printed.read_text(encoding="utf-8", errors="replace")[-4000:]

    async def stop(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGCONT)
            self._running.terminate()
            try:
                await asyncio.to_thread(self._running.wait, 15)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()


@dataclass(frozen=True)
class Taken:
    """What it took until the last event."""

    seconds: float
    cpu_seconds: float
    each_cpu_seconds: list[float]
    finished: bool


class Workers:
    """Processes that share the topics of one prefix. A context: they are ended at its end."""

    def __init__(
        self,
        directory: Path,
        servers: str,
        prefix: str,
        *,
        entry: Sequence[str] = CUT,
        count: int = 1,
        partitions: int = 4,
        waiting: int = 0,
    ) -> None:
        """`waiting`: so many of the `count` are not started yet."""
        self.servers = servers
        self.prefix = prefix
        self.partitions = partitions
        self._waiting = waiting
        self.all = [
            Worker(
                directory / f"worker-{number}",
                entry,
                {
                    "broker": f"kafka://{servers}",
                    "partitions": partitions,
                    "kafka": {"prefix": prefix, "member": f"worker-{number}", "session_timeout": SESSION},
                    "run": {"groups": ["ingest", "core"]},
                    "notify": {"events": ["incident.closed"]},  # nobody is told: messages are what P4 measures
                },
            )
            for number in range(count)
        ]

    async def __aenter__(self) -> "Workers":
        words = (TOCSIN[0], "topics", "apply", "-c", str(self.all[0].config))
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        try:
            started = self.all[: len(self.all) - self._waiting]
            for worker in started:
                worker.start()
            for worker in started:
                await worker.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.all))

    async def work(self, values: Iterable[bytes], chunk: int, seconds_max: float, topics: Sequence[str]) -> Taken:
        """Fill the raw topic while all stand still, let them go, and wait until `topics` do not grow any more."""
        for worker in self.all:
            worker.send(signal.SIGSTOP)
        try:
            await fill(self.servers, self.prefix + RAW, values, self.partitions, chunk)
            async with Reader(self.servers, [self.prefix + topic for topic in topics], self.partitions) as reader:
                return await self._watched(reader, seconds_max)
        finally:
            for worker in self.all:
                worker.send(signal.SIGCONT)

    async def _watched(self, reader: Reader, seconds_max: float) -> Taken:
        cpu = before = [worker.cpu() for worker in self.all]
        seen: dict[Place, int] = await reader.ends()
        began = grown = time.monotonic()
        for worker in self.all:
            worker.send(signal.SIGCONT)
        while (now := time.monotonic()) < began + seconds_max and (grown == began or now < grown + STILL_SECONDS):
            await asyncio.sleep(LOOK_EVERY)
            if (ends := await reader.ends()) != seen:
                seen, grown, cpu = ends, time.monotonic(), [worker.cpu() for worker in self.all]
        each = [after - one for after, one in zip(cpu, before, strict=True)]
        return Taken(grown - began, sum(each), each, time.monotonic() < began + seconds_max)
