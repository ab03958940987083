"""Who waits for records of which partitions, and one long poll a broker on behalf of all of them.

In: partitions with the offsets that somebody waits to see passed. Out: a wait that ends as soon as one is. A broker
answers a poll when a record arrives or after `POLL_SECONDS`; at rest that is four small questions a second a broker
that leads something somebody waits for, and none when nobody waits. Nothing is decoded.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka.protocol.fetch import FetchRequest

from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.kafka.cluster import ANSWER_SECONDS, Address, Cluster, Unanswered, Unsent
from tocsin.runtime.kafka.reading import OUT_OF_RANGE, Reading

__all__ = ["Watch"]

POLL_SECONDS: Final = 0.25
"""A partition that nobody has waited for so far joins the poll when the one under way ends: at most this later."""
RETRY_SECONDS: Final = 0.25
"""After an error; whoever waits does so with a time of his own and then asks, and is told the reason."""

Place = tuple[str, int]


class _Waiter:
    __slots__ = ("beyond", "event")

    def __init__(self, beyond: Mapping[Place, int]) -> None:
        self.beyond = beyond
        self.event = asyncio.Event()


class Watch:
    """All waiting of one broker port."""

    def __init__(self, cluster: Cluster, reading: Reading, clock: Clock) -> None:
        self._cluster = cluster
        self._reading = reading
        self._clock = clock
        self._waiters: set[_Waiter] = set()
        self._polls: dict[Address | None, asyncio.Task[None]] = {}

    async def wait(self, beyond: Mapping[Place, int], seconds: float) -> None:
        """Return when a partition ends above its offset in `beyond`, at the latest after `seconds` of the clock."""
        waiter = _Waiter(beyond)
        self._waiters.add(waiter)
        try:
            for place in beyond:
                self._poll(self._leader(place))
            await self._clock.wait(waiter.event, seconds)
        finally:
            self._waiters.discard(waiter)

    async def stop(self) -> None:
        """End all polls and all waits."""
        for waiter in self._waiters:
            waiter.event.set()
        polls = list(self._polls.values())
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    def _leader(self, place: Place) -> Address | None:
        try:
            return self._cluster.leader(*place)
        except Unsent:
            return None

    def _poll(self, address: Address | None) -> None:
        if address not in self._polls:
            self._polls[address] = asyncio.create_task(self._run(address))

    async def _run(self, address: Address | None) -> None:
        """Poll the broker at `address` while somebody waits for what it leads; None stands for no leader."""
        try:
            while wanted := self._wanted(address):
                seen = self._cluster.version
                try:
                    if address is not None and await self._ask(address, wanted):
                        continue
                except (Unsent, Unanswered, Unavailable, Broken):
                    pass
                await asyncio.sleep(RETRY_SECONDS)
                try:
                    await self._cluster.refresh(seen)
                except (Unavailable, Broken):
                    continue
                for place in wanted:  # whoever leads it now is asked
                    self._poll(self._leader(place))
        finally:
            del self._polls[address]

    def _wanted(self, address: Address | None) -> dict[Place, int]:
        """What the broker at `address` leads and somebody waits for, from the lowest offset that would tell."""
        wanted: dict[Place, int] = {}
        for waiter in self._waiters:
            if waiter.event.is_set():
                continue
            for place, offset in waiter.beyond.items():
                if self._leader(place) == address:
                    wanted[place] = min(offset, wanted.get(place, offset))
        return wanted

    async def _ask(self, address: Address, wanted: Mapping[Place, int]) -> bool:
        """One poll. False when something was wrong with one of the partitions."""
        topics: dict[str, list[tuple[int, int, int]]] = {}
        for (topic, partition), offset in wanted.items():
            topics.setdefault(topic, []).append((partition, max(0, offset), 1))
        request = FetchRequest(int(POLL_SECONDS * 1000), 1, 1, 0, list(topics.items()))
        answer = await self._cluster.ask(address, "wait", request, POLL_SECONDS + ANSWER_SECONDS)
        well = True
        for topic, partitions in answer.topics:
            for number, code, end, *_ in partitions:
                place = topic, number
                if code == OUT_OF_RANGE:
                    end, code = await self._reading.end(place), 0
                    # Beyond the end there is nothing to poll for; ask again in a while.
                    well &= end > wanted[place]
                if code:
                    well = False
                else:
                    self._tell(place, end)
        return well

    def _tell(self, place: Place, end: int) -> None:
        for waiter in self._waiters:
            if waiter.beyond.get(place, end) < end:
                waiter.event.set()
