"""Runs the mapper over one raw partition. It may repeat itself after a crash, and never leaves a hole (PROTOCOL
§4).

In: raw records from the group's position on. Out: normalized batches, rejected records; then the position. Nothing
of the next batch starts before all outputs of this one are acknowledged. It has no journal: its position is the
group's.
"""

import asyncio
from collections.abc import Sequence
from math import inf
from typing import Final

import msgspec

from tocsin.domain.instant import from_ms
from tocsin.runtime.arrivals import Place
from tocsin.runtime.broker import Doubt
from tocsin.runtime.positions import check_source
from tocsin.runtime.rejects import append_shared, reject, rejected_draft
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Mapped, Mapper, RawRecord, Rejected
from tocsin.topics import NORMALIZED, RAW
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Draft, Record

__all__ = ["GROUP", "IngestRunner"]

GROUP: Final = "tocsin.ingest"
STORE_EVERY: Final = 1.0
"""Seconds between two stores of the position, each of which costs as much as a batch of alerts."""


class Mark(msgspec.Struct, frozen=True):
    """The metadata of the group's position."""

    fingerprint: str
    """Of the record before the position."""
    incarnation: str
    rules_version: int


class IngestRunner:
    """One partition of a raw topic. `load` once, then `step` from one task, at the end `settle`.

    The position is stored at most once a second: what a crash makes it read again is recognised by correlate.
    """

    def __init__(
        self, mapper: Mapper, world: World, feed: SettingsFeed, partition: int, *, topic: str = RAW.name
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.next = 0
        self._stored = 0
        """The position that the group has."""
        self._stored_at = -inf
        self._mark: Mark | None = None
        self._mapper = mapper
        self._world = world
        self._feed = feed
        self._name = f"{topic}/{partition}"
        self._incarnation = ""

    async def load(self) -> None:
        """Find the position.

        Raises:
            SourceLost: the raw topic does not continue where it was left.
        """
        broker = self._world.broker
        part = f"read {self._name}"
        self._incarnation = await self._world.patiently(part, lambda: broker.incarnation(self.topic))
        known = await self._world.patiently(part, lambda: broker.committed(GROUP, self.topic, self.partition))
        if known is None:
            self.next = await self._world.patiently(part, lambda: broker.begin(self.topic, self.partition))
        else:
            self.next, mark = known[0], msgspec.json.decode(known[1], type=Mark)
            if mark.incarnation != self._incarnation:
                was = f"it is {self._incarnation}, {mark.incarnation} was read up to {self.next}"
                raise SourceLost("source_recreated", f"{self._name}: {was}")
            await check_source(self._world, self.topic, self.partition, self.next, mark.fingerprint)
        self._stored = self.next

    def places(self) -> dict[Place, int]:
        """(topic, partition) -> next offset."""
        return {(self.topic, self.partition): self.next}

    def needed(self) -> dict[Place, int]:
        """(topic, partition) -> the offset from which on a new process would read."""
        return {(self.topic, self.partition): self._stored}

    def idle_for(self) -> float:
        """Seconds until `step` has something to do without new input; infinite when it never will."""
        return inf if self._mark is None else max(0.0, self._stored_at + STORE_EVERY - self._world.clock.monotonic())

    async def step(self) -> bool:
        """Map one batch and see it into the log; False when there is nothing to read.

        Raises:
            SourceLost: records were trimmed before they were read.
        """
        records = await self._world.arrived("ingest", self.topic, self.partition, self.next)
        if records:
            if records[0].offset != self.next:
                await self._check_begin(records[0].offset)
            await self._map(records)
        if self.idle_for() <= 0:
            await self.settle()
        return bool(records)

    async def settle(self) -> None:
        """Store the position."""
        if self._mark is not None:
            await self._commit(self.next, self._mark)
            self._mark = None

    async def _check_begin(self, offset: int) -> None:
        """A producer's transactions leave holes in the offsets; only what was trimmed is lost."""
        broker = self._world.broker
        begin = await self._world.patiently(f"read {self._name}", lambda: broker.begin(self.topic, self.partition))
        if begin > self.next:
            raise SourceLost("source_trimmed", f"{self._name} begins at {offset}; {self.next} was to be read next")

    async def _map(self, records: Sequence[Record]) -> None:
        rules = self._feed.rules
        began = self._world.clock.monotonic()
        raw = [
            RawRecord(
                self.topic,
                self.partition,
                self._incarnation,
                record.offset,
                from_ms(record.timestamp),
                record.value or b"",
                record.headers,
            )
            for record in records
        ]
        mapped = self._mapper.map(raw, rules)
        self._world.metrics.decided("ingest", len(raw), self._world.clock.monotonic() - began)
        await self._publish(mapped)
        last = records[-1]
        self.next = last.offset + 1
        self._mark = Mark(record_fingerprint(last.key, last.value), self._incarnation, rules.version)
        for name, number in mapped.received.items():
            self._world.metrics.add("tocsin_alerts_received_total", number, name)

    async def _publish(self, mapped: Mapped) -> None:
        """Append everything and return when all of it is acknowledged. Batches of a partition go one after the
        other."""
        work = [
            append_shared(self._world, NORMALIZED.name, partition, [Draft(None, value) for value in values])
            for partition, values in sorted(mapped.batches.items())
            if values
        ]
        if mapped.rejected:
            work.append(reject(self._world, self.partition, [_draft_of(one) for one in mapped.rejected]))
        if len(work) == 1:
            await work[0]
            return
        # The appends of one batch do not depend on each other; the next batch waits for all of them.
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _commit(self, next_offset: int, mark: Mark) -> None:
        broker = self._world.broker
        place = {(self.topic, self.partition): (next_offset, msgspec.json.encode(mark).decode())}
        attempt, part = 0, f"commit {self._name}"
        try:
            while True:
                try:
                    await self._world.patiently(part, lambda: broker.commit(GROUP, place))
                    break
                except Doubt as error:  # storing the same position twice is storing it once
                    attempt += 1
                    await self._world.wait_after(part, attempt, error)
        finally:
            self._world.problems.drop(part)
        self._stored = next_offset
        self._stored_at = self._world.clock.monotonic()


def _draft_of(rejected: Rejected) -> Draft:
    index = "" if rejected.index is None else f"/{rejected.index}"
    return rejected_draft(
        value=rejected.value,
        headers=rejected.headers,
        word=rejected.word,
        message=rejected.message,
        stage="ingest",
        source=f"{rejected.raw_topic}/{rejected.raw_partition}",
        position=f"{rejected.offset}{index}",
    )
