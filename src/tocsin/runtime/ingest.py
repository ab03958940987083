"""Runs the mapper over raw partitions. It may repeat itself after a crash, and never leaves a hole (PROTOCOL
§4).

In: raw records from the group's position on. Out: normalized batches, rejected records; then the position. Nothing
of the next batch starts before all outputs of this one are acknowledged. It has no journal: its position is the
group's.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final, NoReturn

import msgspec

from tocsin.domain.instant import from_ms
from tocsin.runtime.arrivals import Place
from tocsin.runtime.positions import check_source
from tocsin.runtime.rejects import append_shared, reject, rejected_draft
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Mapped, Mapper, RawRecord, Rejected
from tocsin.topics import NORMALIZED, RAW
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Draft, Record

__all__ = ["GROUP", "IngestRunner", "settle", "step"]

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
    """One partition of a raw topic. `load` once, then by `step` from one task, at the end `settle`.

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
        self._rules_version = -1
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
        """Seconds until a step has something to do without new input; infinite when it never will."""
        return inf if self._mark is None else max(0.0, self._stored_at + STORE_EVERY - self._world.clock.monotonic())

    async def pull(self) -> Sequence[Record]:
        """The next batch; empty when there is none.

        Raises:
            SourceLost: records were trimmed before they were read.
        """
        records = await self._world.arrived("ingest", self.topic, self.partition, self.next)
        if records and records[0].offset != self.next:
            await self._check_begin(records[0].offset)
        return records

    def passed(self, records: Sequence[Record]) -> None:
        """Everything that `map` made of `records` is in the log."""
        last = records[-1]
        self.next = last.offset + 1
        self._mark = Mark(record_fingerprint(last.key, last.value), self._incarnation, self._rules_version)

    async def _check_begin(self, offset: int) -> None:
        """A producer's transactions leave holes in the offsets; only what was trimmed is lost."""
        broker = self._world.broker
        begin = await self._world.patiently(f"read {self._name}", lambda: broker.begin(self.topic, self.partition))
        if begin > self.next:
            raise SourceLost("source_trimmed", f"{self._name} begins at {offset}; {self.next} was to be read next")

    def map(self, records: Sequence[Record]) -> Mapped:
        """What comes of `records`."""
        rules = self._feed.rules
        self._rules_version = rules.version
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
        for name, number in mapped.received.items():
            self._world.metrics.add("tocsin_alerts_received_total", number, name)
        return mapped

    def unsettled(self) -> tuple[int, str] | None:
        """What the group does not know yet: next offset and metadata."""
        return None if self._mark is None else (self.next, msgspec.json.encode(self._mark).decode())

    def settled(self, next_offset: int) -> None:
        """The group knows it."""
        self._mark = None
        self._stored = next_offset
        self._stored_at = self._world.clock.monotonic()


def raised(_: IngestRunner, error: SourceLost) -> NoReturn:
    """For who cannot go on without a source."""
    raise error


async def step(
    world: World, runners: Sequence[IngestRunner], lost: Callable[[IngestRunner, SourceLost], None] = raised
) -> bool:
    """One batch of each partition, published together: an append for each of them costs more than all of their
    alerts at moderate rates. False when there was nothing. `lost` is told whose records are gone."""
    work: list[tuple[IngestRunner, Sequence[Record], Mapped]] = []
    for runner in runners:
        try:
            records = await runner.pull()
        except SourceLost as error:
            lost(runner, error)
            continue
        if records:
            work.append((runner, records, runner.map(records)))
            await asyncio.sleep(0)  # mapping a full batch takes some ten ms; others may go in between
    if work:
        await publish(world, [mapped for _, _, mapped in work])
        for runner, records, _ in work:
            runner.passed(records)
    if any(runner.idle_for() <= 0 for runner in runners):
        await settle(world, runners)
    return bool(work)


async def publish(world: World, mapped: Sequence[Mapped]) -> None:
    """Append everything and return when all of it is acknowledged: what several raw partitions have for one
    normalized partition goes together, in order."""
    batches: dict[int, list[Draft]] = {}
    rejected: dict[int, list[Draft]] = {}
    for one in mapped:
        for partition, values in one.batches.items():
            batches.setdefault(partition, []).extend(Draft(None, value) for value in values)
        for bad in one.rejected:
            rejected.setdefault(bad.raw_partition, []).append(_draft_of(bad))
    work = [append_shared(world, NORMALIZED.name, to, drafts) for to, drafts in sorted(batches.items()) if drafts]
    work += [reject(world, partition, drafts) for partition, drafts in sorted(rejected.items())]
    if len(work) == 1:
        await work[0]
        return
    # The appends of one step do not depend on each other; the next step waits for all of them.
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def settle(world: World, runners: Iterable[IngestRunner]) -> None:
    """Store the positions of `runners`, together."""
    runners = list(runners)
    places = {(one.topic, one.partition): place for one in runners if (place := one.unsettled()) is not None}
    if not places:
        return
    # Storing the same position twice is storing it once.
    await world.surely("commit positions of ingest", lambda: world.broker.commit(GROUP, places))
    for runner in runners:
        if (place := places.get((runner.topic, runner.partition))) is not None:
            runner.settled(place[0])


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
