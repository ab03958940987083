"""What compaction drops: records whose key has a newer one, and tombstones whose readers have had their time.

In: the rows of one compacted partition, newest first, through a connection that cannot write. Out: the `Change`s that
the writer carries out, slice by slice. Invariants: the newest record of each key stays, a tombstone for
`TOMBSTONE_KEPT`, and the last record of the partition always, so that the end can still be checked; a row that is gone
leaves a mark of its place, so that a lost row is still told from a compacted one. A row is written again only when it
is worth it: a superseded record may stay for a while.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from tocsin.runtime.embedded import storage
from tocsin.runtime.embedded.storage import PLACE_BITS, Partition
from tocsin.wire.record import Draft

__all__ = ["ROWS_MAX", "TOMBSTONE_KEPT_MS", "Change", "Pass"]

ROWS_MAX: Final = 200
BYTES_MAX: Final = 4 * 1024 * 1024
"""One slice: read beside the writer, then written in a few milliseconds, during which appends wait."""
TOMBSTONE_KEPT_MS: Final = 24 * 60 * 60 * 1000
"""As long as Kafka's default: a reader that starts at the begin and is done within a day sees every deletion."""
WORTH: Final = 0.25
"""Part of a row's bytes that must be superseded before it is written again: less would copy more than it frees."""
DIRTY: Final = 0.25
"""New records, as a part of those that the last pass left, from which on a pass pays."""


class Change(msgspec.Struct, frozen=True):
    """One row becomes another, or (`count` 0) goes away because its place is covered by the one below it."""

    place: int
    was: bytes
    """Checksum of the row that was looked at: it must still be that one."""
    count: int
    timestamp: int
    payload: bytes


class _Row(msgspec.Struct, frozen=True):
    place: int
    count: int
    timestamp: int
    checksum: bytes


class Pass:
    """One walk over one partition, from its end to its begin. Made anew for each walk."""

    def __init__(self, partition: Partition, now_ms: int) -> None:
        self.partition = partition
        self.done = partition.begin >= partition.next
        self.survivors = 0
        """Records that stay, so far."""
        self._below = partition.place + partition.next
        self._tombstones_before = now_ms - TOMBSTONE_KEPT_MS
        self._seen: set[bytes] = set()
        self._gone: list[_Row] = []
        """Rows next to each other of which nothing stays, newest first: they become one mark."""

    def slice(self, connection: sqlite3.Connection) -> list[Change]:
        """Look at the next rows; what is to be changed. For any thread, one call at a time.

        Raises:
            Broken: a row is damaged; the message says where.
            sqlite3.Error: the file cannot be read.
        """
        changes: list[Change] = []
        rows = size = 0
        for row, payload in self._rows(connection):
            rows, size = rows + 1, size + len(payload)
            drafts = storage.drafts_of(
                self.partition, row.place - self.partition.place, row.count, row.timestamp, row.checksum, payload
            )
            self._below = row.place
            changes += self._judged(row, drafts, payload)
            if rows >= ROWS_MAX or size >= BYTES_MAX:
                return changes
        self.done = True
        return changes + self._mark()

    def _rows(self, connection: sqlite3.Connection) -> Iterator[tuple[_Row, bytes]]:
        cursor = connection.execute(
            "SELECT place, count, timestamp, checksum, payload FROM batch WHERE place >= ? AND place < ?"
            " ORDER BY place DESC LIMIT ?",
            (self.partition.place, self._below, ROWS_MAX),
        )
        try:
            for place, count, timestamp, checksum, payload in cursor:
                yield _Row(place, count, timestamp, checksum), payload
        finally:
            cursor.close()

    def _judged(self, row: _Row, drafts: Sequence[Draft | None], payload: bytes) -> list[Change]:
        kept: list[Draft | None] = []
        gone = 0
        for n in range(len(drafts) - 1, -1, -1):
            draft = drafts[n]
            last = row.place + n + 1 == self.partition.place + self.partition.next
            if draft is not None and (self._stays(draft, row.timestamp) or last):
                kept.append(draft)
            else:
                gone += draft.size if draft is not None else 0
                kept.append(None)
        kept.reverse()
        self.survivors += sum(draft is not None for draft in kept)
        if all(draft is None for draft in kept):
            self._gone.append(row)
            return self._mark() if len(self._gone) >= ROWS_MAX else []
        changes = self._mark()
        if gone >= WORTH * len(payload):
            while kept[-1] is None:
                kept.pop()
            changes.append(Change(row.place, row.checksum, row.count, row.timestamp, storage.encode_drafts(kept)))
        return changes

    def _stays(self, draft: Draft, timestamp: int) -> bool:
        if draft.key is None:
            return True
        key = blake2b(draft.key, digest_size=16).digest()
        newest = key not in self._seen
        self._seen.add(key)
        return newest and (draft.value is not None or timestamp >= self._tombstones_before)

    def _mark(self) -> list[Change]:
        """The rows of `_gone` as one mark at the place of the lowest."""
        rows, self._gone = self._gone, []
        if not rows:
            return []
        newest, lowest = rows[0], rows[-1]
        count = newest.place + newest.count - lowest.place
        if len(rows) == 1 and count == lowest.count and self._is_mark(lowest):
            return []
        changes = [Change(row.place, row.checksum, 0, 0, b"") for row in rows[:-1]]
        nothing = storage.encode_drafts([])
        return [*changes, Change(lowest.place, lowest.checksum, count, newest.timestamp, nothing)]

    def _is_mark(self, row: _Row) -> bool:
        nothing = storage.encode_drafts([])
        return row.checksum == self.partition.checksum(
            row.place - self.partition.place, row.count, row.timestamp, nothing
        )


def carry_out(connection: sqlite3.Connection, partition: Partition, changes: Sequence[Change]) -> int:
    """Apply `changes` within the writer's transaction; how many rows were changed. A row that was trimmed meanwhile
    stays away."""
    changed = 0
    for change in changes:
        if change.count:
            first = change.place & ((1 << PLACE_BITS) - 1)
            checksum = partition.checksum(first, change.count, change.timestamp, change.payload)
            changed += connection.execute(
                "UPDATE batch SET count = ?, timestamp = ?, checksum = ?, payload = ? WHERE place = ? AND checksum = ?",
                (change.count, change.timestamp, checksum, change.payload, change.place, change.was),
            ).rowcount
        else:
            changed += connection.execute(
                "DELETE FROM batch WHERE place = ? AND checksum = ?", (change.place, change.was)
            ).rowcount
    return changed
