"""The event log of this process: one loop over everything that it was given."""

import asyncio
from typing import Final

from tocsin.persist.sqlite import EventLog
from tocsin.runtime.arrivals import Place
from tocsin.runtime.sink import READER, SinkRunner
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.world import REST_MAX, World
from tocsin.topics import EVENT_TOPICS

__all__ = ["PersistShare"]

GATHER: Final = 0.025
"""Seconds between two rounds of the event log, unless it has fallen behind: each is some transactions. At rest nobody
waits for it."""
REST: Final = 3.0
"""So many times as long as a round took it rests, that paging has the processor first: what comes meanwhile is cheaper
together."""
REST_SECONDS_MAX: Final = 0.2
"""Who waits for the outcome of a command waits so much longer at most."""


class PersistShare:
    """See `Share`. One SQLite file takes all partitions or none: two files with half a history each are no log."""

    name = "persist"

    def __init__(self, world: World, supervisor: Supervisor, event_log: EventLog) -> None:
        self.topics = tuple(topic.name for topic in EVENT_TOPICS)
        self.readers: dict[str, tuple[str, ...]] = dict.fromkeys(self.topics, (READER,))
        self.taken = asyncio.Event()
        self._world = world
        self._supervisor = supervisor
        self._event_log = event_log
        self._stop = asyncio.Event()
        self._sink: SinkRunner | None = None

    async def take(self, held: frozenset[Place], generation: int) -> None:
        """Go on where the event log is, if `held` is everything."""
        await self._end(0.0)
        every = [(topic, p) for topic in self.topics for p in range(self._world.broker.partitions(topic))]
        if missing := len(every) - len(held):
            what = (
                f"{missing} of {len(every)} partitions are held by other processes, and a SQLite file takes all or none"
            )
            self._world.problems.put("event log", f"{what}; let one process join the group (run.groups)")
        else:
            self._world.problems.drop("event log")
            self._stop = asyncio.Event()
            self._sink = SinkRunner(self._event_log, self._world, every)
            self._supervisor.start("persist", self._work(self._sink, self._stop))
        self.taken.set()

    async def loaded(self) -> None:
        """Wait until the event log has said how far it is."""
        await self.taken.wait()
        if self._sink is not None:
            await self._sink.loaded.wait()

    def problem(self) -> str:
        """What keeps the event log from being current; empty when nothing does."""
        return "event log: not loaded yet" if self._sink is not None and not self._sink.loaded.is_set() else ""

    async def _work(self, sink: SinkRunner, stop: asyncio.Event) -> None:
        """Ends only when it is told to and everything that has arrived is in the event log."""
        await sink.load()
        clock = self._world.clock
        began = clock.monotonic()
        while await sink.step() or not stop.is_set():
            if not sink.behind:
                if not sink.catching_up:
                    took = clock.monotonic() - began
                    await clock.wait(stop, min(max(GATHER, REST * took), REST_SECONDS_MAX))
                await self._world.rest(self.name, sink.places(), REST_MAX, stop)
            began = clock.monotonic()

    async def suspend(self, grace: float) -> None:
        """Finish the transaction in work."""
        self.taken.clear()
        await self._end(grace)

    async def release(self, grace: float) -> None:
        """Take everything that has arrived, then end."""
        await self.suspend(grace)

    async def _end(self, grace: float) -> None:
        self._stop.set()
        await self._supervisor.join("persist", grace)
        self._sink = None

    def places(self) -> dict[Place, int]:
        """What is fed next."""
        return self._sink.places() if self._sink else {}

    def needed(self) -> dict[Place, int]:
        """Nothing: journals are never trimmed for the event log's sake here."""
        return {}
