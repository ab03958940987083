"""The broker port over one SQLite file: `embedded:///directory`, the log that needs nothing else.

In: calls from one event loop. Out: as `runtime/broker.py` says, durable when they return. Invariants: what a
caller sees is committed; a record, once read, is never different, in memory or from the file; the queue of
waiting appends is bounded. Writing is the writer's thread's, reading old records a few readers'; new ones are
in memory. One process at a time: the lock says whose. It never gives disk space back to the system; what was freed
is used again.
"""

import asyncio
import logging
import secrets
import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

from tocsin.domain.instant import Instant, to_ms
from tocsin.runtime.broker import Broken, Draft, Record, batch_sizes
from tocsin.runtime.clock import Clock
from tocsin.runtime.embedded import storage
from tocsin.runtime.embedded.compaction import DIRTY, Pass
from tocsin.runtime.embedded.lock import ProcessLock
from tocsin.runtime.embedded.readers import Readers
from tocsin.runtime.embedded.request import (
    ROWS_MAX,
    Append,
    Appended,
    Commit,
    Limit,
    Remove,
    Request,
    Retain,
    Rewrite,
)
from tocsin.runtime.embedded.room import QueueRoom
from tocsin.runtime.embedded.storage import Partition
from tocsin.runtime.embedded.tail import Tail
from tocsin.runtime.embedded.waiters import Waiters
from tocsin.runtime.embedded.writer import Outcome, Writer, verdict
from tocsin.topics import TOPICS, Kind, Topic

__all__ = ["EmbeddedBroker"]

log: Final = logging.getLogger("tocsin.log")

QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Appends that wait for the disk: some seconds of a slow one. Further callers wait before they are queued."""
TAILS_BYTES_MAX: Final = 16 * 1024 * 1024
"""Newest records in memory, over all partitions: every stage that keeps up reads without the disk."""
RECORD_BYTES: Final = 128
"""What a record occupies besides its own bytes, roughly."""
DAY_MS: Final = 24 * 60 * 60 * 1000

Place = tuple[str, int]
Result = TypeVar("Result")


class _Shelf:
    """What the event loop knows of one partition: the newest committed truth."""

    __slots__ = ("begin", "compact_from", "stored", "tail")

    def __init__(self, stored: Partition) -> None:
        self.stored = stored
        self.begin = stored.begin
        self.compact_from = stored.begin + 1
        """The end from which on a compaction pays again."""
        self.tail = Tail(stored.next)


class EmbeddedBroker:
    """The embedded log. Made by `open`, given back by `close`; between them for one event loop at a time.

    It never raises `Doubt`: an append is on the disk, or is not there, or the whole log is `Broken`.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        lock: ProcessLock,
        topics: Mapping[str, Topic],
        connection: sqlite3.Connection,
        partitions: Sequence[Partition],
        incarnations: Mapping[str, str],
    ) -> None:
        """For `open` only."""
        self._path = path
        self._clock = clock
        self._lock = lock
        self._topics = topics
        self._incarnations = incarnations
        self._counts = {topic: sum(p.topic == topic for p in partitions) for topic in topics}
        self._shelves = {(partition.topic, partition.number): _Shelf(partition) for partition in partitions}
        self._places = {partition.id: (partition.topic, partition.number) for partition in partitions}
        self._positions = {
            (group, self._places[partition]): (offset, metadata)
            for group, partition, offset, metadata in storage.positions(connection)
            if partition in self._places
        }
        self._tail_bytes_max = TAILS_BYTES_MAX // len(partitions)
        self._waiters = Waiters(clock)
        self._room = QueueRoom(QUEUE_BYTES_MAX)
        self._outcomes: deque[Outcome] = deque()
        """From the writer's thread to the loop."""
        self._closed: asyncio.Future[None] | None = None
        self._readers = Readers(path)
        self._writer = Writer(connection, partitions, clock, self._delivered)
        self._writer.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        partitions: int = 1,
        clock: Clock,
        topics: Mapping[str, Topic] = TOPICS,
        instance: str,
    ) -> Self:
        """Open the log file `path`; make it, its directory and new topics where they are missing.

        Args:
            partitions: of each topic that names no count of its own.
            instance: the name that a second process is told.

        Raises:
            LockedError: another process uses it.
            ValueError: another partition count than it was made with, or no log of this or an older version.
            Broken: the file cannot be used or has lost records.
        """
        if partitions < 1:
            raise ValueError(f"{partitions} partitions; at least one is needed")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = ProcessLock(path.with_name(f"{path.name}.lock"), instance, clock.now())
        connection: sqlite3.Connection | None = None
        try:
            connection = storage.connect(path)
            connection.execute("BEGIN IMMEDIATE")
            found, incarnations = storage.open_topics(
                connection, topics, partitions, lambda: secrets.token_hex(8), to_ms(clock.now())
            )
            connection.execute("COMMIT")
            return cls(path, clock, lock, topics, connection, found, incarnations)
        except BaseException as error:
            if connection is not None:
                connection.close()
            lock.release()
            if isinstance(error, sqlite3.Error):
                failure = verdict(error)
                raise type(failure)(f"{path}: {failure}") from error
            raise

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` has."""
        if topic not in self._counts:
            raise LookupError(f"unknown topic {topic}")
        return self._counts[topic]

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        """Append all `drafts` or none, durably; see `Broker.append`. A caller that is cancelled meanwhile does
        not know the outcome.

        Raises:
            TypeError: a draft holds something else than bytes and header names.
        """
        shelf = self._shelf((topic, partition))
        sizes = batch_sizes(drafts)
        try:
            payload = storage.encode_drafts(drafts)
            drafts = storage.decode_drafts(payload)  # exactly what a reader of the file will get
        except (msgspec.MsgspecError, TypeError, UnicodeEncodeError) as error:
            raise TypeError(f"a record for {topic}/{partition} cannot be stored: {error}") from error
        size = sum(sizes) + len(sizes) * RECORD_BYTES
        request = Append(self._future(), shelf.stored.id, tuple(drafts), sizes, payload, expected, size=size)
        return (await self._ask(request)).first

    async def read(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        records_max: int = 1000,
        bytes_max: int = 4 * 1024 * 1024,
    ) -> Sequence[Record]:
        """Records from `offset` on; see `Broker.read`."""
        shelf = self._shelf((topic, partition))
        offset = max(offset, shelf.begin)
        if offset >= shelf.tail.first:
            return shelf.tail.read(offset, records_max, bytes_max)
        return await self._readers.read(shelf.stored, offset, records_max, bytes_max)

    async def begin(self, topic: str, partition: int) -> int:
        """The lowest offset that can still be read."""
        return self._shelf((topic, partition)).begin

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        return self._shelf((topic, partition)).tail.end

    async def wait(self, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Return when a partition ends above the given offset, or after `timeout` seconds of the clock."""
        shelves = [(self._shelf(place), offset) for place, offset in beyond.items()]

        def ready() -> bool:
            self._check()
            return any(shelf.tail.end > offset for shelf, offset in shelves)

        await self._waiters.wait(beyond, ready, timeout)

    async def commit(self, group: str, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store positions, all or none, durably."""
        stored = {self._shelf(place).stored.id: position for place, position in positions.items()}
        if stored:
            await self._ask(Commit(self._future(), group, stored))

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What `commit` stored last, or None."""
        self._shelf((topic, partition))
        return self._positions.get((group, (topic, partition)))

    async def incarnation(self, topic: str) -> str:
        """64 random bits in hex, drawn when the topic was made in this file."""
        self.partitions(topic)
        return self._incarnations[topic]

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Forget records below `before`, at most all. The begin moves at once, the rows go in slices."""
        shelf = self._shelf((topic, partition))
        while (await self._ask(Remove(self._future(), shelf.stored.id, before)))[1] >= ROWS_MAX:
            pass

    async def retain(self, now: Instant, keep: Mapping[Place, int] | None = None) -> int:
        """Forget what is older than its topic's `retention_days` (shared topics only), at most `ROWS_MAX` rows a
        call, and what compaction may drop; call it again while it returns anything.

        Kept whatever its age: what a group that has committed a position here has not read yet, and what lies
        at or above the offset in `keep`: what is accepted must not be lost because its reader was away.

        Returns:
            The rows deleted; a row is one append.
        """
        floors = dict(keep or {})
        for (_, place), (offset, _) in self._positions.items():
            floors[place] = min(floors.get(place, offset), offset)
        limits = []
        for place, shelf in self._shelves.items():
            topic = self._topics[place[0]]
            if topic.kind is Kind.SHARED and topic.retention_days is not None:
                before_ms = to_ms(now) - topic.retention_days * DAY_MS
                limits.append((shelf.stored.id, before_ms, floors.get(place, shelf.tail.end)))
        if removed := (await self._ask(Retain(self._future(), limits)))[1]:
            return removed
        shelves = [shelf for shelf in self._shelves.values() if shelf.stored.compacted]
        return sum([await self._compact(shelf, to_ms(now)) for shelf in shelves])

    async def _compact(self, shelf: _Shelf, now_ms: int) -> int:
        """Walk over one partition, if enough has come since the last time; the rows changed. Appends go on between
        the slices."""
        if shelf.tail.end < shelf.compact_from:
            return 0
        walk, changed = Pass(shelf.stored, now_ms), 0
        topic, number = shelf.stored.topic, shelf.stored.number
        try:
            while not walk.done:
                if changes := await self._readers.run(f"{topic}/{number}", walk.slice):
                    changed += await self._ask(Rewrite(self._future(), shelf.stored.id, changes))
        except Broken as error:
            self._check()
            # What is derived is made again by its owner as soon as it finds it gone; a journal would never be dropped.
            log.warning("all of %s/%d is dropped: %s", topic, number, error)
            await self.trim(topic, number, shelf.tail.end)
            return ROWS_MAX
        shelf.compact_from = walk.partition.next + max(1, int(walk.survivors * DIRTY))
        return changed

    async def limit(self, bytes_max: int) -> None:
        """Let the file grow to `bytes_max` and no further, until it is opened again: then appends are
        `Unavailable`, as when the disk is full. What is freed makes room again."""
        await self._ask(Limit(self._future(), bytes_max))

    async def close(self) -> None:
        """Finish what was begun, then give file and lock back. Idempotent. Further calls are `Broken`."""
        if self._closed is None:
            self._room.refuse()
            self._closed = asyncio.get_running_loop().run_in_executor(None, self._shut)
            self._waiters.wake_all()
        await asyncio.shield(self._closed)
        self._settle()

    @property
    def bytes_in_memory(self) -> int:
        """Bytes of the newest records that are read without the disk."""
        return sum(shelf.tail.size for shelf in self._shelves.values())

    def _shut(self) -> None:
        self._readers.close()
        self._writer.stop()
        self._lock.release()

    def _check(self) -> None:
        """Everything that is committed is known here afterwards; or it raises `Broken`."""
        self._settle()
        if self._writer.broken is not None:
            raise Broken(f"{self._path}: {self._writer.broken}")
        if self._closed is not None:
            raise Broken(f"{self._path} is closed")

    def _shelf(self, place: Place) -> _Shelf:
        shelf = self._shelves.get(place)
        if shelf is None:
            self.partitions(place[0])
            raise LookupError(f"unknown partition {place[0]}/{place[1]}")
        self._check()
        return shelf

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _ask(self, request: Request[Result]) -> Result:
        await self._room.take(request.size)
        try:
            self._check()
        except BaseException:
            self._room.give(request.size)
            raise
        self._writer.submit(request)
        return await request.done

    def _delivered(self, outcomes: list[Outcome]) -> None:
        """In the writer's thread. Whoever calls next takes the outcomes over if the loop is gone."""
        self._outcomes.extend(outcomes)
        for loop in {request.done.get_loop() for request, _ in outcomes}:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        """Take over what the writer has done, and tell those who asked."""
        while self._outcomes:
            request, outcome = self._outcomes.popleft()
            self._room.give(request.size)
            if isinstance(outcome, BaseException):
                if isinstance(outcome, Broken):
                    self._waiters.wake_all()
            else:
                self._adopt(request, outcome)
            if request.done.done() or request.done.get_loop().is_closed():
                continue
            if isinstance(outcome, BaseException):
                request.done.set_exception(outcome)
            else:
                request.done.set_result(outcome)

    def _adopt(self, request: Request[Any], outcome: Any) -> None:
        match request:
            case Append():
                self._appended(request, outcome)
            case Commit():
                for partition, position in request.positions.items():
                    self._positions[request.group, self._places[partition]] = position
            case Remove():
                self._trimmed(request.partition_id, outcome[0])
            case Retain():
                for partition, begin in outcome[0].items():
                    self._trimmed(partition, begin)
            case _:  # a limit or a compaction changes nothing that the loop knows
                pass

    def _appended(self, request: Append, where: Appended) -> None:
        place = self._places[request.partition_id]
        shelf = self._shelves[place]
        first, timestamp = where.first, where.timestamp
        shelf.tail.extend(
            [Record(first + n, timestamp, *draft) for n, draft in enumerate(request.drafts)], request.sizes
        )
        shelf.tail.shrink(self._tail_bytes_max)
        shelf.stored = msgspec.structs.replace(shelf.stored, next=shelf.tail.end, timestamp=timestamp)
        self._waiters.wake(place)

    def _trimmed(self, partition_id: int, begin: int) -> None:
        shelf = self._shelves[self._places[partition_id]]
        shelf.begin = begin
        if begin > shelf.tail.first:
            shelf.tail.drop(begin)
