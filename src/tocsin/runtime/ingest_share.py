"""The raw partitions of this process: one loop each, from where the group left off."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from tocsin.runtime.arrivals import Place
from tocsin.runtime.ingest import IngestRunner
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
        """Start a loop for each partition of `held`."""
        await self._end(0.0)
        self._stop = asyncio.Event()
        for part in self._stopped:
            self._world.problems.drop(part)
        self._stopped.clear()
        for topic, partition in sorted(held):
            part = f"ingest {partition}" if topic == RAW.name else f"ingest {topic}/{partition}"
            runner = IngestRunner(self._mapper(), self._world, self._feed, partition, topic=topic)
            try:
                await runner.load()
            except SourceLost as error:
                self._lost(part, error)
                continue
            self._runners[topic, partition] = runner
            self._supervisor.start(part, self._work(part, runner, self._stop))
        self.taken.set()

    async def _work(self, part: str, runner: IngestRunner, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                if not await runner.step():
                    await self._world.rest(self.name, runner.places(), min(runner.idle_for(), REST_MAX), stop)
            await runner.settle()
        except SourceLost as error:
            self._lost(part, error)

    def _lost(self, part: str, error: SourceLost) -> None:
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
