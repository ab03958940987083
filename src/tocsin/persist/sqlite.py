"""The event log in SQLite: rows, views and position of one append in one transaction.

In: records of the event topics that count, in order, from the runtime. Out: durable rows, and answers for those who
wait for the outcome of a command. Invariants: a record is stored once, whatever is appended again; the position moves
only from where this writer left it (`LostPosition`), so two writers cannot both believe in their rows; each row is
chained to the one before it (`chain.py`); an append that fails leaves nothing behind.

All writing happens in one thread of its own, so a transaction never blocks the event loop, and the connection is used
by one thread only. Readers have connections of their own (`queries.py`).
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from tocsin.domain import events as ev
from tocsin.domain.errors import Reject, TocsinError
from tocsin.persist.chain import GENESIS, encode_headers, link, seal
from tocsin.persist.lock import Held, Lock
from tocsin.persist.queries import Queries
from tocsin.persist.schema import Unusable, fault_of, open_writer
from tocsin.persist.views import BrokenHistory, Views, outcome_of
from tocsin.stage import Portion
from tocsin.wire.events import decode_value, header, type_of
from tocsin.wire.record import Record

__all__ = ["RECORDS_MAX", "BrokenHistory", "EventLog", "Held", "LostPosition", "Unusable"]

RECORDS_MAX: Final = 10_000
"""One append: a transaction that stays far below a second, and below the memory of the smallest machine."""

_Result = TypeVar("_Result")


class LostPosition(TocsinError):
    """The position is not where this writer left it: somebody else has written. Nothing was stored. Drop the partition,
    ask for the position again and read from there."""


class _End(NamedTuple):
    """Where a partition ends in the log."""

    next: int
    last: int
    rows: int
    head: bytes


_EMPTY: Final = _End(0, -1, 0, GENESIS)
_TYPE: Final = 7
"""Place of the type in a row of the log."""


class EventLog:
    """A `stage.Sink`. One per database and machine: the lock file sees to it."""

    def __init__(self, path: Path, lock: Lock, connection: sqlite3.Connection) -> None:
        self.path = path
        self.queries = Queries(path)
        self._lock = lock
        self._connection = connection
        self._views = Views(connection)
        self._ends: dict[tuple[str, int], _End] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="tocsin-persist")
        self._waiting: dict[str, set[asyncio.Future[dict[str, Any]]]] = {}
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, holder: str = "tocsin") -> "EventLog":
        """Open or create the database at `path`; its directory exists.

        Raises:
            Held: another process holds it; the message names `holder` of that one.
            Unusable: the file is not ours, of another version, or damaged.
            Retry: it cannot be opened now.
        """
        lock = Lock(path, holder)
        try:
            return cls(path, lock, open_writer(path))
        except BaseException:
            lock.release()
            raise

    async def append(self, portions: Sequence[Portion]) -> None:
        """Store the records of `portions`, each of another partition, and up to where each was read, in one
        transaction. Records stored before are passed over.

        Raises:
            ValueError: offsets do not rise, one is not below `next_offset`, or a portion has more than `RECORDS_MAX`.
            LostPosition: somebody else has moved a position.
            BrokenHistory: an incident event does not follow the one before it: a bug.
            Retry: locked, full or unwritable now. Unusable: damaged. Nothing was stored in any of these cases.
        """
        for portion in portions:
            _check(portion.records, portion.next_offset)
        writing = asyncio.get_running_loop().run_in_executor(self._writer, self._append, portions)
        writing.add_done_callback(self._answer)
        await asyncio.shield(writing)  # a cancelled caller does not stop the thread; who waits must still be answered

    async def position(self, topic: str, partition: int) -> int:
        """The offset to read next; 0 when nothing was read yet. Raises `Retry` and `Unusable` like `append`."""
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._writer, self._load, (topic, partition))).next

    def high_water(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset to read next. A journal that ends below it has lost its tail (PROTOCOL
        §9)."""
        return self.queries.positions()

    async def wait_outcome(self, command_id: str, timeout: float) -> dict[str, Any] | None:  # noqa: ASYNC109 None, not an error
        """The outcome of a command as soon as it is in the view (`Queries.outcome`); None after `timeout` seconds."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command_id, set()).add(waiting)
        try:
            known = await asyncio.to_thread(self.queries.outcome, command_id)
            if known is not None:
                return known
            async with asyncio.timeout(timeout):
                answer: dict[str, Any] = await waiting
                return answer
        except TimeoutError:
            return None
        finally:
            others = self._waiting[command_id]
            others.discard(waiting)
            if not others:
                del self._waiting[command_id]

    def close(self) -> None:
        """Finish the running append and give file and lock back. Idempotent; blocks for that append at most."""
        if self._closed:
            return
        self._closed = True
        self.queries.close()  # first: only the last connection, if it may write, brings the write-ahead log in
        self._writer.submit(self._connection.close)
        self._writer.shutdown()
        self._lock.release()

    # ---- on the event loop -------------------------------------------------------------------------------------------

    def _answer(self, writing: "asyncio.Future[list[dict[str, Any]]]") -> None:
        if writing.cancelled() or writing.exception() is not None:
            return
        for outcome in writing.result():
            for waiting in self._waiting.get(outcome["command_id"], ()):
                if not waiting.done():
                    waiting.set_result(outcome)

    # ---- in the writer thread ----------------------------------------------------------------------------------------

    def _load(self, place: tuple[str, int]) -> _End:
        try:
            row = self._connection.execute(
                "SELECT next, last, rows, head FROM position WHERE topic = ? AND partition = ?", place
            ).fetchone()
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error
        end = self._ends[place] = _End(*row) if row is not None else _EMPTY
        return end

    def _append(self, portions: Sequence[Portion]) -> list[dict[str, Any]]:
        """One transaction; returns the outcomes of commands that it stored."""
        outcomes: list[dict[str, Any]] = []
        ends: dict[tuple[str, int], _End] = {}
        name = ""
        for topic, partition, _, _ in portions:
            if (topic, partition) not in self._ends:
                self._load((topic, partition))
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for topic, partition, records, next_offset in portions:
                old, name = self._ends[topic, partition], f"{topic}/{partition}"
                if next_offset > old.next:
                    new = [record for record in records if record.offset >= old.next]
                    ends[topic, partition] = self._write(topic, partition, new, next_offset, old, outcomes)
            self._views.flush()
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.IntegrityError):
                raise BrokenHistory(f"{name}: {error}") from error
            if isinstance(error, sqlite3.Error):
                raise fault_of(error, self.path) from error
            raise
        self._ends |= ends
        return outcomes

    def _write(
        self,
        topic: str,
        partition: int,
        records: Sequence[Record],
        next_offset: int,
        old: _End,
        outcomes: list[dict[str, Any]],
    ) -> _End:
        """Insert the records of one partition, fold them, and move its position; returns where it ends then."""
        rows, last, head = self._rows(topic, partition, records, old)
        end = _End(next_offset, last, old.rows + len(rows), head)
        self._move(topic, partition, old, end)
        self._connection.executemany(
            "INSERT INTO log (topic, partition, offset, timestamp, key, value, headers, type, subject, recorded_at,"
            " hash, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        outcomes += self._fold(topic, partition, records, rows)
        return end

    def _undo(self) -> None:
        self._views.forget()
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # what led here is what the caller has to know
                self._connection.execute("ROLLBACK")

    def _rows(
        self, topic: str, partition: int, records: Sequence[Record], old: _End
    ) -> tuple[list[tuple[Any, ...]], int, bytes]:
        """(rows of the log, offset of the last, its hash)."""
        rows: list[tuple[Any, ...]] = []
        last, head = old.last, old.head
        for offset, timestamp, key, value, headers in records:
            head = link(head, topic, partition, offset, key, headers, value)
            stored = encode_headers(headers)
            kind = type_of(headers)
            subject = (header(headers, "ce_subject") or b"").decode("utf-8", "replace")
            recorded_at = (header(headers, "ce_time") or b"").decode("utf-8", "replace")
            checksum = seal(head, timestamp, stored, kind, subject, recorded_at)
            rows.append(
                (topic, partition, offset, timestamp, key, value, stored, kind, subject, recorded_at, head, checksum)
            )
            last = offset
        return rows, last, head

    def _move(self, topic: str, partition: int, old: _End, end: _End) -> None:
        """Move the position, if it is where this writer left it."""
        where = {"topic": topic, "partition": partition, "old": old.next, **end._asdict()}
        if old is _EMPTY:
            statement = (
                "INSERT INTO position (topic, partition, next, last, rows, head)"
                " VALUES (:topic, :partition, :next, :last, :rows, :head) ON CONFLICT DO NOTHING"
            )
        else:
            statement = (
                "UPDATE position SET next = :next, last = :last, rows = :rows, head = :head"
                " WHERE topic = :topic AND partition = :partition AND next = :old"
            )
        if self._connection.execute(statement, where).rowcount != 1:
            raise LostPosition(
                f"{topic}/{partition}: the position is no longer {old.next}; another writer has moved it"
            )

    def _fold(
        self, topic: str, partition: int, records: Sequence[Record], rows: Sequence[tuple[Any, ...]]
    ) -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = []
        for record, row in zip(records, rows, strict=True):
            try:
                event = decode_value(row[_TYPE], record.value)
            except Reject:  # of a newer version: kept and chained, in no view
                self._views.skip(topic, record.headers)
                continue
            self._views.apply(topic, partition, record.offset, event)
            if isinstance(event, ev.CommandEvent):
                outcomes.append(outcome_of(event))
        return outcomes


def _check(records: Sequence[Record], next_offset: int) -> None:
    if len(records) > RECORDS_MAX:
        raise ValueError(f"{len(records)} records in one append; at most {RECORDS_MAX} are allowed")
    before = -1
    for record in records:
        if not before < record.offset < next_offset:
            raise ValueError(f"offset {record.offset} after {before} does not fit an append up to {next_offset}")
        before = record.offset
