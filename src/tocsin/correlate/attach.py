"""A member joins an incident, or opens one; and what follows from it for the incident."""

from collections.abc import Iterator
from typing import Any, Final

from tocsin.correlate.grouping import Placement
from tocsin.correlate.suppress import LOUD_ALERT, REACHED, at_attach, settled, verdict_of
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.alert import AlertBody, AlertFacts
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import Status

REANNOUNCE_FACTOR: Final = 10
"""An acknowledged incident with this many times the alerts is no longer what was acknowledged."""


def attach(pen: Pen, incident: Incident, facts: AlertFacts, reason: str) -> Iterator[ev.Event]:
    """`facts` become a member of `incident`; it may reopen, rise in severity or be announced again."""
    kind = ev.LateAmended if reason == "late_amended" else ev.AlertAttached
    roster = pen.state.roster(incident.id)
    known_services = incident.services
    title: dict[str, Any] = {}
    if incident.titled_by is not None and (facts.start, facts.fingerprint) < incident.titled_by:
        title = {"title": facts.title}
    counts = {
        "alerts": len(roster.fingerprints) + (facts.fingerprint not in roster.fingerprints),
        "firing": len(roster.firing) + (facts.fingerprint not in roster.firing),
        "occurrences": incident.occurrences + 1,
    }
    yield pen.change(kind, incident, reason, {**counts, **title}, alert=facts)
    if pen.suppression is None:
        yield from _what_follows(pen, incident, facts, known_services, {})
        return
    verdict = at_attach(pen, incident, facts)
    # Who is quiet from now on is so before anybody is called; who is loud again says all that has changed.
    quiet = verdict.header if verdict.outcome is not None or incident.header.status is Status.RESOLVED else {}
    yield from _what_follows(pen, incident, facts, known_services, quiet)
    yield from settled(pen, incident, REACHED if incident.is_counted else LOUD_ALERT, verdict)


def _what_follows(
    pen: Pen, incident: Incident, facts: AlertFacts, known_services: tuple[str, ...], quiet: dict[str, Any]
) -> Iterator[ev.Event]:
    """`quiet`: what the header has to say of suppression."""
    was = incident.header.severity
    rises = facts.severity.rank < was.rank
    if incident.header.status is Status.RESOLVED:
        yield reopened(pen, incident, "fired_again", severity=facts.severity if rises else was, **quiet)
    elif incident.header.status is Status.MITIGATED and incident.watch_due_at is not None:
        severity = facts.severity if rises else was
        yield reopened(pen, incident, "fired_while_watched", severity=severity, **quiet)
    elif rises:
        raised = {"severity": facts.severity, **quiet}
        yield pen.change(ev.SeverityRaised, incident, "severity_raised", raised, was=was)
    elif incident.header.acknowledged_at is not None:
        if facts.service and facts.service not in known_services:
            yield pen.change(ev.Reannounced, incident, "new_target", quiet)
        elif incident.header.alerts >= REANNOUNCE_FACTOR * incident.announced_alerts:
            yield pen.change(ev.Reannounced, incident, "ten_times_the_alerts", quiet)


def reopened(pen: Pen, incident: Incident, reason: str, note: str = "", **header: Any) -> ev.Reopened:
    """Back to open; the acknowledgement is cleared, so that escalation starts again."""
    cleared = {"status": Status.OPEN, "acknowledged_at": None, "acknowledged_by": "", **header}
    if "suppressed_by" not in header and incident.header.suppressed_by:
        cleared |= verdict_of(pen, incident).header  # as it is now, not as it was when it ended
    return pen.change(ev.Reopened, incident, reason, cleared, note=note)


def open_new(
    pen: Pen, where: Placement, partition_key: str, facts: AlertFacts, body: AlertBody, *, earlier: bool = False
) -> Iterator[ev.Event]:
    """A new incident that names the one before it in its group."""
    group = pen.state.groups.get(where.group)
    if earlier or group is None or group.last is None:
        yield pen.opened(where, partition_key, facts, body, "opened_out_of_order" if earlier else "opened_new_group")
    elif group.ended_at is not None:
        yield pen.opened(where, partition_key, facts, body, "recurred", previous=group.last, recurrence_of=group.last)
    else:
        yield pen.opened(where, partition_key, facts, body, "window_expired", previous=group.last)
