"""Who is reached when, over which channel, and why: the calls that were made and those that are to come.

In: the events of an incident, recorded or rehearsed. Out: JSON-ready rows in the order of time. Rules are not looked at
here: everything stands in the events that the stages wrote or would write.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.explain.rehearsal import HORIZON, Rehearsal
from tocsin.topics import ESCALATIONS, NOTIFICATIONS
from tocsin.wire.events import rfc3339

Recorded = Sequence[tuple[str, ev.Event]]
"""(topic, event) of one incident, in the order of time."""

Planned = Mapping[str, Sequence[ev.DeliveryPlanned]]

DONE, COMING = "done", "to_come"


def of_incident(recorded: Recorded, rules: Rules, now: Instant, horizon: timedelta = HORIZON) -> dict[str, Any]:
    """What happened to the escalation of an incident, and what follows if nobody answers until `now + horizon`."""
    rehearsal = Rehearsal(rules, now)
    past = [event for _, event in recorded]
    for topic, event in recorded:
        if topic in (ESCALATIONS.name, NOTIFICATIONS.name):
            rehearsal.recall(event, topic)
    rehearsal.until(now + horizon)
    opened = next((event for event in past if isinstance(event, ev.Opened)), None)
    latest = next((event for event in reversed(past) if isinstance(event, ev.IncidentEvent)), None)
    since = opened.recorded_at if opened else now
    rows = [*rows_of(past, since, DONE), *rows_of(rehearsal.events, since, COMING)]
    header = latest.header if latest else None
    return {
        "incident": None if header is None else shown(header),
        "now": rfc3339(now),
        "until": rfc3339(now + horizon),
        "rules_version": rules.version,
        "ended": _ended(past),
        "rows": rows,
        "cut": rehearsal.cut,
    }


def rows_of(events: Sequence[ev.Event], since: Instant, state: str) -> list[dict[str, Any]]:
    """One row for each of `events` that tells somebody, calls somebody or keeps from calling, and for each promise that
    is at risk or broken. Minutes count from `since`."""
    planned = planned_by(events)
    rows = []
    for event in events:
        if said := _row(event, planned):
            when = {
                "state": state,
                "at": rfc3339(event.recorded_at),
                "after_minutes": round((event.recorded_at - since).total_seconds() / 60, 3),
                "rules_version": event.rules_version,
            }
            rows.append({**when, "kind": event.TYPE, **said})
    return rows


def planned_by(events: Sequence[ev.Event]) -> dict[str, list[ev.DeliveryPlanned]]:
    """The deliveries that are to be sent, by the id of the event that brought them about."""
    kept_back = {one.delivery_id for one in events if isinstance(one, ev.DeliverySuppressed)}
    found: dict[str, list[ev.DeliveryPlanned]] = {}
    for event in events:
        if isinstance(event, ev.DeliveryPlanned) and event.delivery_id not in kept_back:
            found.setdefault(event.cause, []).append(event)
    return found


def _row(event: ev.Event, planned: Planned) -> dict[str, Any]:
    """What is said of an event; nothing for one that concerns nobody."""
    if isinstance(event, ev.EscalationFired):
        return _call(event, planned)
    if isinstance(event, ev.EscalationSkipped):
        target = event.step.escalate_to
        return {"level": event.step.level, "target": target, "why": f"calls nobody: {event.reason}", "reached": []}
    if isinstance(event, ev.SlaEvent):
        why = f"promised by {rfc3339(event.target_due_at)}"
        return {"target": event.target, "why": why, "reached": _told(event, planned)}
    if isinstance(event, ev.Opened | ev.Suppressed) and event.header.suppressed_by:
        until = event.header.suppressed_until
        why = f"quiet until {rfc3339(until)}" if until else "quiet until the cause is gone"
        return {"target": event.header.suppressed_by, "why": why, "reached": []}
    if isinstance(event, ev.Unsuppressed):
        return {"target": event.was, "why": "no longer quiet", "reached": _told(event, planned)}
    reached = _told(event, planned)
    return {"target": "", "why": event.reason, "reached": reached} if reached else {}


def _call(event: ev.EscalationFired, planned: Planned) -> dict[str, Any]:
    """A call: its level, whom the target stood for, and over which channels each is told."""
    step = event.step
    targets = {target.recipient: target for target in event.targets}
    told = _told(event, planned)
    for one in told:
        known = targets.get(one["recipient"])
        one["why"] = known.why if known is not None else one["why"]
    return {
        "level": step.level,
        "repeat": step.repeat,
        "target": step.escalate_to,
        "team": event.team,
        "why": _reason(event),
        "reached": told or _unplanned(event),
        "skipped": [msgspec.to_builtins(one) for one in event.skipped],
        "lateness_seconds": event.lateness_seconds,
    }


def _reason(event: ev.EscalationFired) -> str:
    step = event.step
    again = f", call {step.repeat + 1}" if step.repeat else ""
    return f"{event.reason or 'due'}: level {step.level}{again}, due {rfc3339(step.due_at)}"


def _told(event: ev.Event, planned: Planned) -> list[dict[str, Any]]:
    """Who is told of `event`, each with the channels, the addresses and why; `later`: channels that wait, and until
    when."""
    by_recipient: dict[str, dict[str, Any]] = {}
    for one in planned.get(ev.event_id(event), ()):
        reached = by_recipient.setdefault(
            one.recipient,
            {
                "recipient": one.recipient,
                "channels": [],
                "contacts": {kind: list(addresses) for kind, addresses in one.contacts.items()},
                "page": one.page,
                "why": "",
            },
        )
        reached["channels"].append(one.channel)
        if one.send_due_at > event.recorded_at:
            reached.setdefault("later", {})[one.channel] = rfc3339(one.send_due_at)
    return list(by_recipient.values())


def _unplanned(event: ev.EscalationFired) -> list[dict[str, Any]]:
    """Whom a call meant that no message goes out for."""
    return [
        {
            "recipient": f"team:{event.team}",
            "channels": list(event.step.notification_channels),
            "contacts": {kind: list(addresses) for kind, addresses in event.contacts.items()},
            "page": True,
            "why": "no message is planned: answered before, suppressed, or escalation.fired is not in notify.events",
        }
    ]


def _ended(past: Sequence[ev.Event]) -> str:
    """Why nothing is to come; empty while the escalation goes on."""
    for event in reversed(past):
        if isinstance(event, ev.EscalationStopped):
            return event.reason
        if isinstance(event, ev.EscalationScheduled):
            return ""
    return ""


def shown(header: IncidentHeader) -> dict[str, Any]:
    """What an explanation says of an incident."""
    return {
        "id": header.id,
        "number": header.number,
        "title": header.title,
        "severity": header.severity.value,
        "status": header.status.value,
        "category": header.category,
        "service": header.service,
        "team": header.team,
        "assignee": header.assignee,
        "opened_at": rfc3339(header.opened_at),
        "suppressed_by": header.suppressed_by,
    }
