"""One journal partition above the port: who reads sees only what counts, who writes knows what has happened to it.

In: records; encoded events with a position. Out: records that count; commits that have counted, or `Lost`. The two
rules of PROTOCOL §1 and RECORDS §2 live here and nowhere else:

- a record counts if and only if its `ce_sequence` is its own offset;
- after anything but the expected offset the writer reads back from `expected`: its own batch counts = committed;
  nothing foreign counts = the same batch again, stamped anew; a foreign record counts = `Lost`.

It knows nothing of stages and states.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from tocsin.domain.errors import TocsinError
from tocsin.domain.events import Claimed
from tocsin.domain.instant import Instant
from tocsin.runtime.broker import Broken, Conflict, Doubt, Unavailable
from tocsin.runtime.world import SourceLost, World
from tocsin.wire.events import CLAIM, POSITION, Encoded, counts, encode, source_of, stamp
from tocsin.wire.record import Draft, Record

__all__ = ["Journal", "JournalReader", "Lost", "Slice"]

READ_RECORDS_MAX: Final = 1000
READ_BYTES_MAX: Final = 4 * 1024 * 1024
"""A read: enough to be cheap, little enough to keep the loop fair."""


class Lost(TocsinError):
    """A foreign record counts where this writer expected to write: drop the partition with its state and load
    anew."""


class Slice(NamedTuple):
    """What one read gave: the records that count, and where to go on reading."""

    records: list[Record]
    next: int


class JournalReader:
    """Reads journals; may start anywhere and remembers nothing."""

    def __init__(self, world: World, *, follow: str = "") -> None:
        """`follow`: read what has arrived for the reader of this name; empty = read the log itself."""
        self._world = world
        self._follow = follow

    async def read(self, topic: str, partition: int, offset: int, *, records_max: int = READ_RECORDS_MAX) -> Slice:
        """The records from `offset` on that count. `next` = `offset` at the end of the journal.

        Raises:
            SourceLost: records at `offset` have been trimmed.
        """
        broker, arrivals = self._world.broker, self._world.arrivals
        records = await self._world.patiently(
            f"read {topic}/{partition}",
            lambda: (
                arrivals.pull(self._follow, topic, partition, offset, records_max=records_max, bytes_max=READ_BYTES_MAX)
                if self._follow
                else broker.read(topic, partition, offset, records_max=records_max)
            ),
        )
        if not records:
            return Slice([], offset)
        if records[0].offset != offset:
            begin = records[0].offset
            raise SourceLost("source_trimmed", f"{topic}/{partition} begins at {begin}, {offset} was to be read")
        return Slice([record for record in records if counts(record.headers, record.offset)], records[-1].offset + 1)

    async def whole(self, topic: str, partition: int, start: int = 0) -> AsyncIterator[Slice]:
        """The whole journal from `start` on, slice by slice, up to where it ends when it is read.

        Raises:
            SourceLost: it has lost its beginning.
        """
        broker, name = self._world.broker, f"{topic}/{partition}"
        begin = await self._world.patiently(f"read {name}", lambda: broker.begin(topic, partition))
        if begin > start:
            what = f"{name} begins at {begin} and there is no checkpoint that reaches so far"
            raise SourceLost("journal_trimmed", what)
        offset = start
        while (found := await self.read(topic, partition, offset)).next > offset:
            yield found
            offset = found.next


class Journal:
    """The writer of one journal partition: one commit at a time, each at the end as this writer knows it.

    After `Lost`, `Broken` or a cancellation it is worthless: what it wrote last is not known.
    """

    def __init__(self, world: World, topic: str, partition: int, end: int) -> None:
        """`end`: where the journal ends as far as the state that will write to it has been folded."""
        self._world = world
        self.topic = topic
        self.partition = partition
        self.expected = end
        self.claimed_at: int | None = None
        self.source = source_of(world.instance, topic, partition)
        self._busy = False

    async def claim(self, now: Instant, generation: int = 0) -> Claimed:
        """Write the claim: from then on nothing that a former writer has in flight can count. Returns its event.

        Raises:
            Lost: somebody has written since the journal was folded.
        """
        claim = Claimed(recorded_at=now, member=self._world.member, generation=generation)
        self.claimed_at = await self.commit([encode(claim)])
        return claim

    async def commit(self, encoded: Sequence[Encoded], position: bytes = b"") -> int:
        """Append `encoded` as one batch; `position` goes on its last record. Returns the offset of the first, once
        it counts.

        Raises:
            Lost: a foreign record counts at or behind the expected offset. Broken: the log cannot be trusted.
        """
        assert not self._busy, "one commit in flight a journal partition (PROTOCOL §2)"
        self._busy = True
        started = self._world.clock.monotonic()
        attempt = 0
        part = f"append {self.topic}/{self.partition}"
        try:
            while True:
                drafts = self._stamped(encoded, position)
                try:
                    first = await self._world.broker.append(self.topic, self.partition, drafts, self.expected)
                    if first == self.expected:
                        break
                except (Conflict, Doubt):
                    # What became of it is read, not guessed.
                    self._world.metrics.add("tocsin_append_failures_total", 1, self.topic)
                except Unavailable as error:
                    self._world.metrics.add("tocsin_append_failures_total", 1, self.topic)
                    attempt += 1
                    await self._world.wait_after(part, attempt, error)
                    continue
                if await self._counts(drafts):
                    break
        finally:  # whoever is cut off has no problem any more: the partition is somebody else's
            self._world.problems.drop(part)
        committed = self.expected
        self.expected += len(encoded)
        self._busy = False
        self._world.metrics.appended(self.topic, len(encoded), self._world.clock.monotonic() - started)
        return committed

    def _stamped(self, encoded: Sequence[Encoded], position: bytes) -> list[Draft]:
        claim = self.expected if self.claimed_at is None else self.claimed_at
        drafts = []
        for offset, event in enumerate(encoded, self.expected):
            headers = stamp(
                event, source=self.source, journal=self.topic, partition=self.partition, offset=offset, claim=claim
            )
            drafts.append(Draft(event.key, event.value, headers))
        if position:
            last = drafts[-1]
            drafts[-1] = last._replace(headers=(*last.headers, (POSITION, position)))
        return drafts

    async def _counts(self, drafts: Sequence[Draft]) -> bool:
        """Whether `drafts` lie at `expected` and count. If not, `expected` becomes the end behind what does not
        count."""
        broker = self._world.broker
        own, offset = 0, self.expected
        while True:
            records = await self._world.patiently(
                f"read {self.topic}/{self.partition}", partial(broker.read, self.topic, self.partition, offset)
            )
            if not records:
                break
            for record in records:
                if counts(record.headers, record.offset):
                    if not _is_own(record, drafts, record.offset - self.expected):
                        raise Lost(
                            f"{self.topic}/{self.partition}: a record of another writer counts at {record.offset}"
                        )
                    own += 1
            offset = records[-1].offset + 1
        if own == len(drafts):
            return True
        if own:
            raise Broken(
                f"{self.topic}/{self.partition}: {own} of {len(drafts)} records of one append at {self.expected}"
            )
        self.expected = offset
        return False


def _is_own(record: Record, drafts: Sequence[Draft], index: int) -> bool:
    """Whether `record` is draft `index`, by everything that tells writers and events apart."""
    if index >= len(drafts):
        return False
    draft = drafts[index]
    same = ("ce_source", CLAIM, "ce_id")
    theirs = {name: value for name, value in record.headers if name in same}
    ours = {name: value for name, value in draft.headers if name in same}
    return record.key == draft.key and record.value == draft.value and theirs == ours
