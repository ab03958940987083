"""The raw partitions of this process: one loop for all of them, from where the group left off."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from tocsin.runtime.arrivals import Place
from tocsin.runtime.ingest import IngestRunner, settle, step
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.world import REST_MAX, SourceLost, World
from tocsin.stage import Mapper
from tocsin.topics import RAW

__all__ = ["IngestShare"]

log: Final = logging.getLogger("tocsin.ingest")


class IngestShare:
    """See `Share`. What is read twice after a cut is recognised by correlate (PROTOCOL §4)."""

    name = "ingest"

    def __init__(
        self,
        world: World,
        feed: SettingsFeed,
        supervisor: Supervisor,
        mapper: Callable[[], Mapper],
        topics: tuple[str, ...] = (RAW.name,),
    ) -> None:
        """`topics`: `alerts.raw.v1` and those of others that are read like it."""
        self.topics = topics
        self.readers: dict[str, tuple[str, ...]] = dict.fromkeys(topics, (self.name,))
        self.taken = asyncio.Event()
        self._world = world
        self._feed = feed
        self._supervisor = supervisor
        self._mapper = mapper
        self._stop = asyncio.Event()
        self._runners: dict[Place, IngestRunner] = {}
        self._stopped: set[str] = set()
        """Partitions whose source is lost, as the problems call them; another process may have them next."""

    async def take(self, held: frozenset[Place], generation: int) -> None:
        """Work on the partitions of `held`."""
        await self._end(0.0)
        self._stop = asyncio.Event()
        for part in self._stopped:
            self._world.problems.drop(part)
        self._stopped.clear()
        for topic, partition in sorted(held):
            runner = IngestRunner(self._mapper(), self._world, self._feed, partition, topic=topic)
            try:
                await runner.load()
            except SourceLost as error:
                self._lost(runner, error)
                continue
            self._runners[topic, partition] = runner
        self._supervisor.start("ingest", self._work(self._stop))
        self.taken.set()

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not await step(self._world, list(self._runners.values()), self._lost):
                idle = min((runner.idle_for() for runner in self._runners.values()), default=REST_MAX)
                await self._world.rest(self.name, self.places(), min(idle, REST_MAX), stop)
        await settle(self._world, self._runners.values())

    def _lost(self, runner: IngestRunner, error: SourceLost) -> None:
        place = runner.topic, runner.partition
        part = f"ingest {runner.partition}" if runner.topic == RAW.name else f"ingest {runner.topic}/{runner.partition}"
        self._runners.pop(place, None)
        self._stopped.add(part)
        self._world.problems.put(part, str(error))

    async def suspend(self, grace: float) -> None:
        """Finish the batches in work and store the positions."""
        self.taken.clear()
        await self._end(grace)

    async def release(self, grace: float) -> None:
        """The same."""
        await self.suspend(grace)

    async def _end(self, grace: float) -> None:
        self._stop.set()
        if not await self._supervisor.join("ingest", grace):
            log.warning("a batch of ingest did not end within %g s; it is read again", grace)
        self._runners.clear()

    def places(self) -> dict[Place, int]:
        """What each runner reads next."""
        return {place: offset for runner in self._runners.values() for place, offset in runner.places().items()}

    def needed(self) -> dict[Place, int]:
        """What the group has stored."""
        return {place: offset for runner in self._runners.values() for place, offset in runner.needed().items()}
