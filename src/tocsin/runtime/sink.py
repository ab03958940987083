"""Feeds the event log: every event topic, every partition, in turn, as much as there is.

In: journal records that count, from the sink's own position on. Out: batches of at most 1,000, each with the
position in the sink's transaction. A sink that is down is tried again for as long as it takes; nothing in front of
it notices.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from tocsin.domain.errors import Retry
from tocsin.persist.sqlite import LostPosition, Unusable
from tocsin.runtime.arrivals import Place
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Sink

__all__ = ["READER", "SinkRunner"]

READER: Final = "persist"
BATCH_RECORDS_MAX: Final = 1000
"""One transaction: large enough to be cheap, small enough that readers see it soon."""


class SinkRunner:
    """All partitions of all event topics. `load` once, then `step` from one task."""

    def __init__(self, sink: Sink, world: World, places: Iterable[Place]) -> None:
        """`places`: what is fed, in this order."""
        self._sink = sink
        self._world = world
        self._reader = JournalReader(world, follow=READER)
        self._next: dict[Place, int] = {}
        self._places = tuple(places)
        self._failures = 0
        self.catching_up = False
        """A batch of the last round was full: there is more."""
        self.loaded = asyncio.Event()

    @property
    def behind(self) -> bool:
        """The sink did not take the last batch."""
        return self._failures > 0

    async def load(self) -> None:
        """Ask the sink how far it is, for as long as it takes. A sink that is ahead of the log (whose tail is lost
        then, PROTOCOL §9) keeps its partition stopped, and says so."""
        for topic, partition in self._places:
            while not await self._load(topic, partition):
                pass
        self.loaded.set()

    async def _load(self, topic: str, partition: int) -> bool:
        part = f"event log {topic}/{partition}"
        try:
            position = await self._sink.position(topic, partition)
        except Retry as error:
            await self._failed("event log", str(error))
            return False
        except Unusable as error:
            self._world.problems.put(part, str(error))
            return True
        broker = self._world.broker
        end = await self._world.patiently(part, lambda: broker.end(topic, partition))
        if position > end:
            self._next.pop((topic, partition), None)
            what = f"the event log was read up to {position}, the log ends at {end}: {position - end} records are lost"
            self._world.problems.put(part, what)
        else:
            self._next[topic, partition] = position
        return True

    def places(self) -> dict[Place, int]:
        """(topic, partition) -> next offset of everything that is fed."""
        return dict(self._next)

    async def step(self) -> bool:
        """Take one batch of each partition; False when there was nothing new anywhere."""
        busy = self.catching_up = False
        for (topic, partition), start in list(self._next.items()):
            try:
                records, next_offset = await self._reader.read(topic, partition, start, records_max=BATCH_RECORDS_MAX)
            except SourceLost as error:
                self._world.problems.put(f"event log {topic}/{partition}", str(error))
                del self._next[topic, partition]
                continue
            if next_offset == start:
                continue
            busy = True
            self.catching_up |= next_offset - start >= BATCH_RECORDS_MAX
            try:
                await self._sink.append(topic, partition, records, next_offset)
            except LostPosition:
                # Another process has taken these records: go on where it is.
                await self._failed("event log", f"{topic}/{partition} is fed by somebody else, too")
                while not await self._load(topic, partition):
                    pass
                continue
            except Unusable as error:
                # Nothing in front of the event log depends on it: paging goes on, and the problem is named.
                self._world.problems.put("event log", str(error))
                self._next.clear()
                return False
            except Retry as error:
                await self._failed("event log", str(error))
                return True
            self._next[topic, partition] = next_offset
            self._failures = 0
            self._world.problems.drop("event log")
        return busy

    async def _failed(self, part: str, text: str) -> None:
        self._failures += 1
        await self._world.wait_after(part, self._failures, Retry(text))
