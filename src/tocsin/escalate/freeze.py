"""The state of escalate as slices of bytes and back; what an event of its journal touches.

In: a state that goes on changing; slices. Out: slices; a state that does exactly what the other one does. The agenda
is made of what is due first for each incident, which is written beside it; the rest of an escalation stays packed
until somebody asks for it.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant
from tocsin.escalate.state import Escalations, Running, deadlines_of, incident_of
from tocsin.wire.frozen import Freezing, Part, Rows, Thawing
from tocsin.wire.resting import Block, Resting, peeking

RUNNING: Final = "running"


class _Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is needed of an escalation before anything happens to it."""

    incident_id: str
    at: Instant | None
    kind: str


def _row(running: Running) -> _Row:
    at, kind, incident_id = min(deadlines_of(running), default=(None, "", incident_of(running)))
    return _Row(incident_id, at, kind)


def freeze(state: Escalations) -> Freezing:
    """Begin to write `state`."""

    def rest() -> Iterable[tuple[str, Iterable[Any]]]:
        return ()

    return Freezing((Part(RUNNING, lambda: state.running, peeking(state.running), _row),), rest)


def touched(state: Escalations, event: ev.Event) -> Iterator[tuple[str, str]]:
    """(part, key) of the entries that `event`, evolved and committed, has changed."""
    if isinstance(event, ev.EscalationEvent):
        yield RUNNING, event.incident_id


def thaw(slices: Iterable[bytes]) -> tuple[Escalations, int]:
    """The state that `slices` say, and how many items they had.

    Raises:
        ValueError: they are not the slices of a state of this version.
    """
    running = Resting(Running, incident_of)
    firsts: dict[str, _Row] = {}

    def take(rows: list[_Row], block: Block) -> None:
        found = {row.incident_id: row for row in rows}
        running.rest(found, block)
        firsts.update(found)

    thawing = Thawing({}, {RUNNING: Rows(_Row, take)})
    count = thawing.read(slices)
    for _, key in thawing.gone:
        running.drop(key)
        firsts.pop(key, None)
    state = Escalations(running)
    state.agenda.fill((row.at, sys.intern(row.kind), key) for key, row in firsts.items() if row.at is not None)
    return state, count
