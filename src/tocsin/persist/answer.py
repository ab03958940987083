"""How rows look to those who ask: plain dicts, instants as RFC 3339 with Z, every key always there. Pure."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from tocsin.domain.alert import AlertFacts
from tocsin.domain.details import Details
from tocsin.domain.header import IncidentHeader
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant, from_us
from tocsin.domain.severity import Severity
from tocsin.persist.fold import steps_of
from tocsin.persist.row import Delivery, Escalation
from tocsin.wire.events import rfc3339
from tocsin.wire.state import OF_DETAILS

_incident_decoder: Final = msgspec.json.Decoder(Incident)
_member_decoder: Final = msgspec.json.Decoder(Member)
_facts_decoder: Final = msgspec.json.Decoder(AlertFacts)

_HEADER: Final = tuple(
    name
    for name in IncidentHeader.__struct_fields__
    if name not in {"occurrences"}  # the incident counts on
)
_OF_INCIDENT: Final = (
    *("occurrences", "event_time", "group_key", "rule", "pinned", "previous", "recurrence_of", "merged_into"),
    *("linked", "services", "settled_at", "resolved_at", "closed_at", "acknowledgement_expires_at"),
    *("resolve_due_at", "close_due_at", "retire_due_at"),
)
_NOTHING: Final = Details()
PRIORITIES: Final = {severity: f"P{rank}" for rank, severity in enumerate(Severity)}
"""`priority_level`: P0 for an emergency to P5, whatever scheme people see."""
_OF_FACTS: Final = (
    "category",
    "source",
    "correlation_id",
    "labels",
    "annotations",
    "links",
    "event_time_clamped",
    "cut",
)


def at(microseconds: int | None) -> str | None:
    """The instant of a row."""
    return rfc3339(from_us(microseconds)) if microseconds is not None else None


def plain(value: Any) -> Any:
    """A field of a struct as JSON would have it."""
    if isinstance(value, Instant):
        return rfc3339(value)
    if isinstance(value, str):
        return str(value)  # an enum's member too
    return list(value) if isinstance(value, tuple) else value


def incident(row: tuple[Any, ...]) -> dict[str, Any]:
    """From (opened_us, id, doc, updated_us, retired_us, fired): the fields of the header, flat, and what only the view
    knows."""
    state = _incident_decoder.decode(row[2])
    details = state.details or _NOTHING
    header = state.header
    ended = state.resolved_at or state.closed_at
    return {
        **{name: plain(getattr(header, name)) for name in _HEADER},
        **{name: plain(getattr(state, name)) for name in _OF_INCIDENT},
        **{name: _built(getattr(details, name)) for name in OF_DETAILS},
        "priority_level": PRIORITIES[header.severity],
        "resolution_time_minutes": _minutes(ended - header.opened_at) if ended is not None else None,
        "escalation_flag": bool(row[5]),
        "incident_summary": _summary(state, details),
        "updated_at": at(row[3]),
        "retired_at": at(row[4]),
    }


def _built(value: Any) -> Any:
    """A part of the details as JSON would have it: every field there, whether said or not."""
    if isinstance(value, msgspec.Struct):
        return {name: _built(getattr(value, name)) for name in value.__struct_fields__}
    return [_built(one) for one in value] if isinstance(value, tuple) else plain(value)


def _minutes(span: timedelta) -> float:
    return round(max(0.0, span.total_seconds()) / 60, 2)


def _summary(state: Incident, details: Details) -> dict[str, Any]:
    """What one would tell of it in a breath, as JSON that may grow."""
    header = state.header
    return {
        "title": header.title,
        "severity": header.severity.value,
        "status": header.status.value,
        "alerts": header.alerts,
        "occurrences": state.occurrences,
        "services": list(state.services),
        "users_affected": details.impact.users_affected,
        "root_cause_category": details.root_cause_category,
        "follow_ups_open": sum(one.done_at is None for one in details.follow_ups),
        "commander": details.roles.incident_commander,
    }


ALERT_COLUMNS: Final = "attached_us, alert_id, doc, facts"


def alert(row: tuple[Any, ...]) -> dict[str, Any]:
    """From `ALERT_COLUMNS`: a member of an incident."""
    member, facts = _member_decoder.decode(row[2]), _facts_decoder.decode(row[3])
    return {
        "alert_id": member.alert_id,
        "incident_id": member.incident_id,
        "fingerprint": member.fingerprint,
        "status": "firing" if member.firing else "resolved",
        "severity": member.severity.value,
        "service": member.service,
        "title": member.title,
        **{name: plain(getattr(facts, name)) for name in _OF_FACTS},
        "occurrences": member.occurrences,
        "starts_at": plain(member.starts_at or member.start),
        "first_seen_at": plain(member.start),
        "last_seen_at": plain(member.last),
        "resolved_at": plain(member.resolved_at),
        "expires_at": plain(member.expires_at),
        "attached_at": at(row[0]),
        "raw": facts.raw,
    }


def entry(row: tuple[Any, ...]) -> dict[str, Any]:
    """From (at_us, journal, partition, offset, id, type, actor, reason, text): a line of a timeline."""
    names = ("id", "type", "actor", "reason", "text")
    return {"at": at(row[0]), **dict(zip(names, row[4:], strict=True))}


def delivery(row: Delivery) -> dict[str, Any]:
    """A delivery; `finished_at` is None while it is under way."""
    return {
        "delivery_id": row.delivery_id,
        "incident_id": row.incident_id,
        "channel": row.channel,
        "recipient": row.recipient,
        "step": row.step,
        "page": bool(row.page),
        "status": row.status,
        "reason": row.reason,
        "attempts": row.attempts,
        "error": row.error,
        "receipt": row.receipt,
        "possible_duplicate": bool(row.possible_duplicate),
        "digest": row.digest,
        "planned_at": at(row.planned_us),
        "attempted_at": at(row.attempted_us),
        "next_attempt_at": at(row.next_attempt_us),
        "finished_at": at(row.finished_us),
    }


def delivery_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """From (planned_us, delivery_id, and every column of the table)."""
    return delivery(Delivery(*row[2:]))


def escalation(row: Escalation) -> dict[str, Any]:
    """The escalation of an incident; `next` is None when nothing escalates any more."""
    steps = [
        {
            "level": step.level,
            "escalate_to": step.escalate_to,
            "due_at": rfc3339(step.due_at),
            "notification_channels": list(step.notification_channels),
            "repeat": step.repeat,
        }
        for step in steps_of(row)
    ]
    return {
        "level": row.level,
        "fired": row.fired,
        "team": row.team,
        "next": steps[0] if steps else None,
        "steps": steps,
        "sla": {
            "acknowledge": {"state": row.acknowledge_state, "due_at": at(row.acknowledge_due_us)},
            "resolve": {"state": row.resolve_state, "due_at": at(row.resolve_due_us)},
            "update": {"state": row.update_state, "due_at": at(row.update_due_us)},
        },
        "policy": row.policy,
        "paused_at": at(row.paused_us),
        "fired_at": at(row.fired_us),
        "stopped_at": at(row.stopped_us),
        "reason": row.reason,
    }
