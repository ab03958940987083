"""Feeds the event log: every event topic, every partition, in turn, as much as there is.

In: journal records that count, from the sink's own position on. Out: transactions of what several partitions have,
each partition with its position. A sink that is down is tried again for as long as it takes; nothing in front of it
notices.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.domain.errors import Retry
from tocsin.persist.sqlite import LostPosition, Unusable
from tocsin.runtime.arrivals import Place
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Portion, Sink

__all__ = ["READER", "SinkRunner"]

READER: Final = "persist"
BATCH_RECORDS_MAX: Final = 1000
"""Of one partition at once, and from which on a transaction takes no further partition: large enough to be cheap, small
enough that readers see it soon."""


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
        """Take what each partition has, up to a batch; False when there was nothing new anywhere."""
        busy = self.catching_up = False
        portions: list[Portion] = []
        gathered = 0
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
            portions.append(Portion(topic, partition, records, next_offset))
            gathered += len(records)
            if gathered >= BATCH_RECORDS_MAX:
                if not await self._stored(portions):
                    return self.behind
                portions, gathered = [], 0
        if portions and not await self._stored(portions):
            return self.behind
        return busy

    async def _stored(self, portions: Sequence[Portion]) -> bool:
        """Store `portions` in one transaction. False when the sink does not take them: `behind` says whether now or
        never."""
        try:
            await self._sink.append(portions)
        except LostPosition as error:
            # Another process has taken these records: go on where it is.
            await self._failed("event log", f"it is fed by somebody else, too: {error}")
            for topic, partition, _, _ in portions:
                while not await self._load(topic, partition):
                    pass
            return True
        except Unusable as error:
            # Nothing in front of the event log depends on it: paging goes on, and the problem is named.
            self._world.problems.put("event log", str(error))
            self._next.clear()
            self._failures = 0
            return False
        except Retry as error:
            await self._failed("event log", str(error))
            return False
        for topic, partition, _, next_offset in portions:
            self._next[topic, partition] = next_offset
        self._failures = 0
        self._world.problems.drop("event log")
        return True

    async def _failed(self, part: str, text: str) -> None:
        self._failures += 1
        await self._world.wait_after(part, self._failures, Retry(text))
