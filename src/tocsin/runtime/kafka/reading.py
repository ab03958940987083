"""Records and offsets of partitions, from wherever a caller wants to read.

In: a partition and an offset. Out: records; the first and the next offset of a partition, asked anew each time. Nobody
is subscribed to anything and readers do not disturb each other. What one answer of a broker held beyond a caller's
limits waits for the next call that goes on there. Everything ends within its time: what does not pass in
`READ_SECONDS` is `Unavailable`, what waiting does not cure is `Broken`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import errors as kafka
from aiokafka.protocol.admin import DeleteRecordsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.batch import decode
from tocsin.runtime.kafka.cluster import Address, Cluster, Unanswered, Unsent
from tocsin.runtime.kafka.errors import explain
from tocsin.wire.record import Record

__all__ = ["Reading"]

READ_SECONDS: Final = 10.0
"""New attempts of one call. A leader is elected within seconds; then the caller says that it waits."""
RETRY_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
FETCH_BYTES_MAX: Final = 1024 * 1024
"""One answer: some thousand records, a few ms to unpack, so that the loop stays fair."""
REST_PLACES_MAX: Final = 16
"""Readers for whom records wait: at most 16 answers in memory."""
REST_SECONDS: Final = 5.0
"""For one who reads on. Whoever comes later may find the topic trimmed or made anew, and asks."""
DELETE_SECONDS: Final = 4.0

EARLIEST: Final = -2
LATEST: Final = -1
OUT_OF_RANGE: Final = 1
_REFUSED: Final = 29
"""No right: it goes on as soon as somebody grants it."""
_PASSING: Final = frozenset({-1, 3, 5, 6, 7, 9, 13, 56, 72, 74, 75, 76, 78, 100, 103})
"""No leader (any more), one that is new, an answer that another broker has to give."""

Place = tuple[str, int]


class _Rest(NamedTuple):
    """Records that were fetched and have not been asked for yet, from one offset on."""

    records: Sequence[Record]
    next: int
    until: float = 0.0
    """Of the loop's clock; afterwards nobody gets them."""


class Reading:
    """All reading of one broker port."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._rests: dict[tuple[Place, int], _Rest] = {}

    async def read(self, place: Place, offset: int, records_max: int, bytes_max: int) -> Sequence[Record]:
        """Records from `offset` on; empty at the end, which costs one question and no waiting."""
        following = offset
        while True:
            rest = self._rests.pop((place, following), None)
            if rest is None or rest.until < asyncio.get_running_loop().time():
                rest = await self._fetch(place, following, bytes_max)
            if rest.records:
                count = _fitting(rest.records, records_max, bytes_max)
                if count < len(rest.records):
                    self._keep(place, _Rest(rest.records[count:], rest.next))
                return rest.records[:count]
            if rest.next == following:
                return []
            following = rest.next  # nothing but holes or marks of transactions: they are stepped over

    async def begin(self, place: Place) -> int:
        """The lowest offset that can still be read."""
        return await self._offset(place, EARLIEST)

    async def end(self, place: Place) -> int:
        """The offset behind the last record that all replicas in sync have."""
        return await self._offset(place, LATEST)

    async def trim(self, place: Place, before: int) -> None:
        """Delete the records of `place` below `before`, at most all."""
        before = min(before, await self.end(place))
        if before <= 0:
            return

        async def ask(address: Address) -> tuple[int, Any]:
            request = DeleteRecordsRequest([(place[0], [(place[1], before)])], int(DELETE_SECONDS * 1000))
            answer = await self._cluster.ask(address, "read", request)
            _, _, code, *_ = answer.topics[0][1][0]
            return (0 if code == OUT_OF_RANGE else code), None  # it begins behind `before` already

        await self._at_leader(place, ask)
        for key in [key for key in self._rests if key[0] == place]:
            del self._rests[key]

    async def _offset(self, place: Place, which: int) -> int:
        async def ask(address: Address) -> tuple[int, int]:
            request = OffsetRequest(-1, 0, [(place[0], [(place[1], which)])])
            answer = await self._cluster.ask(address, "read", request)
            _, code, _, offset, *_ = answer.topics[0][1][0]
            return code, offset

        offset: int = await self._at_leader(place, ask)
        return offset

    async def _fetch(self, place: Place, offset: int, bytes_max: int) -> _Rest:
        """What the leader has from `offset` on, or from the begin on when that is behind it."""
        size = max(1, min(bytes_max, FETCH_BYTES_MAX))

        async def ask(address: Address) -> tuple[int, bytes | None]:
            request = FetchRequest(0, 0, size, 0, [(place[0], [(place[1], offset, size)])])
            answer = await self._cluster.ask(address, "read", request)
            _, code, *_, data = answer.topics[0][1][0]
            return (0, None) if code == OUT_OF_RANGE else (code, data or b"")

        data = await self._at_leader(place, ask)
        if data is None:
            begin = await self.begin(place)
            return _Rest([], begin if offset < begin else offset)
        try:
            return _Rest(*decode(data, offset))
        except (kafka.CorruptRecordException, kafka.UnsupportedCodecError) as error:
            raise Broken(explain(error, topic=f"{place[0]}/{place[1]}, read from offset {offset} on")) from error

    def _keep(self, place: Place, rest: _Rest) -> None:
        while len(self._rests) >= REST_PLACES_MAX:
            del self._rests[next(iter(self._rests))]
        until = asyncio.get_running_loop().time() + REST_SECONDS
        self._rests[place, rest.records[0].offset] = rest._replace(until=until)

    async def _at_leader(self, place: Place, ask: Callable[[Address], Awaitable[tuple[int, Any]]]) -> Any:
        """What `ask` gets from the leader of `place`: (Kafka's error code, result). Repeated while it may help.

        Raises:
            Unavailable, Broken: with place, reason and remedy.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + READ_SECONDS
        where = f"{place[0]}/{place[1]}"
        attempt = 0
        while True:
            seen = self._cluster.version
            lasting = refused = False
            try:
                code, result = await ask(self._cluster.leader(*place))
            except (Unsent, Unanswered) as error:
                refused = isinstance(error.cause, kafka.TopicAuthorizationFailedError)
                lasting = isinstance(error.cause, kafka.UnknownTopicOrPartitionError)
                reason = explain(error.cause, topic=where, server=error.server)
            else:
                if code == 0:
                    return result
                reason = explain(code, topic=where)
                refused = code == _REFUSED
                if code not in _PASSING and not refused:
                    raise Broken(reason)
            # A refusal that is only remembered is asked for once more.
            if loop.time() >= until or (refused and attempt > 0):
                raise Broken(reason) if lasting else Unavailable(reason)
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1
            with suppress(Unavailable):
                await self._cluster.refresh(seen)


def _fitting(records: Sequence[Record], records_max: int, bytes_max: int) -> int:
    """How many of `records` keep to the limits; at least one."""
    size = 0
    for number, (_, _, key, value, headers) in enumerate(records[:records_max]):
        size += len(key or b"") + len(value or b"")
        for name, content in headers:
            size += len(name) + len(content)
        if number and size > bytes_max:
            return number
    return max(1, min(len(records), records_max))
