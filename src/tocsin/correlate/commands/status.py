"""Commands that move an incident along the lifecycle table."""

from collections.abc import Iterator
from typing import Any

from tocsin.correlate.attach import reopened
from tocsin.correlate.closing import check_root_cause, closed
from tocsin.correlate.grouping import rule_named
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.alert import Sighting
from tocsin.domain.details import ANSWERS_MAX
from tocsin.domain.errors import Reject
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import ACKNOWLEDGES, LEADS_TO, Status, status_after


def move(pen: Pen, incident: Incident, verb: str, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """One verb of the table; nothing when the incident is where the verb leads.

    Raises:
        IllegalTransition: the table does not allow it.
        Reject: `root_cause_required`, `voided`.
    """
    details = incident.details
    voided = details is not None and details.voided
    if verb == "void":
        if not voided:
            yield closed(pen, incident, "voided", note, voided=True)
        return
    if verb == "reopen" and voided:
        raise Reject("voided", f"{incident.header.number} was voided; declare a new incident")
    target = given.get("for", "")
    if incident.header.status is LEADS_TO[verb]:
        if target and target not in _answered(incident):
            yield acknowledged(pen, incident, {}, target, note)
        return
    if verb == "close":
        check_root_cause(incident, pen.rules)
    yield transition(pen, incident, verb, note, target)


def transition(pen: Pen, incident: Incident, verb: str, note: str = "", target: str = "") -> ev.IncidentEvent:
    """The event that moves an incident along the lifecycle table.

    Raises:
        IllegalTransition: the table does not allow it.
    """
    status = status_after(incident.header.status, verb)
    rule = rule_named(incident.rule, pen.rules)
    header: dict[str, Any] = {"status": status}
    if verb in ACKNOWLEDGES and incident.header.acknowledged_at is None:
        header |= {"acknowledged_at": pen.now, "acknowledged_by": pen.actor}
    if verb == "acknowledge":
        return acknowledged(pen, incident, header, target, note)
    if verb == "investigate":
        expires = pen.now + rule.acknowledgement_expires_after
        return pen.change(ev.Investigating, incident, "investigating", header, expires_due_at=expires, note=note)
    if verb == "mitigate":
        return pen.change(ev.Mitigated, incident, "mitigated", header, note=note)
    if verb == "resolve":
        due = pen.now + rule.close_after
        return pen.change(ev.Resolved, incident, "resolved", header, by_person=True, close_due_at=due, note=note)
    if verb == "close":
        return closed(pen, incident, "closed", note, header)
    return reopened(pen, incident, "reopened", note=note)


def acknowledged(pen: Pen, incident: Incident, header: dict[str, Any], target: str, note: str) -> ev.Acknowledged:
    """Somebody answers, for themselves or on behalf of `target`."""
    expires = pen.now + rule_named(incident.rule, pen.rules).acknowledgement_expires_after
    answered = tuple(one for one in _answered(incident) if one != target)
    if target and len(answered) >= ANSWERS_MAX:
        raise Reject("too_many", f"{ANSWERS_MAX} targets have acknowledged {incident.header.number} already")
    if target:
        answered = (*answered, target)
    told: dict[str, Any] = {"expires_due_at": expires, "note": note, "target": target, "answered": answered}
    return pen.change(ev.Acknowledged, incident, "acknowledged", header, **told)


def _answered(incident: Incident) -> tuple[str, ...]:
    return tuple(one.target for one in incident.details.answers) if incident.details is not None else ()


def acknowledge_by_alert(pen: Pen, sighting: Sighting) -> Iterator[ev.Event]:
    """A PagerDuty acknowledge: acknowledges the incidents of every firing member of its key; unknown keys say
    nothing.
    """
    state = pen.state
    known = [state.alerts[alert_id] for alert_id in state.known_of(sighting.fingerprint)]
    incidents = {member.incident_id for member in known if member.firing}
    for reference in sorted(incidents):
        incident = state.incidents[reference]
        if incident.header.status is Status.OPEN:
            yield transition(pen, incident, "acknowledge")
