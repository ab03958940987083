"""The state of a stage as its journal says it.

In: one journal partition, from its beginning or from a checkpoint on. Out: the state, how far its sources were read,
the latest `now`, and where the journal ends. It writes nothing and owns nothing: checks of a state do it too.
"""

from dataclasses import dataclass, field
from typing import Any

from tocsin.domain.instant import EPOCH, Instant
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.positions import Positions
from tocsin.runtime.world import World
from tocsin.stage import Decider
from tocsin.wire.events import POSITION, decode
from tocsin.wire.position import decode_position
from tocsin.wire.record import Record

__all__ = ["Folded", "fold"]


@dataclass(slots=True)
class Folded:
    """What a journal partition amounts to."""

    state: Any
    positions: Positions = field(default_factory=Positions)
    latest: Instant = EPOCH
    """The greatest `recorded_at`: no later decision is earlier."""
    end: int = 0
    """Where the journal ends."""


async def fold(stage: Decider[Any], world: World, start: Folded | None = None) -> Folded:
    """Fold the journal of `stage`, from `start` on, which is changed, or from the beginning.

    Raises:
        SourceLost: the journal has lost its beginning, and there is no `start` behind it.
    """
    folded = start or Folded(stage.empty())
    async for part in JournalReader(world).whole(stage.journal.name, stage.partition, folded.end):
        for record in part.records:
            replay(stage, world, folded, record)
        folded.end = part.next
    return folded


def replay(stage: Decider[Any], world: World, folded: Folded, record: Record) -> None:
    """Fold one more record that counts."""
    event = decode(record.headers, record.value)
    stage.evolve(folded.state, event)
    folded.latest = max(folded.latest, event.recorded_at)
    world.metrics.folded(event)
    if (header := record.header(POSITION)) is not None:
        position = decode_position(header)
        folded.positions.fold(position)
        for source, mark in position.raw.items():
            stage.advanced(folded.state, mark, source)
