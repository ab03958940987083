"""Looking at many incidents whether they are quiet as the rules say: when the rules change, when a silence or a window
begins, and when a source of inhibition comes or goes.

In: the rules, where the last look ended. Out: `incident.suppressed|unsuppressed` of those that are not as they should
be, and `journal.swept`. Invariants: one step looks at `LOOKS_MAX` alerts and writes `CHANGES_MAX` events at most, then
the waiting input is read; where it ended stands in the event, so that a crash at any point loses nothing; what nobody
has to change stays packed.
"""

from collections.abc import Iterator
from typing import Final

from tocsin.correlate.state import State
from tocsin.correlate.suppress import OVER, RULES_CHANGED, is_told, lingering, of_labels, told, verdict_with
from tocsin.correlate.suppress_sources import Sources, labels_of
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.incident import Incident, Member
from tocsin.domain.lifecycle import UNFINISHED, Status
from tocsin.domain.rules import Inhibition
from tocsin.domain.suppression import Outcome, shorter
from tocsin.wire.resting import peeking

LOOKS_MAX: Final = 1000
"""Incidents and firing alerts of one step: below ten milliseconds."""
CHANGES_MAX: Final = 100
"""Events of one step: with headers of 4 KB half a commit."""


def on_rules(pen: Pen) -> Iterator[ev.Event]:
    """The rules are others than before, or may be."""
    if _fingerprint(pen) != pen.state.swept_by:
        yield from step(pen, "", "")


def on_due(pen: Pen, deadline: Deadline) -> Iterator[ev.Event]:
    """A look goes on, or a silence or a window begins."""
    partition_key, _, cursor = deadline.subject.rpartition("\t")
    yield from step(pen, partition_key, cursor)


def on_sources(pen: Pen) -> Iterator[ev.Event]:
    """Sources of inhibition have come or gone in this decision: look at those that they may keep quiet."""
    sources = pen.state.sources
    if sources is None or not sources.flipped:
        return
    for partition_key in list(sources.flipped):
        del sources.flipped[partition_key]
        swept = None
        for event in step(pen, partition_key, ""):
            if isinstance(event, ev.Swept):
                swept = event
            else:
                yield event
        if swept is not None and (swept.cursor or partition_key in pen.state.sweeps):
            yield swept


def step(pen: Pen, partition_key: str, cursor: str) -> Iterator[ev.Event]:
    """Look at some incidents behind `cursor` (empty: from the first on), of one partition key or of all."""
    state = pen.state
    order, place = _order(state, partition_key, cursor)
    peek = peeking(state.incidents)
    why = OVER if partition_key else RULES_CHANGED
    looks = changes = 0
    while place < len(order) and looks < LOOKS_MAX and changes < CHANGES_MAX:
        cursor = order[place]
        place += 1
        incident = peek(cursor)
        if incident is None:
            continue
        looks += 1
        if incident.header.status not in UNFINISHED:
            continue
        if incident.loud_due_at is not None and incident.loud_due_at <= pen.now:
            continue  # its deadline is due as well, and says why
        found, looked = _of_peeked(pen, incident)
        looks += looked
        verdict = verdict_with(pen, incident, found)
        if not is_told(incident, verdict, pen.now):
            changes += 1
            yield told(pen, state.incidents[cursor], verdict, why)
    done = place >= len(order)
    if not partition_key:
        state.sweep_order = None if done else (order, place)
    starts_at = pen.suppression.starts_at(pen.now) if pen.suppression is not None and not partition_key else None
    yield ev.Swept(
        rules=_fingerprint(pen),
        partition_key=partition_key,
        cursor="" if done else cursor,
        next_due_at=starts_at if done else pen.now,
        **pen.stamps("swept" if done else "goes_on"),
    )


def _fingerprint(pen: Pen) -> str:
    return pen.suppression.fingerprint if pen.suppression is not None else ""


def _order(state: State, partition_key: str, cursor: str) -> tuple[list[str], int]:
    """The incidents in the order of their opening, and the place behind `cursor`."""
    if partition_key:
        order = list(state.sources.incidents.get(partition_key, ())) if state.sources is not None else []
    elif cursor and state.sweep_order is not None and state.sweep_order[0][state.sweep_order[1] - 1] == cursor:
        return state.sweep_order
    else:
        order = list(state.incidents)
    # Should the incident itself be gone, everything is looked at again: that changes nothing twice.
    return order, order.index(cursor) + 1 if cursor in state.incidents and cursor in order else 0


def _of_peeked(pen: Pen, incident: Incident) -> tuple[Outcome | None, int]:
    """What keeps every firing member quiet, and how many were looked at, without waking anything."""
    if pen.suppression is None or not pen.suppression.of_alerts:
        return None, 0
    peek = peeking(pen.state.alerts)
    found: Outcome | None = None
    looked = 0
    for alert_id in pen.state.rosters.ids(incident.id):
        member = peek(alert_id)
        if member is None or not member.firing:
            continue
        looked += 1
        one = of_labels(pen, labels_of(member.labels), incident.header, incident.partition_key)
        if one is None:
            return None, looked
        found = shorter(found, one) if found is not None else one
    return (found if looked else lingering(pen, incident)), looked


def sources_of(state: State, inhibitions: tuple[Inhibition, ...]) -> Sources | None:
    """The index of the sources, made anew."""
    if not inhibitions:
        return None
    sources = Sources(inhibitions)
    keys: dict[str, str] = {}
    incident: Incident
    for incident_id, incident in state.incidents.items():
        if incident.header.status is not Status.CLOSED:
            keys[incident_id] = incident.partition_key
        sources.opened(incident_id, incident.partition_key)
    member: Member
    for alert_id, member in state.alerts.items():
        if member.firing and member.incident_id in keys:
            sources.add(alert_id, keys[member.incident_id], labels_of(member.labels))
    sources.flipped.clear()
    return sources
