"""The state of escalate as slices of bytes and back; what an event of its journal touches.

In: a state that goes on changing; slices. Out: slices; a state that does exactly what the other one does. The agenda
is not written: it follows from what runs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.escalate.state import Escalations, Running
from tocsin.wire.frozen import Freezing, Part, Thawing

RUNNING: Final = "running"


def freeze(state: Escalations) -> Freezing:
    """Begin to write `state`."""

    def row(key: str) -> tuple[str, Running] | None:
        running = state.running.get(key)
        return None if running is None else (key, running)

    def rest() -> Iterable[tuple[str, Iterable[Any]]]:
        return ()

    return Freezing((Part(RUNNING, lambda: state.running, row),), rest)


def touched(state: Escalations, event: ev.Event) -> Iterator[tuple[str, str]]:
    """(part, key) of the entries that `event`, evolved and committed, has changed."""
    if isinstance(event, ev.EscalationEvent):
        yield RUNNING, event.incident_id


def thaw(slices: Iterable[bytes]) -> tuple[Escalations, int]:
    """The state that `slices` say, and how many items they had.

    Raises:
        ValueError: they are not the slices of a state of this version.
    """
    state = Escalations()
    thawing = Thawing({RUNNING: (tuple[str, Running], lambda row: state.running.__setitem__(*row))})
    count = thawing.read(slices)
    for _, key in thawing.gone:
        state.running.pop(key, None)
    firsts = (min(state.deadlines(key), default=None) for key in state.running)
    state.agenda.fill(first for first in firsts if first is not None)
    return state, count
