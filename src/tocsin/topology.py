"""The stream as one ordered list: what flows where. A new stage is one line in `STREAM`.

In: nothing. Out: the stages with what they read and write, and how each is made. How they are made safe is `runtime/`.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.correlate.decide import Correlate
from tocsin.escalate.decide import Escalate
from tocsin.ingest.map import Ingest
from tocsin.notify.decide import Notify
from tocsin.stage import Decider, Mapper
from tocsin.topics import (
    COMMANDS,
    ESCALATIONS,
    EVENT_TOPICS,
    INCIDENTS,
    NORMALIZED,
    NOTIFICATIONS,
    RAW,
    REJECTED,
    Topic,
)

__all__ = ["STREAM", "Stage", "deciders", "mapper"]


class Stage(msgspec.Struct, frozen=True):
    """One line of the stream. `kind` is `mapper`, `decider` or `sink`."""

    name: str
    kind: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    create: Callable[..., Any] | None = None
    """Mapper: `(partitions)`; decider: `(partition, partitions)`; a sink is opened by who runs it."""


Stream = tuple[Stage, ...]

STREAM: Final[Stream] = (
    Stage("ingest", "mapper", (RAW,), (NORMALIZED, REJECTED), Ingest),
    Stage("correlate", "decider", (NORMALIZED, COMMANDS), (INCIDENTS,), Correlate),
    Stage("escalate", "decider", (INCIDENTS,), (ESCALATIONS,), Escalate),
    Stage("notify", "decider", (INCIDENTS, ESCALATIONS), (NOTIFICATIONS,), Notify),
    Stage("persist", "sink", EVENT_TOPICS, ()),
)


def mapper(partitions: int, stream: Stream = STREAM) -> Mapper:
    """The mapper of `stream`, for internal topics with `partitions` partitions."""
    (stage,) = (stage for stage in stream if stage.kind == "mapper")
    assert stage.create is not None
    made: Mapper = stage.create(partitions)
    return made


def deciders(partition: int, partitions: int, stream: Stream = STREAM) -> list[Decider[Any]]:
    """The deciders of one partition, in the order of the stream.

    Raises:
        ValueError: one of them reads or writes other topics than `stream` says.
    """
    made: list[Decider[Any]] = []
    for stage in stream:
        if stage.kind == "decider":
            assert stage.create is not None
            decider: Decider[Any] = stage.create(partition, partitions)
            if tuple(decider.reads) != stage.reads or (decider.journal,) != stage.writes:
                raise ValueError(f"{stage.name} does not read and write what the stream says")
            made.append(decider)
    return made
