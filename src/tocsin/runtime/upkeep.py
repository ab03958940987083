"""What is made of the state of one owner beside its journal: checkpoints, and for correlate the public incidents.

In: the load, the commits and the turns of the owner. Out: a state to start from; records in derived topics. Invariants:
nothing here holds up a commit or decides anything; the owner would do the same without it, after a longer load.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final, Protocol

from tocsin.domain.events import Event
from tocsin.domain.instant import Instant
from tocsin.runtime.checkpointing import Checkpointing, Moment
from tocsin.runtime.folding import Folded
from tocsin.runtime.journal import Journal
from tocsin.runtime.pending import Pending
from tocsin.runtime.positions import Positions
from tocsin.runtime.restoring import restore
from tocsin.runtime.showing import ShowingFeed
from tocsin.runtime.world import World
from tocsin.stage import Decider, Freezable, Showing

__all__ = ["Upkeep"]

FINISH_SECONDS: Final = 2.0
"""For the last checkpoint at a clean stop, which has to end within ten seconds in all."""


class Kept(Protocol):
    """What is needed of the owner."""

    state: Any
    positions: Positions
    journal: Journal | None

    latest: Instant
    pending: Pending
    """Empty when everything that the state knows is in the journal."""

    async def rest(self) -> None:
        """Commit whatever is left, the position included."""


class Upkeep:
    """Of one owner. `restored` before the fold, `loaded` after the claim, then `committed` and `turn`."""

    def __init__(self, stage: Decider[Any], world: World) -> None:
        self._stage = stage
        self._world = world
        self._checkpoints: Checkpointing | None = None
        self._showing: ShowingFeed | None = None
        if isinstance(stage, Freezable):
            self._checkpoints = Checkpointing(stage, stage.journal, stage.name, stage.partition, world)
            if isinstance(stage, Showing):
                self._showing = ShowingFeed(stage, stage.journal, stage.partition, world)

    async def restored(self) -> Folded | None:
        """The newest checkpoint as something to go on folding from; None without one."""
        found = await restore(self._stage, self._world)
        if self._checkpoints:
            self._checkpoints.loaded(found)
        if found.folded is not None and isinstance(self._stage, Showing):
            self._world.metrics.stand(self._stage.standing(found.folded.state))
        return found.folded

    async def loaded(self, state: Any, end: int) -> None:
        """The owner has its state, the fold of the journal below `end`."""
        if self._showing:
            await self._showing.load(state, end)

    def committed(self, state: Any, events: Iterable[Event], offset: int) -> None:
        """`events` count, from `offset` of the journal on; `state` may be further."""
        if self._checkpoints:
            self._checkpoints.committed(state, events)
        if self._showing:
            self._showing.committed(state, events, offset)

    async def turn(self, owner: Kept, wake: Callable[[], None]) -> None:
        """Once in each turn of the owner, after it has committed what did not wait."""
        journal = owner.journal
        assert journal is not None, "load first"
        assert journal.claimed_at is not None, "load first"
        if self._checkpoints and self._checkpoints.wants(journal.expected):
            await owner.rest()
            self._checkpoints.turn(_moment(owner), wake)
        if self._showing and not owner.pending:
            self._showing.turn(owner.state, journal.expected, journal.claimed_at, wake)

    def idle_for(self, owner: Kept) -> float:
        """Seconds until `turn` has something to do, without anything new. What waits for a commit of the owner, as
        checkpoints do, waits for its turn."""
        return self._showing.idle_for() if self._showing and not owner.pending else inf

    async def settle(self, owner: Kept) -> None:
        """Before the partition rests or is given back: show what waits, and hold up nobody with half a checkpoint."""
        journal = owner.journal
        if self._checkpoints:
            self._checkpoints.leave()
        if self._showing and journal is not None and journal.claimed_at is not None:
            await self._showing.settle(owner.state, journal.expected, journal.claimed_at)

    async def finish(self, owner: Kept) -> None:
        """At a clean stop: leave a checkpoint for the next start."""
        if self._checkpoints and owner.journal is not None:
            await self._checkpoints.finish(_moment(owner), FINISH_SECONDS)

    def drop(self) -> None:
        """The partition is not ours any more."""
        for part in (self._checkpoints, self._showing):
            if part:
                part.drop()


def _moment(owner: Kept) -> Moment:
    assert owner.journal is not None
    return Moment(owner.state, owner.positions.everything(), owner.latest, owner.journal.expected)
