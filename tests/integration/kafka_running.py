"""Several `tocsin run` on one real Kafka, and load for them: what the fault tests on Kafka drive.

In: the address of a cluster and a prefix of its own. Out: worker processes that can be killed, frozen and stopped as
often as you like; alerts over HTTP to whoever is up and straight into Kafka. Exactly one worker keeps the event log.
Nothing here uses the product's code: it starts the installed command, talks HTTP, and is a Kafka client. Whether all
went well is found out by `kafka_judging.py`.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from integration.load import Load
from integration.running import TOCSIN, Tocsin, call, spawn

SESSION = 6.0
"""Seconds: the shortest session that brokers take unless they are told otherwise."""
READY_WITHIN = 60.0
"""Seconds that a worker may take on a machine where everything else is being killed, too."""
ENDS_WITHIN = 20.0
RAW, COMMANDS, SETTINGS = "alerts.raw.v1", "incidents.commands.v1", "settings.events.v1"
TOPICS = (
    RAW,
    "alerts.normalized.v1",
    COMMANDS,
    "alerts.rejected.v1",
    SETTINGS,
    "incidents.events.v1",
    "escalations.events.v1",
    "notifications.events.v1",
)
ESCALATED_AFTER = 6.0
"""Seconds from the opening to the last call."""
ESCALATION = {
    # Some seconds, so that pages fall into the time of the faults.
    "rules": [
        {"condition": {"severity": "critical"}, "escalate_to": "first", "escalate_after_minutes": 0.05},
        {"condition": {"severity": "critical"}, "escalation_level": 2, "escalate_to": "second",
         "escalate_after_minutes": ESCALATED_AFTER / 60},
    ]
}  # fmt: skip


class Worker(Tocsin):
    """One process of an installation."""

    entry: Sequence[str] = (str(TOCSIN),)
    """What is started in front of `run`."""

    def hurry(self) -> None:
        """From the next start on, checkpoints come every few seconds."""
        self.entry = (sys.executable, "-m", "tocsin.testing.failing", "hurry")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start it, and do not wait."""
        assert not self.running
        self.process = spawn(self.directory / "log.txt", *self.entry, "run", "-c", str(self.config))

    async def ready(self, seconds: float = READY_WITHIN) -> float:
        """Wait until it is ready; returns the seconds that took.

        Raises:
            AssertionError: it ended, or was not ready in time; with what it printed.
        """
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=2) as client:
            while time.monotonic() - began < seconds:
                assert self.running, f"{self.directory.name} has ended\n{self.printed()}"
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/-/ready")).status_code == 200:
                        return time.monotonic() - began
                await asyncio.sleep(0.05)
        raise AssertionError(f"{self.directory.name} was not ready within {seconds} s\n{self.printed()}")

    async def start(self) -> float:
        """Start it and wait until it is ready; returns the seconds that took."""
        began = time.monotonic()
        self.launch()
        await self.ready()
        return time.monotonic() - began

    def freeze(self) -> None:
        """SIGSTOP: it is the last to learn what happens meanwhile."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def end(self) -> int:
        """SIGTERM, and wait for the end; returns the exit code."""
        assert self.process is not None
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, ENDS_WITHIN)


class Installation:
    """Workers that share topics and groups. Use as a context: what still runs at the end is killed."""

    def __init__(
        self, directory: Path, servers: str, prefix: str, sink_url: str, *, workers: int = 2, partitions: int = 4
    ) -> None:
        self.directory = directory
        self.servers = servers
        self.prefix = prefix
        self.partitions = partitions
        self._sink_url = sink_url
        self.hurried = False
        """Whether workers that are made from now on hurry."""
        self.workers = [self._worker(number) for number in range(workers)]

    def hurry(self) -> None:
        """Have all workers make checkpoints every few seconds, the coming ones, too."""
        self.hurried = True
        for worker in self.workers:
            worker.hurry()

    def _worker(self, number: int, *groups: str) -> Worker:
        """Worker 0 keeps the event log; the others only ingest and decide."""
        name = f"worker-{number}"
        run = groups or (("ingest", "core", "persist") if number == 0 else ("ingest", "core"))
        return Worker(
            self.directory / name,
            self._sink_url,
            broker=f"kafka://{self.servers}",
            partitions=self.partitions,
            kafka={"prefix": self.prefix, "member": name, "session_timeout": f"{SESSION:g}s"},
            run={"groups": list(run)},
            escalate=ESCALATION,
            notify={"events": ["incident.opened"]},
        )

    async def prepare(self) -> None:
        """Make the topics, as an operator does."""
        await call(str(TOCSIN), "topics", "apply", "-c", str(self.workers[0].config))

    async def start(self) -> None:
        """Start all workers and wait until they are ready."""
        for worker in self.workers:
            worker.launch()
        await asyncio.gather(*(worker.ready() for worker in self.workers))

    def add(self) -> Worker:
        """One more worker, not started."""
        worker = self._worker(len(self.workers))
        if self.hurried:
            worker.hurry()
        self.workers.append(worker)
        return worker

    def keeper(self) -> Worker:
        """Worker 0 with nothing to do but its event log; not started."""
        return self._worker(0, "persist")

    @property
    def places(self) -> list[tuple[str, int]]:
        """Every partition of every topic that is judged."""
        return [(topic, p) for topic in TOPICS for p in range(1 if topic == SETTINGS else self.partitions)]

    @property
    def urls(self) -> list[str]:
        """Of the workers that run now."""
        return [worker.url for worker in self.workers if worker.running]

    async def stop(self) -> None:
        """SIGTERM to all at once.

        Raises:
            AssertionError: one did not end in good order; with what it printed.
        """
        running = [worker for worker in self.workers if worker.running]
        for worker, code in zip(running, await asyncio.gather(*(worker.end() for worker in running)), strict=True):
            assert code == 0, f"{worker.directory.name} ended with {code}\n{worker.printed()}"

    async def __aenter__(self) -> "Installation":
        await self.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.running:
                worker.kill()


class Alerts(Load):
    """New groups all the time, so that something is to be sent all the time; every fifth alert is a repeat."""

    def alert(self, n: int) -> dict[str, Any]:
        same = n - n % 5 if n % 5 == 4 else n
        alert = super().alert(n)
        alert["labels"]["alertname"] = f"check-{same % 10_000}"
        return alert


@dataclass
class Spread(Alerts):
    """HTTP load that goes to any worker that runs. A 503 may have written what it refused: on Kafka an answer may be
    lost between the brokers and the worker, and then it says that it does not know."""

    urls: Callable[[], Sequence[str]] = list
    chance: random.Random = field(default_factory=random.Random)

    async def _send(self, client: httpx.AsyncClient, numbers: range) -> None:
        urls = self.urls()
        if not urls:
            return
        try:
            url = self.chance.choice(urls)
            reply = await client.post(f"{url}/api/v1/alerts", json=[self.alert(n) for n in numbers])
        except httpx.ConnectError:
            return  # nobody was there: surely not accepted
        except httpx.HTTPError:
            self.unknown.update(numbers)
            return
        if reply.status_code in (202, 207):
            items = reply.json()["items"]
            taken = {numbers[item["index"]]: item["alert_id"] for item in items if item.get("alert_id")}
            self.accepted.update((alert_id, n) for n, alert_id in taken.items())
            self.unknown.update(set(numbers) - taken.keys())
        elif reply.status_code == 503:
            self.unknown.update(numbers)
            self.refused.append(reply.text)
        else:
            raise AssertionError(f"{reply.status_code}: {reply.text}")


START_SECONDS = 60.0
"""That a producer of the tests waits for a broker which a fault has just taken away."""


async def started_producer(servers: str) -> AIOKafkaProducer:
    """A plain producer with all acknowledgements, once a broker answers."""
    ends = time.monotonic() + START_SECONDS
    while True:
        producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
        try:
            await producer.start()
        except KafkaError:
            await producer.stop()
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(0.2)
        else:
            return producer


DIRECT = 10_000_000
"""The first `n` of alerts that go straight into Kafka."""


@dataclass
class Stream:
    """Alerts straight into the raw topic, one a record, by a plain producer with all acknowledgements."""

    servers: str
    topic: str
    rate: float
    """Alerts a second."""
    accepted: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    _alerts: Load = field(default_factory=lambda: Alerts("", 0.0))

    async def run(self, until: Callable[[], bool]) -> None:
        """Send until `until()`."""
        numbers = itertools.count(DIRECT)
        pending: set[asyncio.Task[None]] = set()
        began, sent = time.monotonic(), 0
        producer = await started_producer(self.servers)
        try:
            while not until():
                await asyncio.sleep(max(0.0, began + sent / self.rate - time.monotonic()))
                sent += 1
                task = asyncio.create_task(self._send(producer, next(numbers)))
                pending.add(task)
                task.add_done_callback(pending.discard)
            await asyncio.gather(*pending)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, n: int) -> None:
        try:
            await producer.send_and_wait(self.topic, json.dumps(self._alerts.alert(n)).encode())
        except KafkaError:
            self.unknown.add(n)
        else:
            self.accepted.add(n)


@dataclass
class Responders:
    """People who acknowledge half of the incidents, over Kafka: into any partition, now and then twice."""

    servers: str
    topic: str
    partitions: int
    chance: random.Random
    given: int = 0

    async def run(self, waiting: "asyncio.Queue[str]", until: Callable[[], bool]) -> None:
        """Acknowledge what comes in `waiting` until `until()`."""
        producer = await started_producer(self.servers)
        try:
            while not until():
                # A command that the outage of a broker swallowed is one that nobody gave.
                with contextlib.suppress(TimeoutError, KafkaError):
                    incident = await asyncio.wait_for(waiting.get(), 0.2)
                    if self.chance.random() < 0.5:
                        continue
                    command = {"command_id": f"test-{self.given}", "verb": "acknowledge", "incident": incident}
                    self.given += 1
                    for _ in range(1 + (self.chance.random() < 0.1)):
                        partition = self.chance.randrange(self.partitions)
                        await producer.send_and_wait(self.topic, json.dumps(command).encode(), partition=partition)
        finally:
            await producer.stop()


def count(name: str, least: int) -> int:
    """How often a fault happens: what the environment says, else `least`, which is enough to see it work."""
    return int(os.environ.get(name, least))
