"""The partitions whose owners live in this process: each a group of three owners with a loop of its own.

In: the partitions that this process holds. Out: loops that work on those that are held in all their sources.
Invariants (PROTOCOL §8): a partition is loaded before it is worked on, and again only if somebody else has written
to it since; what other processes took over is dropped with its state; a partition whose sources are lost stops, and
says so.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tocsin import topology
from tocsin.runtime.arrivals import Place
from tocsin.runtime.group import Group
from tocsin.runtime.journal import Lost
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.world import SourceLost, World

__all__ = ["CoreShare"]

log: Final = logging.getLogger("tocsin.core")


@dataclass(slots=True)
class _Seat:
    """One partition. `group` is None when its sources are lost; `resting` while it is suspended in good order."""

    group: Group | None = None
    resting: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class CoreShare:
    """See `Share`."""

    name = "core"

    def __init__(
        self,
        world: World,
        feed: SettingsFeed,
        supervisor: Supervisor,
        lanes: Lanes,
        partitions: int,
        stream: topology.Stream = topology.STREAM,
    ) -> None:
        deciders = [stage for stage in stream if stage.kind == "decider"]
        self.topics = tuple(dict.fromkeys(topic.name for stage in deciders for topic in stage.reads))
        self.readers = {
            name: tuple(stage.name for stage in deciders if name in {topic.name for topic in stage.reads})
            for name in self.topics
        }
        self.taken = asyncio.Event()
        self._world = world
        self._feed = feed
        feed.watch(self._wake)
        self._supervisor = supervisor
        self._lanes = lanes
        self._partitions = partitions
        self._stream = stream
        self._seats: dict[int, _Seat] = {}
        self._generation = 0

    # ---- what is held --------------------------------------------------------------------------------------

    async def take(self, held: frozenset[Place], generation: int) -> None:
        """Load what is new, go on with what nobody else has touched, drop the rest."""
        self._generation = generation
        whole, problems = self._whole(held), self._world.problems
        for partition in [p for p in self._seats if p not in whole]:
            self._drop(partition)
        for partition in range(self._partitions):
            sources = [topic for topic in self.topics if (topic, partition) in held]
            if sources and partition not in whole:
                problems.put(f"partition {partition}", f"held only in {', '.join(sources)}; it is not worked on")
            else:
                problems.drop(f"partition {partition}")
        await asyncio.gather(*(self._start(partition) for partition in sorted(whole)))
        self.taken.set()

    def _whole(self, held: frozenset[Place]) -> frozenset[int]:
        return frozenset(p for p in range(self._partitions) if all((topic, p) in held for topic in self.topics))

    async def _start(self, partition: int) -> None:
        seat = self._seats.get(partition)
        try:
            if seat is not None and seat.resting and seat.group is not None and await seat.group.untouched():
                seat.group.resume()
                seat.resting, seat.stop = False, asyncio.Event()
            else:
                self._drop(partition)
                seat = self._seats[partition] = _Seat()
                await self._load(partition, seat)
        except BaseException:
            self._drop(partition)
            raise
        if seat.group is not None:
            self._supervisor.start(f"core {partition}", self._work(partition, seat))

    async def _load(self, partition: int, seat: _Seat) -> None:
        """Load the owners of `partition`; when its sources are lost, that is a problem and there are none."""
        attempt = 0
        while True:
            group = Group(partition, self._partitions, self._world, self._feed, self._lanes, self._stream)
            seat.group = group  # before it is loaded: whoever cuts this off has to find its effects
            try:
                await group.load(self._generation)
            except Lost as error:
                group.drop()
                attempt += 1
                await self._world.wait_after(f"partition {partition}", attempt, error)
                await self._world.lease.renewed()
            except SourceLost as error:
                group.drop()
                seat.group = None
                self._world.problems.put(f"partition {partition}", str(error))
                return
            else:
                if attempt:
                    self._world.problems.drop(f"partition {partition}")
                return

    def _drop(self, partition: int) -> None:
        seat = self._seats.pop(partition, None)
        if seat is not None and seat.group is not None:
            seat.group.drop()

    # ---- loops ---------------------------------------------------------------------------------------------

    async def _work(self, partition: int, seat: _Seat) -> None:
        while (group := seat.group) is not None:
            try:
                while not seat.stop.is_set():
                    group.wake.clear()
                    if not await group.step():
                        await self._world.rest(self.name, group.places(), group.idle_for(), group.wake, seat.stop)
                await group.suspend()
                seat.resting = True
                return
            except Lost as error:
                group.drop()
                log.warning("partition %d is %s: %s", partition, "lost" if seat.stop.is_set() else "loaded anew", error)
                if not await self._confirmed(seat):
                    seat.group = None
                    return
                await self._load(partition, seat)
            except SourceLost as error:
                group.drop()
                seat.group = None
                self._world.problems.put(f"partition {partition}", str(error))
                return
            except BaseException:
                group.drop()
                raise

    async def _confirmed(self, seat: _Seat) -> bool:
        """Wait until the right to work has been confirmed; False when the partition is to be given back instead."""
        waits = [asyncio.ensure_future(self._world.lease.renewed()), asyncio.ensure_future(seat.stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return not seat.stop.is_set()
        finally:
            for wait in waits:
                wait.cancel()

    async def suspend(self, grace: float) -> None:
        """Let every loop come to its end and keep the states: the next assignment may bring the same partitions."""
        self.taken.clear()
        for seat in self._seats.values():
            seat.stop.set()
        if not await self._supervisor.join("core ", grace):
            log.warning("a partition did not come to rest within %g s and was cut off", grace)
        for partition in [p for p, seat in self._seats.items() if not seat.resting]:
            self._drop(partition)

    async def release(self, grace: float) -> None:
        """Suspend, leave short ways for the next start as far as `grace` lasts, and drop everything."""
        now = asyncio.get_running_loop().time
        ends = now() + grace
        await self.suspend(grace)
        groups = [seat.group for seat in self._seats.values() if seat.group is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, ends - now())):
                await asyncio.gather(*(group.finish() for group in groups))
        for partition in list(self._seats):
            self._drop(partition)

    def _wake(self) -> None:
        for seat in self._seats.values():
            if seat.group is not None:
                seat.group.wake.set()

    # ---- what others ask -----------------------------------------------------------------------------------

    @property
    def owners(self) -> Sequence[Owner]:
        """Every owner that is loaded."""
        return [owner for seat in self._seats.values() if seat.group for owner in seat.group.owners]

    def places(self) -> dict[Place, int]:
        """Up to where all owners of a partition have read."""
        return {
            place: offset
            for seat in self._seats.values()
            if seat.group
            for place, offset in seat.group.places().items()
        }

    def needed(self) -> dict[Place, int]:
        """What the journals say; a partition that is stopped needs everything."""
        needed: dict[Place, int] = {}
        for partition, seat in self._seats.items():
            needed |= seat.group.needed() if seat.group else {(topic, partition): 0 for topic in self.topics}
        return needed
