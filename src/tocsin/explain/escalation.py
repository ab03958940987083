"""Who is reached when, over which channel, and why: the calls that were made and those that are to come.

In: the events of an incident, recorded or rehearsed. Out: JSON-ready rows in the order of time. Rules are not looked at
here: everything stands in the events that the stages wrote or would write.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.explain.rehearsal import HORIZON, Rehearsal, deliveries_for
from tocsin.topics import ESCALATIONS, NOTIFICATIONS
from tocsin.wire.events import rfc3339

Recorded = Sequence[tuple[str, ev.Event]]
"""(topic, event) of one incident, in the order of time."""

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
    """One row for each call and each promise that is at risk or broken among `events`."""
    rows = []
    for event in events:
        if isinstance(event, ev.EscalationFired):
            rows.append({**_when(event, since, state), **_call(event, events)})
        elif isinstance(event, ev.SlaEvent):
            rows.append(
                {
                    **_when(event, since, state),
                    "kind": event.TYPE,
                    "target": event.target,
                    "why": f"promised by {rfc3339(event.target_due_at)}",
                    "reached": _told(event, events),
                }
            )
    return rows


def _when(event: ev.Event, since: Instant, state: str) -> dict[str, Any]:
    return {
        "state": state,
        "at": rfc3339(event.recorded_at),
        "after_minutes": round((event.recorded_at - since).total_seconds() / 60, 3),
        "rules_version": event.rules_version,
    }


def _call(event: ev.EscalationFired, events: Sequence[ev.Event]) -> dict[str, Any]:
    """A call: its level, whom the target stood for, and over which channels each is told."""
    step = event.step
    plain: dict[str, Any] = msgspec.to_builtins(event)
    targets: list[dict[str, Any]] = plain.get("targets") or []
    told = _told(event, events)
    for one in told:
        known = next((target for target in targets if target.get("recipient") == one["recipient"]), {})
        one["why"] = known.get("why", "") or one["why"]
    return {
        "kind": event.TYPE,
        "level": step.level,
        "repeat": step.repeat,
        "target": step.escalate_to,
        "team": event.team,
        "why": _reason(event),
        "reached": told,
        "skipped": plain.get("skipped") or [],
        "lateness_seconds": event.lateness_seconds,
    }


def _reason(event: ev.EscalationFired) -> str:
    step = event.step
    again = f", call {step.repeat + 1}" if step.repeat else ""
    return f"{event.reason or 'due'}: level {step.level}{again}, due {rfc3339(step.due_at)}"


def _told(event: ev.Event, events: Sequence[ev.Event]) -> list[dict[str, Any]]:
    """Who is told of `event`, each with the channels, the addresses and why."""
    by_recipient: dict[str, dict[str, Any]] = {}
    for planned in deliveries_for(event, events):
        one = by_recipient.setdefault(
            planned.recipient,
            {
                "recipient": planned.recipient,
                "channels": [],
                "contacts": planned.contacts,
                "page": planned.page,
                "why": "",
            },
        )
        one["channels"].append(planned.channel)
    if not by_recipient and isinstance(event, ev.EscalationFired):  # nothing was planned: say at least who is meant
        recipient = f"team:{event.team}"
        by_recipient[recipient] = {
            "recipient": recipient,
            "channels": list(event.step.notification_channels),
            "contacts": event.contacts,
            "page": True,
            "why": "no delivery is planned: escalation.fired is not in notify.events",
        }
    return list(by_recipient.values())


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
