"""Runs the mapper over one raw partition. It may repeat itself after a crash, and never leaves a hole (PROTOCOL
§4).

In: raw records from the group's position on. Out: normalized batches, rejected records; then the position. Nothing
of the next batch starts before all outputs of this one are acknowledged. It has no journal: its position is the
group's.
"""

import asyncio
from typing import Final

import msgspec

from tocsin.domain.instant import from_ms
from tocsin.runtime.broker import Doubt
from tocsin.runtime.positions import check_source
from tocsin.runtime.rejects import append_shared, reject, rejected_draft
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Mapped, Mapper, RawRecord, Rejected
from tocsin.topics import NORMALIZED, RAW
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Draft

__all__ = ["GROUP", "IngestRunner"]

GROUP: Final = "tocsin.ingest"
READ_RECORDS_MAX: Final = 1000
READ_BYTES_MAX: Final = 1024 * 1024
"""One batch: mapping it holds the loop for some 50 ms at most."""


class Mark(msgspec.Struct, frozen=True):
    """The metadata of the group's position."""

    fingerprint: str
    """Of the record before the position."""
    incarnation: str
    rules_version: int


class IngestRunner:
    """One raw partition. `load` once, then `step` from one task."""

    def __init__(self, mapper: Mapper, world: World, feed: SettingsFeed, partition: int) -> None:
        self.partition = partition
        self.next = 0
        self._mapper = mapper
        self._world = world
        self._feed = feed
        self._name = f"{RAW.name}/{partition}"
        self._incarnation = ""

    async def load(self) -> None:
        """Find the position.

        Raises:
            SourceLost: the raw topic does not continue where it was left.
        """
        broker = self._world.broker
        part = f"read {self._name}"
        self._incarnation = await self._world.patiently(part, lambda: broker.incarnation(RAW.name))
        known = await self._world.patiently(part, lambda: broker.committed(GROUP, RAW.name, self.partition))
        if known is None:
            self.next = await self._world.patiently(part, lambda: broker.begin(RAW.name, self.partition))
            return
        self.next, mark = known[0], msgspec.json.decode(known[1], type=Mark)
        if mark.incarnation != self._incarnation:
            was = f"it is {self._incarnation}, {mark.incarnation} was read up to {self.next}"
            raise SourceLost("source_recreated", f"{self._name}: {was}")
        await check_source(self._world, RAW.name, self.partition, self.next, mark.fingerprint)

    def places(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> next offset."""
        return {(RAW.name, self.partition): self.next}

    async def step(self) -> bool:
        """Map one batch and see it into the log; False when there is nothing to read.

        Raises:
            SourceLost: records were trimmed before they were read.
        """
        broker, start = self._world.broker, self.next
        records = await self._world.patiently(
            f"read {self._name}",
            lambda: broker.read(
                RAW.name, self.partition, start, records_max=READ_RECORDS_MAX, bytes_max=READ_BYTES_MAX
            ),
        )
        if not records:
            return False
        if records[0].offset != start:
            raise SourceLost(
                "source_trimmed", f"{self._name} begins at {records[0].offset}; {start} was to be read next"
            )
        rules = self._feed.rules
        began = self._world.clock.monotonic()
        raw = [
            RawRecord(
                RAW.name,
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
        mark = Mark(record_fingerprint(last.key, last.value), self._incarnation, rules.version)
        await self._commit(last.offset + 1, mark)
        for name, number in mapped.received.items():
            self._world.metrics.add("tocsin_alerts_received_total", number, name)
        return True

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
        place = {(RAW.name, self.partition): (next_offset, msgspec.json.encode(mark).decode())}
        attempt = 0
        while True:
            try:
                await self._world.patiently(f"commit {self._name}", lambda: broker.commit(GROUP, place))
                break
            except Doubt as error:  # storing the same position twice is storing it once
                attempt += 1
                await self._world.wait_after(f"commit {self._name}", attempt, error)
        self._world.problems.drop(f"commit {self._name}")
        self.next = next_offset


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
