"""What the agent of one share has brought and its readers have not worked yet, by partition.

In: batches of records, as a consumer group delivers them: repeated, or with a hole after a seek. Out: slices from
the offset that a reader asks for, without holes. It merges: however many batches arrive while an owner is busy, its
next pull gets them as one. Invariants: a record leaves when every reader of its topic has asked for a later one; a
pull below or between what is here is answered by the log itself, so nothing that the group's delivery skips is
skipped; a full partition is not fetched.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from tocsin.runtime.arrivals import Place
from tocsin.runtime.broker import Broker, Record

__all__ = ["Inbox", "Inboxes"]

SHELF_BYTES_MAX: Final = 8 * 1024 * 1024
"""A partition with so much unworked is left alone until it has been worked: some pulls' worth."""
RECORD_BYTES: Final = 200
"""Headers and objects of one record, roughly."""
_offset = attrgetter("offset")


class _Shelf:
    """One partition: records with rising offsets."""

    __slots__ = ("passed", "records", "sizes")

    def __init__(self, readers: Iterable[str], offset: int) -> None:
        self.passed = dict.fromkeys(readers, offset)
        self.records: list[Record] = []
        self.sizes = 0

    @property
    def following(self) -> int:
        """The offset after the last record; -1 when there is none."""
        return self.records[-1].offset + 1 if self.records else -1

    def forget_passed(self) -> None:
        least = min(self.passed.values())
        if self.records and self.records[0].offset < least:
            gone = bisect_left(self.records, least, key=_offset)
            self.sizes -= sum(_size(record) for record in self.records[:gone])
            del self.records[:gone]


def _size(record: Record) -> int:
    return RECORD_BYTES + len(record.value or b"")


class Inbox:
    """One share's part of `Arrivals`. Everything in the loop of the owners."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._shelves: dict[Place, _Shelf] = {}
        self._readers: dict[Place, Sequence[str]] = {}
        """Of everything that is held; a shelf is put up when it is known from where on records are wanted."""
        self._skipping: dict[Place, int | None] = {}
        """What cannot be delivered is read from the log by whoever pulls; then the offset where delivery goes on."""
        self._waiting: dict[Place, set[asyncio.Future[None]]] = {}

    # ---- what the group's member does --------------------------------------------------------------------------------

    def open(self, held: Iterable[Place], places: Mapping[Place, int], readers: Mapping[str, Sequence[str]]) -> None:
        """Take records of `held`, of those in `places` from the given offsets on, of the others from where the first
        pull says; `readers`: topic -> who pulls it."""
        self._readers = {place: readers[place[0]] for place in held}
        for place, offset in places.items():
            if place in self._readers:
                self._shelves[place] = _Shelf(self._readers[place], offset)

    def shut(self) -> None:
        """Forget everything, and take nothing until `open`."""
        self._shelves.clear()
        self._readers.clear()
        self._skipping.clear()
        for place in list(self._waiting):
            self._wake(place)

    def put(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """A batch has been delivered."""
        shelf = self._shelves.get((topic, partition))
        if shelf is None:
            return
        following = max(shelf.following, min(shelf.passed.values()))
        fresh = records if records[0].offset >= following else [one for one in records if one.offset >= following]
        if fresh:
            shelf.records.extend(fresh)
            shelf.sizes += sum(map(_size, fresh))
            self._wake((topic, partition))

    def wanted(self) -> dict[Place, int]:
        """Where the delivery has to go on, of partitions of which nothing that comes next is here."""
        return {
            place: offset
            for place, shelf in self._shelves.items()
            for offset in [min(shelf.passed.values())]
            if not shelf.records or shelf.records[0].offset > offset
        }

    def takes(self, topic: str, partition: int) -> bool:
        """Whether records of this partition are wanted now: it is worked on, and not full."""
        shelf = self._shelves.get((topic, partition))
        return shelf is not None and shelf.sizes < SHELF_BYTES_MAX and (topic, partition) not in self._skipping

    def unreadable(self, places: Iterable[Place]) -> None:
        """What comes next in one of `places` cannot be delivered: it is read from the log."""
        for place in places:
            if place in self._shelves:
                self._skipping[place] = None
                self._wake(place)

    def skipped(self) -> dict[Place, int]:
        """Where delivery goes on, of places whose readers have read what could not be delivered; each told once."""
        told = {place: offset for place, offset in self._skipping.items() if offset is not None}
        for place in told:
            del self._skipping[place]
        return told

    def _wake(self, place: Place) -> None:
        for future in self._waiting.pop(place, ()):
            if not future.done():
                future.set_result(None)

    # ---- what the owners do ------------------------------------------------------------------------------------------

    async def pull(
        self, reader: str, topic: str, partition: int, offset: int, *, records_max: int, bytes_max: int
    ) -> Sequence[Record]:
        """See `Arrivals`."""
        shelf = self._shelves.get((topic, partition))
        if shelf is None:
            if (topic, partition) not in self._readers:
                return ()
            shelf = self._shelves[topic, partition] = _Shelf(self._readers[topic, partition], offset)
        shelf.passed[reader] = offset
        shelf.forget_passed()
        records = shelf.records
        if not records or records[-1].offset < offset:
            if (topic, partition) not in self._skipping:
                return ()
            read = await self._broker.read(topic, partition, offset, records_max=records_max, bytes_max=bytes_max)
            if (topic, partition) in self._skipping:
                self._skipping[topic, partition] = read[-1].offset + 1 if read else offset
            return read
        start = bisect_left(records, offset, key=_offset)
        if records[start].offset != offset:
            # The group delivered from further on: what is missing is read from the log, if it exists.
            return await self._broker.read(topic, partition, offset, records_max=records_max, bytes_max=bytes_max)
        return _run(records, start, records_max, bytes_max)

    async def wait(self, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - as the broker's
        """Return as soon as something from one of the given offsets on is here."""
        for place, offset in beyond.items():
            shelf = self._shelves.get(place)
            if shelf is not None and (shelf.following > offset or self._skipping.get(place, 0) is None):
                return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for place in beyond:
            self._waiting.setdefault(place, set()).add(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            pass
        finally:
            for place in beyond:
                if (others := self._waiting.get(place)) is not None:
                    others.discard(future)


def _run(records: Sequence[Record], start: int, records_max: int, bytes_max: int) -> Sequence[Record]:
    """The records from index `start` on up to the first hole or limit; at least one."""
    end, expected, left = start, records[start].offset, bytes_max
    for record in records[start : start + records_max]:
        left -= len(record.value or b"")
        if record.offset != expected or (left < 0 and end > start):
            break
        end += 1
        expected += 1
    return records[start:end]


class Inboxes:
    """The inboxes of all shares of this process, as `Arrivals`."""

    def __init__(self) -> None:
        self._by_share: dict[str, Inbox] = {}
        self._by_reader: dict[str, Inbox] = {}

    def add(self, share: str, readers: Iterable[str], inbox: Inbox) -> None:
        """`inbox` is that of `share`, whose readers have these names."""
        self._by_share[share] = inbox
        self._by_reader.update(dict.fromkeys(readers, inbox))

    async def pull(
        self, reader: str, topic: str, partition: int, offset: int, *, records_max: int, bytes_max: int
    ) -> Sequence[Record]:
        """See `Arrivals`."""
        inbox = self._by_reader[reader]
        return await inbox.pull(reader, topic, partition, offset, records_max=records_max, bytes_max=bytes_max)

    async def wait(self, share: str, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """See `Arrivals`."""
        await self._by_share[share].wait(beyond, timeout)
