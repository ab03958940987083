"""What people ask for: one command in, its events and its outcome out. The outcome is remembered for 24 h by command
id.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.correlate.attach import reopened
from tocsin.correlate.grouping import DEFAULT_CATEGORY, Placement, rule_named
from tocsin.correlate.state import State
from tocsin.correlate.write import HEADER_TEXT_MAX, Pen
from tocsin.domain import events as ev
from tocsin.domain.alert import Sighting
from tocsin.domain.assignment import assigned_to
from tocsin.domain.command import ARGUMENTS, VERBS, Command
from tocsin.domain.errors import IllegalTransition, Reject
from tocsin.domain.header import SUMMARY_MAX, TITLE_MAX, IncidentHeader, cut_text
from tocsin.domain.ids import correlation_partition_key, incident_id, short_hash
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import ACKNOWLEDGES, LEADS_TO, Status, status_after
from tocsin.domain.severity import severity_of

NOTE_MAX: Final = 4000
"""Characters of a note or reason: a timeline line, not a document."""

_UNCHANGED: Final = "already_so"


def on_command(pen: Pen, command: Command) -> Iterator[ev.Event]:
    """The events of a command, then its outcome; nothing for an id that has its outcome already."""
    if command.command_id in pen.state.outcomes:
        return
    written: list[str] = []
    incident_id = ""
    try:
        for event in _events(pen, command):
            written.append(ev.event_id(event))
            incident_id = incident_id or ev.subject_of(event)
            yield event
    except (Reject, IllegalTransition) as error:
        word = error.word if isinstance(error, Reject) else "illegal_transition"
        yield _outcome(pen, ev.CommandRejected, command, word, message=str(error))
        return
    if written:
        yield _outcome(pen, ev.CommandApplied, command, "applied", incident_id=incident_id, events=tuple(written))
    else:
        yield _outcome(pen, ev.CommandUnchanged, command, _UNCHANGED)


def _outcome(pen: Pen, kind: type[ev.CommandEvent], command: Command, reason: str, **fields: Any) -> ev.CommandEvent:
    if not fields.get("incident_id"):
        found = pen.state.find(command.incident)
        fields["incident_id"] = found.id if found else ""
    return kind(command_id=command.command_id, verb=command.verb, **pen.stamps(reason), **fields)


def _events(pen: Pen, command: Command) -> Iterator[ev.Event]:
    """The events that carry the command out; none when everything is so already.

    Raises:
        Reject, IllegalTransition: before the first event.
    """
    if command.verb not in VERBS:
        raise Reject("unknown_verb", f"{command.verb!r} is not a verb; known: {', '.join(VERBS)}")
    unknown = sorted(set(command.arguments) - set(ARGUMENTS.get(command.verb, ())))
    if unknown:
        raise Reject("unknown_argument", f"{command.verb} does not take {unknown[0]!r}")
    if command.verb == "declare":
        yield declared(pen, command)
        return
    incident = _incident(pen.state, command.incident)
    note = cut_text(command.reason, NOTE_MAX)
    if command.verb == "note":
        text = _text(command.arguments, "text", NOTE_MAX)
        if not text:
            raise Reject("missing_text", "note needs arguments.text")
        yield pen.change(ev.Noted, incident, "noted", note=text)
    elif command.verb == "assign":
        yield from _assign(pen, incident, command, note)
    elif incident.header.status is not LEADS_TO[command.verb]:
        yield transition(pen, incident, command.verb, note)


def _incident(state: State, reference: str) -> Incident:
    incident = state.find(reference)
    if incident is not None:
        return incident
    if reference in state.retired:
        raise Reject("retired", f"{reference} was closed long ago and is read-only now")
    raise Reject("unknown_incident", f"there is no incident {reference!r}")


def transition(pen: Pen, incident: Incident, verb: str, note: str = "") -> ev.IncidentEvent:
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
        expires = pen.now + rule.acknowledgement_expires_after
        return pen.change(ev.Acknowledged, incident, "acknowledged", header, expires_due_at=expires, note=note)
    if verb == "investigate":
        expires = pen.now + rule.acknowledgement_expires_after
        return pen.change(ev.Investigating, incident, "investigating", header, expires_due_at=expires, note=note)
    if verb == "mitigate":
        return pen.change(ev.Mitigated, incident, "mitigated", header, note=note)
    if verb == "resolve":
        due = pen.now + rule.close_after
        return pen.change(ev.Resolved, incident, "resolved", header, by_person=True, close_due_at=due, note=note)
    if verb == "close":
        return pen.change(ev.Closed, incident, "closed", header, retire_due_at=pen.now + rule.retire_after, note=note)
    return reopened(pen, incident, "reopened", note=note)


def _assign(pen: Pen, incident: Incident, command: Command, note: str) -> Iterator[ev.Event]:
    assignee = _text(command.arguments, "assignee", HEADER_TEXT_MAX)
    team = _text(command.arguments, "team", HEADER_TEXT_MAX)
    if not assignee and not team:
        raise Reject("missing_assignee", "assign needs arguments.assignee or arguments.team")
    header = {name: value for name, value in (("assignee", assignee), ("team", team)) if value}
    if any(getattr(incident.header, name) != value for name, value in header.items()):
        yield pen.change(ev.Assigned, incident, "assigned", header, note=note)


def _text(arguments: Mapping[str, Any], name: str, limit: int) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise Reject("wrong_type", f"arguments.{name} must be a text, not {type(value).__name__}")
    return cut_text(value.strip(), limit)


def declared(pen: Pen, command: Command) -> ev.Opened:
    """An incident that a person declares: pinned from the start, its group is its own unless it names a correlation
    id.
    """
    arguments = command.arguments
    title = _text(arguments, "title", TITLE_MAX)
    if not title:
        raise Reject("missing_title", "declare needs arguments.title")
    labels = arguments.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(one, str) for pair in labels.items() for one in pair):
        raise Reject("wrong_type", "arguments.labels must be an object of texts")
    severity = severity_of(_text(arguments, "severity", 40) or "high", pen.rules.ingest.severities)
    category = _text(arguments, "category", HEADER_TEXT_MAX) or DEFAULT_CATEGORY
    service = _text(arguments, "service", HEADER_TEXT_MAX)
    assigned = assigned_to(category, severity, service, pen.rules, pen.now, pen.state.load)
    correlation_id = _text(arguments, "correlation_id", HEADER_TEXT_MAX)
    rule = pen.rules.correlation[0] if pen.rules.correlation else rule_named("", pen.rules)
    key = f"correlation_id={correlation_id}" if correlation_id else f"declared={command.command_id}"
    partition_key = correlation_partition_key(correlation_id) if correlation_id else f"declared:{command.command_id}"
    number, ordinal = pen.next_number()
    header = IncidentHeader(
        id=incident_id(pen.partition, pen.cause),
        number=number,
        version=1,
        title=title,
        severity=severity,
        status=Status.OPEN,
        opened_at=pen.now,
        category=category,
        service=service,
        team=assigned.team,
        assignee=assigned.assignee,
        source="declared",
        correlation_id=correlation_id,
        summary=_text(arguments, "summary", SUMMARY_MAX),
        labels={cut_text(k, HEADER_TEXT_MAX): cut_text(labels[k], HEADER_TEXT_MAX) for k in sorted(labels)[:16]},
    )
    where = Placement(short_hash("group", partition_key, rule.name, key), key, {}, rule)
    return pen.opening(
        header,
        ordinal,
        where,
        partition_key,
        pen.now,
        "declared",
        pinned=True,
        assigned_because=assigned.because,
    )


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
