"""The owners of one partition, in the order of the stream, worked in turns by one task.

In: what `topology` says. Out: turns: read everything once, then let time pass. One task for the three stages of a
partition keeps the order of cause and effect plain, and costs no wake-ups between them.
"""

import asyncio
from collections.abc import Mapping

from tocsin import topology
from tocsin.runtime.effects import Effects
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import World
from tocsin.topics import COMMANDS, Kind

__all__ = ["Group"]


class Group:
    """One partition of all deciders. Worthless after an exception: make a new one."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        world: World,
        feed: SettingsFeed,
        lanes: Lanes,
        stream: topology.Stream = topology.STREAM,
    ) -> None:
        self.partition = partition
        self._world = world
        self._held = True
        self.wake = asyncio.Event()
        """Set when an effect has ended: a turn is due without new input."""
        self.owners: list[Owner] = []
        self.effects: list[Effects] = []
        self._lanes = lanes
        in_front: Owner | None = None
        beside: dict[str, Owner] = {}
        for stage in topology.deciders(partition, partitions, stream):
            effects = self._new_effects()
            owner = Owner(stage, world, feed, partitions=partitions, effects=effects, ahead=in_front, beside=beside)
            beside = {**beside, stage.journal.name: owner}
            self.owners.append(owner)
            if COMMANDS in stage.reads:
                in_front = owner

    def _new_effects(self) -> Effects:
        held = lambda seconds: self._held and self._world.lease.holds(seconds)  # noqa: E731 - bound to this group
        effects = Effects(self._world, self._lanes, held, self.wake.set)
        self.effects.append(effects)
        return effects

    async def load(self, generation: int = 0) -> None:
        """Load every owner; see `Owner.load`. `generation`: of the group that gave the partition."""
        for owner in self.owners:
            await owner.load(generation)
        self._world.metrics.add("tocsin_partition_loads_total", 1)
        self._world.metrics.show_open()

    def places(self) -> Mapping[tuple[str, int], int]:
        """The place up to which *all* owners have read, by (topic, partition)."""
        places: dict[tuple[str, int], int] = {}
        for owner in self.owners:
            for key, offset in owner.places().items():
                places[key] = min(offset, places.get(key, offset))
        return places

    def needed(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset from which on a new owner would read: nothing from there may be trimmed."""
        return {
            (topic.name, self.partition): owner.positions.durable(f"{topic.name}/{self.partition}")
            for owner in self.owners
            for topic in owner.stage.reads
            if topic.kind is Kind.SHARED
        }

    async def step(self) -> bool:
        """One turn; False when there was nothing to do.

        An owner says in one commit what it read and what follows at once: planned and attempted for a free channel.
        """
        busy = False
        for owner in self.owners:
            busy |= await owner.read(settle=False)
            busy |= await owner.tick()
            await owner.upkeep.turn(owner, self.wake.set)
        return busy

    def idle_for(self) -> float:
        """Seconds that may pass until the next turn, without new input."""
        return min(min(owner.idle_for(), owner.upkeep.idle_for(owner)) for owner in self.owners)

    async def suspend(self) -> None:
        """Say everything that is still to be said and send nothing more, in order: what correlate has to say comes
        first. Then `resume`, or `drop`.

        Raises:
            Lost: others work on the partition already.
        """
        for owner in self.owners:
            await owner.release()

    async def untouched(self) -> bool:
        """Whether nobody has written to a journal of this partition since `suspend`: the states are still right."""
        for owner in self.owners:
            if not await owner.untouched():
                return False
        return True

    def resume(self) -> None:
        """Go on after `suspend`."""
        self.effects.clear()
        for owner in self.owners:
            owner.resume(self._new_effects())

    async def finish(self) -> None:
        """After `suspend`, when the process ends: show what waits, and leave a short way for the next start. Nothing
        of it is needed; whoever has no time for it cuts it off."""
        for owner in self.owners:
            await owner.upkeep.settle(owner)
        for owner in self.owners:
            await owner.upkeep.finish(owner)

    def drop(self) -> None:
        """The partition is not ours any more, or nothing is: nothing is sent or written from now on."""
        self._held = False
        for effects in self.effects:
            effects.drop()
        for owner in self.owners:
            owner.upkeep.drop()
