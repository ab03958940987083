"""What messages say, whole, beside this file in `golden/`: one file for each kind, subject first.

After a change that is meant: `TOCSIN_GOLDEN=write pytest <this file>`, and read the difference before it is committed.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules, SeverityRules
from tocsin.domain.severity import Severity
from tocsin.notify.message import body_of, message_of
from tocsin.notify.plan import context_of
from unit.escalate.story import Subject, at

GOLDEN = Path(__file__).parent / "golden"
LINKS = {
    "generator": "https://prometheus.a.example/graph",
    "runbook": "https://runbooks.a.example/disk",
    "dashboard": "https://grafana.a.example/d/shop",
    "script": "javascript:alert(1)",
}
SINCE = {"recorded_at": at(0).isoformat(), "severity": "high", "status": "open", "alerts": 1}
ALSO = [
    {"recipient": "user:ana", "channel": "slack"},
    {"recipient": "user:ana", "channel": "sms"},
    {"recipient": "team:dba", "channel": "slack"},
    {"recipient": "channel:ops", "channel": "ops"},
]


def subject() -> Subject:
    return Subject(
        Severity.CRITICAL,
        title="Disk of shop is full",
        summary="97 % used on db-1,\n3 GB are left.",
        category="database",
        team="shop",
        alerts=3,
        firing=2,
        links=LINKS,
    )


def said(event: ev.IncidentEvent | ev.EscalationEvent, rules: Rules | None = None, **more: Any) -> dict[str, Any]:
    return context_of(event, rules or Rules()) | more


def step(level: int, minutes: float, target: str) -> ev.EscalationStep:
    return ev.EscalationStep(level=level, escalate_to=target, due_at=at(minutes))


def escalated() -> dict[str, Any]:
    told = subject()
    fired = ev.EscalationFired(
        incident_id=told.header.id,
        incident_version=1,
        incident_offset=0,
        id="esc_aa1",
        header=told.header,
        recorded_at=at(5),
        reason="not_acknowledged",
        step=step(1, 3.5, "on_call"),
        team="dba",
        lateness_seconds=90.0,
        upcoming=step(2, 15, "lead"),
    )
    return said(fired, since=SINCE, also=ALSO)


def promised(kind: type[ev.SlaEvent]) -> dict[str, Any]:
    told = subject()
    return said(
        kind(
            incident_id=told.header.id,
            incident_version=1,
            incident_offset=0,
            id="esc_aa2",
            header=told.header,
            recorded_at=at(30),
            target="resolve",
            target_due_at=at(30),
        ),
        since={**SINCE, "severity": "critical", "alerts": 3},
    )


def digest(count: int, incidents: int, **more: Any) -> dict[str, Any]:
    words = ["critical", "high", "medium"]
    rows = [
        {
            "id": f"inc_aa{n}",
            "number": f"INC-2026-11-21-{n:03}",
            "title": f"Disk of shop-{n} is full",
            "severity": words[min(n, 3) - 1],
            "status": "open" if n % 2 else "resolved",
        }
        for n in range(1, min(incidents, 4) + 1)
    ]
    since, until = at(0).isoformat(), (at(0) + timedelta(minutes=5)).isoformat()
    told = {"count": count, "since": since, "until": until, "incidents": rows, "more": incidents - len(rows), **more}
    return {"type": "digest", "digest": told}


def kinds() -> Mapping[str, dict[str, Any]]:
    """Name of the file -> context."""
    p_words = Rules(severity=SeverityRules(scheme="p1-p4"))
    silence = {"suppressed": {"by": "silence:s-7", "since": at(-30).isoformat()}}
    return {
        "opened": said(subject().opened(), also=ALSO[:1]),
        "opened_in_a_scheme": said(subject().opened(), p_words),
        "raised": said(subject().raised(4, Severity.EMERGENCY), since={**SINCE, "severity": "critical"}),
        "raised_in_a_scheme": said(
            Subject(Severity.HIGH, title="Disk of shop is full").raised(4, Severity.CRITICAL), p_words
        ),
        "reannounced": said(subject().reannounced(6), since={**SINCE, "severity": "critical", "alerts": 3}),
        "acknowledged": said(
            subject().tell(
                ev.Acknowledged,
                6,
                actor="ana",
                note="I am on it.\nFirst the volume.",
                header={"acknowledged_at": at(6), "acknowledged_by": "ana", "status": Status.ACKNOWLEDGED},
            )
        ),
        "expired": said(subject().expired(90)),
        "unsuppressed": said(subject().tell(ev.Unsuppressed, 10, was="silence:s-7")) | silence,
        "noted": said(subject().tell(ev.Noted, 7, actor="ana", note="The volume grows.\nTen minutes more.")),
        "resolved": said(subject().resolved(20)),
        "reopened": said(subject().reopened(25)),
        "closed": said(subject().closed(60)),
        "merged": said(subject().closed(8, merged_into="inc_aaother")),
        "escalated": escalated(),
        "promise_at_risk": promised(ev.SlaAtRisk),
        "promise_broken": promised(ev.SlaBreached),
        "updated": said(subject().tell(ev.UpdatedPeople, 9, actor="ana", text="We enlarge the volume.")),
        "digest": digest(
            1057,
            37,
            by_severity={"critical": 1, "high": 12, "medium": 24},
            by_step={"incident.opened": 37, "incident.resolved": 1000, "escalation.1": 12, "escalation.1.2": 8},
        ),
        "digest_of_one": digest(2, 1),
        "nothing_known": {},
    }


@pytest.mark.parametrize("name", kinds())
def test_each_kind_says_what_its_file_says(name: str) -> None:
    message = message_of(kinds()[name])
    text = f"Subject: {message.subject}\n\n{body_of(message)}\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("TOCSIN_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_there_is_no_file_that_no_kind_has() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(kinds())
