"""Faults for several workers on one Kafka, many at a time, until each kind has happened often enough.

In: an installation that runs, how often each kind of fault is wanted, chance. Out: the same installation with every
worker up again, what was done, and what a worker said that ended by itself: nobody but this killer may end one. It
judges nothing.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from integration.kafka_judging import Subscriber, judge, quiet
from integration.kafka_running import COMMANDS, RAW, SESSION, Installation, Responders, Spread, Stream, Worker
from integration.running import Sink
from kafka.cluster import Node

EVERY = (1.0, 2.0)
"""Seconds between two faults of one kind."""
ZOMBIE = (SESSION + 1.0, SESSION + 4.0)
"""Seconds that a worker is frozen: others have its partitions when it comes back."""
BRIEF = (0.2, SESSION - 2.0)
"""Seconds that a worker stutters: it is thawed while its partitions are still its own."""
AWAY = (0.0, 4.0)
"""Seconds that a node is away after it was killed."""
PEACE = (6.0, 12.0)
"""Seconds between two faults of nodes: while there is no log, nothing else can be seen to go wrong."""


@dataclass(frozen=True)
class Wanted:
    """How often each fault happens."""

    kills: int = 0
    """kill -9 of a worker, which is started again at once."""
    rebalances: int = 0
    """A further worker joins, or leaves again."""
    zombies: int = 0
    """A worker is frozen beyond its session."""
    stutters: int = 0
    """A worker is frozen for less."""
    broker_kills: int = 0
    """kill -9 of a node."""
    broker_stops: int = 0
    """A node is stopped as operators do it, or frozen."""


@dataclass
class Load:
    """Rates of everything that goes on meanwhile."""

    http: float = 60.0
    direct: float = 15.0


@dataclass
class Outcome:
    """What a run was like."""

    problems: list[str] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)
    accepted: int = 0
    unknown: int = 0
    commands: int = 0
    thawed: list[float] = field(default_factory=list)
    """When frozen workers went on (Unix time)."""

    def summary(self) -> str:
        """For people."""
        return json.dumps({name: value for name, value in vars(self).items() if name not in ("problems", "thawed")})


@dataclass
class Chaos:
    """One run of faults. A worker has one fault at a time; workers and nodes are hit independently."""

    installation: Installation
    chance: random.Random
    nodes: list[Node] = field(default_factory=list)
    """Nodes that may be hit, one at a time."""
    killers: int = 1
    """How many kill workers at the same time."""
    done: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    """What workers printed that ended by themselves."""
    outcome: Outcome = field(default_factory=Outcome)
    """What was found in the end, for who asks."""
    slow: list[float] = field(default_factory=list)
    """Seconds from a kill until the worker was ready again."""
    thawed: list[float] = field(default_factory=list)
    """When a worker that was frozen went on (Unix time)."""
    _hit: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._base = list(self.installation.workers)

    async def run(self, wanted: Wanted) -> None:
        """Return when everything has happened and the workers that were there run."""
        over = asyncio.Event()
        watching = asyncio.create_task(self._revive(over))
        try:
            await asyncio.gather(
                *(self._repeat(share, self._kill) for share in _shares(wanted.kills, self.killers)),
                self._repeat(wanted.zombies, self._zombie),
                self._repeat(wanted.stutters, self._stutter),
                self._hit_nodes(["kill"] * wanted.broker_kills + ["stop", "pause"] * wanted.broker_stops),
                self._storm(wanted.rebalances),
            )
        finally:
            over.set()
            await watching
        for worker in self._base:
            await worker.ready()

    async def _repeat(self, times: int, fault: Callable[[], Awaitable[None]]) -> None:
        for _ in range(times):
            await asyncio.sleep(self.chance.uniform(*EVERY))
            await fault()

    def _free(self) -> list[Worker]:
        return [worker for worker in self._base if worker.running and id(worker) not in self._hit]

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[Worker]:
        while not (free := self._free()):  # noqa: ASYNC110 - processes set no event of ours
            await asyncio.sleep(0.1)
        worker = self.chance.choice(free)
        self._hit.add(id(worker))
        try:
            yield worker
        finally:
            self._hit.discard(id(worker))

    # ---- workers ------------------------------------------------------------------------------------------------

    async def _kill(self) -> None:
        async with self._one() as worker:
            worker.kill()
            worker.launch()
            began = time.monotonic()
            self.done["kills"] += 1
            if self.chance.random() < 0.75 and await self._loaded(worker):  # else it may be hit again while it loads
                self.slow.append(time.monotonic() - began)

    async def _loaded(self, worker: Worker) -> bool:
        """Whether it becomes ready now; not while brokers are away. In the end all have to be."""
        try:
            await worker.ready()
        except AssertionError:
            return False
        return True

    async def _zombie(self) -> None:
        await self._freeze(ZOMBIE)
        self.done["zombies"] += 1

    async def _stutter(self) -> None:
        await self._freeze(BRIEF)
        self.done["stutters"] += 1

    async def _freeze(self, seconds: tuple[float, float]) -> None:
        async with self._one() as worker:
            worker.freeze()
            await asyncio.sleep(self.chance.uniform(*seconds))
            worker.thaw()
            self.thawed.append(time.time())

    async def _storm(self, times: int) -> None:
        """Further workers come and go, two at most at a time, at any moment of their life."""
        guests: list[Worker] = []
        for _ in range(times):
            await asyncio.sleep(self.chance.uniform(*EVERY))
            running = [guest for guest in guests if guest.running]
            if len(running) < (1 if self.chance.random() < 0.5 else 2):
                resting = [guest for guest in guests if not guest.running]
                guest = self.chance.choice(resting) if len(guests) >= 3 else self.installation.add()
                if guest not in guests:
                    guests.append(guest)
                guest.launch()
            else:
                guest = self.chance.choice(running)
                if self.chance.random() < 0.3:
                    guest.kill()
                else:
                    await guest.end()
            self.done["rebalances"] += 1
        for guest in guests:
            if guest.running:
                await guest.end()

    async def _revive(self, over: asyncio.Event) -> None:
        """Start what has ended by itself, and keep what it said."""
        while not over.is_set():
            for worker in self._base:
                if not worker.running and id(worker) not in self._hit:
                    assert worker.process is not None
                    self.crashes.append(
                        f"{worker.directory.name} ended with {worker.process.returncode}\n{worker.printed()}"
                    )
                    worker.launch()
            await asyncio.sleep(0.1)

    # ---- nodes --------------------------------------------------------------------------------------------------

    async def _hit_nodes(self, kinds: list[str]) -> None:
        self.chance.shuffle(kinds)
        for kind in kinds:
            node = self.chance.choice(self.nodes)
            if kind == "pause":
                node.pause()
                await asyncio.sleep(self.chance.uniform(1.0, SESSION + 4.0))
                node.resume()
            else:
                await asyncio.to_thread(node.kill if kind == "kill" else node.stop)
                await asyncio.sleep(self.chance.uniform(*AWAY))
                await asyncio.to_thread(node.start)
            self.done[f"broker {kind}s"] += 1
            await asyncio.sleep(self.chance.uniform(*PEACE))


def _shares(times: int, among: int) -> list[int]:
    return [times // among + (nth < times % among) for nth in range(among)]


@asynccontextmanager
async def under_load(
    installation: Installation,
    sink: Sink,
    chance: random.Random,
    load: Load | None = None,
    *,
    holes: Collection[str] = (),
) -> AsyncIterator[Outcome]:
    """Start the workers and load for them; at the end stop everything in order and judge it. `holes`: topics in which
    transactions of others leave marks."""
    load, over, outcome = load or Load(), False, Outcome()
    await installation.start()
    async with Subscriber(installation) as subscriber:
        spread = Spread("", load.http, urls=lambda: installation.urls, chance=chance)
        stream = Stream(installation.servers, installation.prefix + RAW, load.direct)
        people = Responders(installation.servers, installation.prefix + COMMANDS, installation.partitions, chance)
        busy = [
            asyncio.create_task(spread.run(lambda: over)),
            asyncio.create_task(stream.run(lambda: over)),
            asyncio.create_task(people.run(subscriber.opened, lambda: over)),
        ]
        try:
            yield outcome
        finally:
            over = True
            ended: list[Any] = await asyncio.gather(*busy, return_exceptions=True)
        for failure in ended:
            if failure is not None:
                raise failure
        await quiet(installation)
        await installation.stop()
        checked = await judge(
            installation, sink.journal, subscriber, [spread, stream], holes=holes, thawed=outcome.thawed
        )
    outcome.problems, outcome.counts = checked.problems, checked.counts
    outcome.accepted = len(spread.accepted) + len(stream.accepted)
    outcome.unknown, outcome.commands = len(spread.unknown) + len(stream.unknown), people.given
