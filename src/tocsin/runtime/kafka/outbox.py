"""What waits to be sent to one broker, and the few requests that carry it there.

In: record batches, each for a partition that the broker leads, at most one a partition. Out: for each Kafka's error
code and the offset of its first record; or `Unsent` or `Unanswered`. What waits while all lanes are busy goes with the
next request together, so many partitions cost few requests, and none waits for replicas of more than one other round.
"""

import asyncio
from typing import Final, NamedTuple

from aiokafka import errors as kafka
from aiokafka.protocol.produce import ProduceRequest

from tocsin.runtime.kafka.cluster import Address, Cluster, Unanswered

__all__ = ["Outbox", "Written"]

LANES: Final = 3
"""Requests under way to one broker, each on its own connection: one may wait for replicas, one for the disk."""
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
"""Far below a broker's `socket.request.max.bytes` of 100 MiB."""
REPLICAS_SECONDS: Final = 4.0
"""How long the broker waits for its replicas; below the time its answer is waited for."""

Place = tuple[str, int]


class Written(NamedTuple):
    """The broker's answer for one batch."""

    code: int
    offset: int
    """Of the first record; -1 when the broker does not say."""


class _Parcel(NamedTuple):
    place: Place
    batch: bytes | bytearray
    answer: asyncio.Future[Written]


class Outbox:
    """Appends on their way to the broker at one address."""

    def __init__(self, cluster: Cluster, address: Address) -> None:
        self._cluster = cluster
        self._address = address
        self._waiting: list[_Parcel] = []
        self._free = [f"append-{lane}" for lane in reversed(range(LANES))]
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, place: Place, batch: bytes | bytearray) -> Written:
        """Send `batch` to `place`, which has nothing else under way.

        Raises:
            Unsent, Unanswered. Broken: as `Cluster.ask`.
        """
        answer: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Parcel(place, batch, answer))
        if self._free and len(self._waiting) == 1:  # later ones of this turn of the loop come along
            task = asyncio.create_task(self._run(self._free.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _run(self, lane: str) -> None:
        """Send what waits, until nothing does."""
        try:
            while self._waiting:
                await self._post(lane, self._take())
        finally:
            self._free.append(lane)

    def _take(self) -> list[_Parcel]:
        size = count = 0
        for parcel in self._waiting:
            size += len(parcel.batch)
            if count and size > REQUEST_BYTES_MAX:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _post(self, lane: str, parcels: list[_Parcel]) -> None:
        topics: dict[str, list[tuple[int, bytes | bytearray]]] = {}
        for (topic, partition), batch, _ in parcels:
            topics.setdefault(topic, []).append((partition, batch))
        request = ProduceRequest(None, -1, int(REPLICAS_SECONDS * 1000), list(topics.items()))
        found: dict[Place, Written] = {}
        failure: Exception | None = None
        try:
            answer = await self._cluster.ask(self._address, lane, request)
            for topic, partitions in answer.topics:
                found |= {(topic, number): Written(code, offset) for number, code, offset, *_ in partitions}
        except Exception as error:
            failure = error
        except asyncio.CancelledError as error:
            failure = Unanswered("", error)
            raise
        finally:
            for place, _, future in parcels:
                if future.done():
                    continue
                if place in found:
                    future.set_result(found[place])
                else:
                    unnamed = kafka.UnknownError("the answer does not name the partition")
                    future.set_exception(failure or Unanswered("", unnamed))

    def stop(self) -> None:
        """End what is under way; its outcome is unknown."""
        for task in self._tasks:
            task.cancel()
