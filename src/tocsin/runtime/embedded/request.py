"""What the writer is asked to do, and what it does within one transaction.

In: requests with plain values. Out: what each of them brought about; `Ledger` holds the partitions as this
transaction will leave them, and becomes the truth only when it is committed. No transaction is opened here.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from tocsin.runtime.broker import Conflict
from tocsin.runtime.embedded import compaction, storage
from tocsin.runtime.embedded.compaction import Change
from tocsin.runtime.embedded.storage import Partition
from tocsin.wire.record import Draft

__all__ = ["ROWS_MAX", "Append", "Appended", "Commit", "Ledger", "Limit", "Remove", "Request", "Retain", "Rewrite"]

ROWS_MAX: Final = 10_000
"""Rows deleted in one transaction: some tens of milliseconds during which appends wait."""

Result = TypeVar("Result")


class Ledger:
    """The partitions within one transaction, and its connection."""

    __slots__ = ("_committed", "_touched", "connection", "now_ms")

    def __init__(self, connection: sqlite3.Connection, committed: Mapping[int, Partition], now_ms: int) -> None:
        self.connection = connection
        self.now_ms = now_ms
        self._committed = committed
        self._touched: dict[int, Partition] = {}

    def get(self, partition_id: int) -> Partition:
        """The partition as the requests before have left it."""
        return self._touched.get(partition_id) or self._committed[partition_id]

    def put(self, partition: Partition) -> None:
        """The partition as this request leaves it."""
        self._touched[partition.id] = partition

    def store(self) -> Mapping[int, Partition]:
        """Write the changed partitions into the database; what they are by id."""
        for partition in self._touched.values():
            storage.store_partition(self.connection, partition)
        return self._touched


@dataclass(slots=True, eq=False)
class Request(Generic[Result]):
    """One call that writes. `done` gets its result or its error."""

    done: asyncio.Future[Result]
    size: int = field(default=256, kw_only=True)
    """Bytes that it occupies while it waits."""

    def apply(self, ledger: Ledger) -> Result:
        """Carry it out within the ledger's transaction.

        Raises:
            Conflict: it does not fit, and has left nothing behind.
        """
        raise NotImplementedError


@dataclass(slots=True)
class Appended:
    """Where an append lies."""

    first: int
    timestamp: int


@dataclass(slots=True, eq=False)
class Append(Request[Appended]):
    """Add `drafts` to a partition as one row."""

    partition_id: int
    drafts: Sequence[Draft]
    sizes: Sequence[int]
    payload: bytes
    expected: int | None

    def apply(self, ledger: Ledger) -> Appended:
        partition = ledger.get(self.partition_id)
        first, count = partition.next, len(self.drafts)
        if self.expected is not None and self.expected != first:
            raise Conflict(f"{partition.topic}/{partition.number} ends at {first}, not at {self.expected}")
        timestamp = max(partition.timestamp, ledger.now_ms)
        storage.insert(ledger.connection, partition, first, count, timestamp, self.payload)
        ledger.put(msgspec.structs.replace(partition, next=first + count, timestamp=timestamp))
        return Appended(first, timestamp)


@dataclass(slots=True, eq=False)
class Commit(Request[None]):
    """Store how far a group has read."""

    group: str
    positions: Mapping[int, tuple[int, str]]

    def apply(self, ledger: Ledger) -> None:
        for partition_id, position in self.positions.items():
            storage.store_position(ledger.connection, self.group, partition_id, position)


@dataclass(slots=True, eq=False)
class Remove(Request[tuple[int, int]]):
    """Move the begin up to `before` and delete up to `ROWS_MAX` rows below it: (begin, rows deleted)."""

    partition_id: int
    before: int

    def apply(self, ledger: Ledger) -> tuple[int, int]:
        return _remove(ledger, ledger.get(self.partition_id), self.before, ROWS_MAX)


@dataclass(slots=True, eq=False)
class Retain(Request[tuple[dict[int, int], int]]):
    """Remove what is older than the partition's (instant in ms) but never what its floor (offset) keeps, up to
    `ROWS_MAX` rows in all: (begin by partition, rows deleted)."""

    limits: Sequence[tuple[int, int, int]]

    def apply(self, ledger: Ledger) -> tuple[dict[int, int], int]:
        begins: dict[int, int] = {}
        rows = 0
        for partition_id, before_ms, floor in self.limits:
            partition = ledger.get(partition_id)
            before = min(floor, storage.expired(ledger.connection, partition, before_ms, ROWS_MAX - rows))
            begins[partition_id], removed = _remove(ledger, partition, before, ROWS_MAX - rows)
            rows += removed
            if rows >= ROWS_MAX:
                break
        return begins, rows


@dataclass(slots=True, eq=False)
class Rewrite(Request[int]):
    """Change rows as a compaction has found right: how many were changed."""

    partition_id: int
    changes: Sequence[Change]

    def apply(self, ledger: Ledger) -> int:
        return compaction.carry_out(ledger.connection, ledger.get(self.partition_id), self.changes)


@dataclass(slots=True, eq=False)
class Limit(Request[None]):
    """Let the database grow to so many bytes and no further."""

    bytes_max: int

    def apply(self, ledger: Ledger) -> None:
        (page_size,) = ledger.connection.execute("PRAGMA page_size").fetchone()
        ledger.connection.execute(f"PRAGMA max_page_count = {max(1, self.bytes_max // page_size)}")


def _remove(ledger: Ledger, partition: Partition, before: int, rows_max: int) -> tuple[int, int]:
    begin = max(partition.begin, min(before, partition.next))
    if begin != partition.begin:
        partition = msgspec.structs.replace(partition, begin=begin)
        ledger.put(partition)
    return begin, storage.remove(ledger.connection, partition, rows_max)
