"""Whether an incident is quiet, and the events that say so.

In: an incident with its members, the rules that keep things quiet (`domain.suppression`), an instant. Out:
`incident.suppressed`, `incident.unsuppressed`, and what `opened` and `reopened` say of it in their headers. Invariants:
which alerts belong together never depends on it; an incident is quiet while every firing alert of it is, or by a cause
of its own (threshold, flapping, snooze); whoever would be called for an incident that is quiet already is never called
first.

What is looked at: a new member alone where that is enough, since a quiet incident stays quiet exactly while the new
alert is, and a loud one loud. Everything is looked at when a member that was loud ends, when members move, when an end
is reached (`loud_due_at`), and when the rules or the sources of inhibition change (`suppress_sweep`).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tocsin.correlate.grouping import rule_named
from tocsin.correlate.suppress_sources import labels_of
from tocsin.domain import events as ev
from tocsin.domain.alert import AlertFacts
from tocsin.domain.header import IncidentHeader
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import UNFINISHED, Status
from tocsin.domain.pulse import calm_at, is_reached, seen_with
from tocsin.domain.rules import CorrelationRule
from tocsin.domain.rules.correlation import COUNT_MAX
from tocsin.domain.suppression import (
    FLAPPING,
    INHIBITION,
    OF_ALERTS,
    SNOOZE,
    THRESHOLD,
    Outcome,
    kind_of,
    longer,
    shorter,
)

if TYPE_CHECKING:
    from tocsin.correlate.write import Pen

REASONS: Final[Mapping[str, str]] = {
    "silence": "silenced",
    "maintenance": "in_maintenance",
    INHIBITION: "inhibited",
    THRESHOLD: "below_threshold",
    FLAPPING: "flapping",
    SNOOZE: "snoozed",
}
"""Kind of the cause -> reason of `incident.suppressed`."""

OVER: Final = ""
RULES_CHANGED: Final = "rules_changed"
LOUD_ALERT: Final = "not_every_alert"
REACHED: Final = "threshold_reached"
"""Reasons of `incident.unsuppressed`: the cause has ended (`silence_over`, `snooze_over`, …), the rules are others, an
alert came that nothing keeps quiet, enough sightings."""


class Verdict(NamedTuple):
    """Whether an incident is quiet from now on."""

    outcome: Outcome | None
    seen: tuple[Instant, ...] = ()
    """Sightings that still count for its threshold; empty = it has none, or has reached it."""

    @property
    def header(self) -> dict[str, Any]:
        """What the header says of it."""
        if self.outcome is None:
            return {"suppressed_by": "", "suppressed_until": None}
        return {"suppressed_by": self.outcome.cause, "suppressed_until": self.outcome.until}


def on_events(pen: "Pen", events: Iterable[ev.Event], *, by_person: bool = False) -> Iterator[ev.Event]:
    """`events`, and what follows from them for whether incidents are quiet."""
    assert pen.suppression is not None
    watched = (ev.IncidentEvent,) if by_person else _WATCHED if pen.suppression.conditions else _MOVING
    touched: dict[str, str] = {}
    came: dict[str, dict[str, None]] = {}
    for event in events:
        yield event
        if isinstance(event, watched):
            quiet = event.header.suppressed_by if type(event) is ev.AlertResolved else ""
            touched[event.incident_id] = quiet and touched.get(event.incident_id, quiet)
        if isinstance(event, (ev.Merged, ev.AlertMoved)):
            source = event.absorbed if isinstance(event, ev.Merged) else event.moved_from
            came.setdefault(event.incident_id, {})[source] = None
    for incident_id, quiet in touched.items():
        incident = pen.state.incidents.get(incident_id)
        # One that is quiet by its alerts stays so while any of those that are left fires.
        if incident is not None and incident.header.status in UNFINISHED and kind_of(quiet) not in OF_ALERTS:
            if incident.is_counted and incident_id in came:
                verdict = verdict_with(
                    pen, incident, of_members(pen, incident), _together(pen, incident, came[incident_id])
                )
                yield from settled(pen, incident, REACHED, verdict)
            else:
                yield from settled(pen, incident, OVER)


def _together(pen: "Pen", incident: Incident, sources: Iterable[str]) -> tuple[Instant, ...]:
    """The sightings that count once members of `sources` have come. Members of one that was loud make it loud: whoever
    is called for them must not be forgotten for it."""
    seen = incident.pulse.seen if incident.pulse is not None else ()
    for source in sources:
        other = pen.state.incidents.get(source)
        if other is None or other.pulse is None or not other.pulse.seen:
            return ()
        seen = (*seen, *(one for one in other.pulse.seen if one not in seen))
    return tuple(sorted(seen))[-COUNT_MAX:]


_MOVING: Final = (ev.AlertResolved, ev.AlertsLeft, ev.AlertMoved, ev.Merged)
_WATCHED: Final = (*_MOVING, ev.SeverityRaised, ev.AcknowledgementExpired, ev.Reannounced, ev.Reopened)


def settled(pen: "Pen", incident: Incident, why: str, verdict: Verdict | None = None) -> Iterator[ev.Event]:
    """The event that brings `incident` up to date, if it is not."""
    verdict = verdict or verdict_of(pen, incident)
    if not is_told(incident, verdict, pen.now):
        yield told(pen, incident, verdict, why)


def is_told(incident: Incident, verdict: Verdict, now: Instant) -> bool:
    """Whether the incident says so already, and remembers no snooze that is over."""
    header = incident.header
    if incident.snooze_due_at is not None and incident.snooze_due_at <= now:
        return False
    seen = incident.pulse.seen if incident.pulse is not None else ()
    if verdict.outcome is None:
        return not header.suppressed_by and not seen
    return (header.suppressed_by, header.suppressed_until, seen) == (*verdict.outcome, verdict.seen)


def told(pen: "Pen", incident: Incident, verdict: Verdict, why: str) -> ev.IncidentEvent:
    """What is written of it. `why`: the reason when nothing keeps it quiet any more."""
    if verdict.outcome is None:
        was = incident.header.suppressed_by
        return pen.change(ev.Unsuppressed, incident, why or f"{kind_of(was)}_over", verdict.header, was=was)
    snoozed_until = incident.snooze_due_at
    return pen.change(
        ev.Suppressed,
        incident,
        REASONS[kind_of(verdict.outcome.cause)],
        verdict.header,
        seen=verdict.seen,
        snooze_due_at=snoozed_until if snoozed_until is not None and snoozed_until > pen.now else None,
    )


# ---- the moments -----------------------------------------------------------------------------------------------------


def at_opening(
    pen: "Pen", rule: CorrelationRule, header: IncidentHeader, partition_key: str, facts: AlertFacts
) -> tuple[IncidentHeader, tuple[Instant, ...]]:
    """The header of a new incident with what keeps it quiet, and the sightings that count for its threshold."""
    outcome = of_labels(pen, facts.labels, header, partition_key)
    seen: tuple[Instant, ...] = ()
    if rule.threshold is not None and rule.threshold.count > 1:
        seen = (facts.last,)
        outcome = longer(outcome, Outcome(THRESHOLD, None))
    return msgspec.structs.replace(header, **Verdict(outcome).header) if outcome else header, seen


def at_recut(pen: "Pen", header: IncidentHeader, partition_key: str, members: Iterable[Member]) -> IncidentHeader:
    """The header of an incident that opens with members of another one."""
    outcome = _of_members(pen, header, partition_key, members)
    return msgspec.structs.replace(header, **Verdict(outcome).header)


def at_attach(pen: "Pen", incident: Incident, facts: AlertFacts) -> Verdict:
    """For an incident that `facts` have just joined."""
    state, header = pen.state, incident.header
    seen = incident.pulse.seen if incident.pulse is not None else ()
    if seen:
        seen = _counted(pen, incident, seen, facts.last)
    comes_back = header.status is Status.RESOLVED
    by_alerts: Outcome | None = None
    if header.suppressed_by or comes_back or len(state.roster(incident.id).firing) < 2:
        by_alerts = _with_new(pen, incident, facts)
    return Verdict(longer(by_alerts, _own(pen, incident, seen, comes_back=comes_back)), seen)


def _with_new(pen: "Pen", incident: Incident, facts: AlertFacts) -> Outcome | None:
    header = incident.header
    new = of_labels(pen, facts.labels, header, incident.partition_key)
    if new is None:
        pen.state.loud[incident.id] = facts.alert_id
        return None
    is_quiet = kind_of(header.suppressed_by) in OF_ALERTS and (
        header.suppressed_until is None or header.suppressed_until > pen.now
    )
    if is_quiet and len(pen.state.roster(incident.id).firing) > 1:
        return shorter(Outcome(header.suppressed_by, header.suppressed_until), new)
    return of_members(pen, incident)


def at_sighting(pen: "Pen", incident: Incident, received_at: Instant) -> Iterator[ev.Event]:
    """For a repeat of a member of an incident that is below its threshold."""
    assert incident.pulse is not None
    seen = _counted(pen, incident, incident.pulse.seen, received_at)
    outcome = longer(of_members(pen, incident), _own(pen, incident, seen))
    yield from settled(pen, incident, REACHED, Verdict(outcome, seen))


def _counted(pen: "Pen", incident: Incident, seen: tuple[Instant, ...], at: Instant) -> tuple[Instant, ...]:
    threshold = rule_named(incident.rule, pen.rules).threshold
    if threshold is None:
        return ()
    seen = seen_with(seen, at, threshold.within)
    return () if is_reached(seen, threshold) else seen


# ---- what keeps it quiet ---------------------------------------------------------------------------------------------


def verdict_of(pen: "Pen", incident: Incident, *, snoozed: bool = True) -> Verdict:
    """Everything looked at anew; without `snoozed` as if no snooze were left."""
    return verdict_with(pen, incident, of_members(pen, incident), snoozed=snoozed)


def verdict_with(
    pen: "Pen",
    incident: Incident,
    by_alerts: Outcome | None,
    seen: tuple[Instant, ...] | None = None,
    *,
    snoozed: bool = True,
) -> Verdict:
    """The same where it is known what keeps all its firing alerts quiet, and perhaps which sightings count."""
    if seen is None:
        seen = incident.pulse.seen if incident.pulse is not None else ()
    if seen:
        threshold = rule_named(incident.rule, pen.rules).threshold
        seen = () if threshold is None or is_reached(seen, threshold) else seen
    return Verdict(longer(by_alerts, _own(pen, incident, seen, snoozed=snoozed)), seen)


def _own(
    pen: "Pen", incident: Incident, seen: tuple[Instant, ...], *, comes_back: bool = False, snoozed: bool = True
) -> Outcome | None:
    found = Outcome(THRESHOLD, None) if seen else None
    snoozed_until = incident.snooze_due_at
    if snoozed and snoozed_until is not None and snoozed_until > pen.now:
        found = longer(found, Outcome(SNOOZE, snoozed_until))
    came_back = incident.pulse.came_back if incident.pulse is not None else ()
    if comes_back:
        came_back = (*came_back, pen.now)
    if came_back and (flapping := rule_named(incident.rule, pen.rules).flapping) is not None:
        calm = calm_at(came_back, flapping, pen.now)
        found = longer(found, Outcome(FLAPPING, calm) if calm is not None else None)
    return found


def of_members(pen: "Pen", incident: Incident) -> Outcome | None:
    """What keeps every firing member quiet, until the first of them is not quiet any more."""
    state, suppression = pen.state, pen.suppression
    if suppression is None or not suppression.of_alerts:
        return None
    roster = state.roster(incident.id)
    if not roster.firing:
        return lingering(pen, incident)
    known = roster.members.get(state.loud.get(incident.id, ""))
    first = [known] if known is not None else []  # nearly always one loud alert stands for all
    return _of_members(pen, incident.header, incident.partition_key, chain(first, roster.members.values()))


def _of_members(pen: "Pen", header: IncidentHeader, partition_key: str, members: Iterable[Member]) -> Outcome | None:
    found: Outcome | None = None
    for member in members:
        if not member.firing:
            continue
        one = of_labels(pen, labels_of(member.labels), header, partition_key)
        if one is None:
            pen.state.loud[header.id] = member.alert_id
            return None
        found = shorter(found, one) if found is not None else one
    return found


def lingering(pen: "Pen", incident: Incident) -> Outcome | None:
    """Of an incident that will resolve because nothing fires any more: what kept it quiet does so to its end."""
    header = incident.header
    if incident.resolve_due_at is None or kind_of(header.suppressed_by) not in OF_ALERTS:
        return None
    until = header.suppressed_until
    return Outcome(header.suppressed_by, until if until is not None and until > pen.now else None)


def of_labels(pen: "Pen", labels: Mapping[str, str], header: IncidentHeader, partition_key: str) -> Outcome | None:
    """What keeps an alert with `labels` quiet."""
    assert pen.suppression is not None
    found = pen.suppression.of_alert(labels, header, pen.now)
    if (sources := pen.state.sources) is not None and (name := sources.inhibits(partition_key, labels)) is not None:
        found = longer(found, Outcome(f"{INHIBITION}:{name}", None))
    return found
