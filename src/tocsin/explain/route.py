"""Where an alert would go: rule, group, team, channels, policy, playbooks, suppression, and who is called when.

In: an alert as a source sends it (or only its labels), rules, an instant. Out: one JSON-ready document. It is a
rehearsal in an empty installation: whether an open incident would take the alert is not known here.
"""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.condition import holds
from tocsin.domain.errors import Reject
from tocsin.domain.grading import known_severity
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.playbook import minutes_of, playbooks_for
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.explain.escalation import COMING, planned_by, rows_of, shown
from tocsin.explain.rehearsal import HORIZON, Rehearsal
from tocsin.wire.events import rfc3339

FIELDS = ("title", "severity", "category", "service", "source", "correlation_id")
"""Words among the labels that the alert has as fields of its own."""


def alert_of(labels: Mapping[str, str]) -> bytes:
    """A native alert with these labels; those that name a field of it fill the field as well."""
    alert: dict[str, Any] = {name: labels[name] for name in FIELDS if labels.get(name)}
    alert["labels"] = {name: value for name, value in labels.items() if name != "title"}
    if "alertname" not in labels:
        alert.setdefault("title", labels.get("service") or "explained")
    return msgspec.json.encode(alert)


def of_alert(
    value: bytes, rules: Rules, at: Instant, *, format: str = "native", horizon: timedelta = HORIZON
) -> dict[str, Any]:
    """Everything that `rules` make of the alert at `at`, and the calls until `at + horizon` if nobody answers.

    Raises:
        Reject: ingest rejects it; or it opens nothing, as one that says `resolved`.
    """
    rehearsal = Rehearsal(rules, at)
    rehearsal.alert(value, format)
    opened = next((event for event in rehearsal.events if isinstance(event, ev.Opened)), None)
    if opened is None:
        raise Reject("opens_nothing", "this alert opens no incident: it says resolved or acknowledged")
    latest = next(event for event in reversed(rehearsal.events) if isinstance(event, ev.IncidentEvent))
    rehearsal.until(at + horizon)
    header = opened.header
    facts = opened.alert
    return {
        "at": rfc3339(at),
        "until": rfc3339(at + horizon),
        "rules_version": rules.version,
        "alert": {
            "title": facts.title if facts else header.title,
            "fingerprint": facts.fingerprint if facts else "",
            "labels": facts.labels if facts else {},
            "severity": header.severity.value,
            "correlation_id": header.correlation_id,
        },
        "rule": opened.rule,
        "partition_key": opened.partition_key,
        "group_key": opened.group_key,
        "group_labels": header.labels,
        "gap_minutes": opened.gap_seconds / 60,
        # It has neither id nor number: those of the rehearsal may be somebody else's.
        "incident": {**shown(header), "id": "", "number": ""},
        "assigned_because": getattr(opened, "assigned_because", ""),
        "suppressed_by": latest.header.suppressed_by,
        "policy": policy_of(rehearsal.events, header, rules),
        "playbooks": [
            {"name": name, "title": playbook.title, "estimated_duration_minutes": minutes_of(playbook)}
            for name, playbook in playbooks_for(header, rules).items()
        ],
        "routes": [number for number, route in enumerate(rules.notify.routes, 1) if holds(route.when, header, at)],
        "announced": _announced(opened, rehearsal.events),
        "escalation": rows_of(rehearsal.events, at, COMING),
        "cut": rehearsal.cut,
        "notes": _notes(facts.labels if facts else {}, header, rules),
    }


def _notes(labels: Mapping[str, str], header: IncidentHeader, rules: Rules) -> list[str]:
    """What may be a slip: a severity that no table knows is an alert all the same."""
    word = labels.get("severity", "")
    if not word or known_severity(word, rules) is not None:
        return []
    near = get_close_matches(word.lower(), [one.value for one in Severity], n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return [f"severity {word!r} is no word of a severity here, so it counts as {header.severity.value}{hint}"]


def calls_in(found: Mapping[str, Any]) -> dict[str, Any]:
    """The calls of an explained route, in the form of `explain.escalation`."""
    kept = ("incident", "until", "rules_version", "policy", "cut", "notes")
    return {name: found[name] for name in kept} | {"now": found["at"], "ended": "", "rows": found["escalation"]}


def policy_of(events: list[ev.Event], header: IncidentHeader, rules: Rules) -> str:
    """The name of the policy that was planned with; `rules` = the rows of `escalate.rules`, empty = none fits."""
    scheduled = next((event for event in events if isinstance(event, ev.EscalationScheduled)), None)
    if scheduled is None or not scheduled.steps:
        return ""
    return getattr(scheduled, "policy", "") or "rules"


def _announced(opened: ev.Opened, events: list[ev.Event]) -> list[dict[str, Any]]:
    return [
        {"channel": one.channel, "recipient": one.recipient, "page": one.page, "send_at": rfc3339(one.send_due_at)}
        for one in planned_by(events).get(ev.event_id(opened), ())
    ]
