"""Where an alert would go, by the stages themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.rules import (
    CorrelationRule,
    EscalationRule,
    Matcher,
    NotifyRules,
    Route,
    Rules,
    Team,
)
from tocsin.domain.severity import Severity
from tocsin.explain.rehearsal import EVENTS_MAX
from tocsin.explain.route import alert_of, calls_in, of_alert

NIGHT = datetime(2026, 12, 24, 23, tzinfo=UTC)


def explained(rules: Rules, **labels: str) -> dict[str, Any]:
    return of_alert(alert_of(labels), rules, NIGHT)


def calls(found: dict[str, Any]) -> list[tuple[float, int, list[str], list[str]]]:
    """(minutes, level, recipients, channels) of each call."""
    return [
        (
            row["after_minutes"],
            row["level"],
            [one["recipient"] for one in row["reached"]],
            sorted({channel for one in row["reached"] for channel in one["channels"]}),
        )
        for row in found["escalation"]
        if row["kind"] == "escalation.fired"
    ]


def test_the_defaults_call_after_the_minutes_of_the_severity() -> None:
    for severity, minutes in ((Severity.EMERGENCY, 0), (Severity.CRITICAL, 5), (Severity.HIGH, 15)):
        found = explained(Rules(), severity=severity.value, service="shop")
        assert [call[0] for call in calls(found)] == [minutes]
    assert calls(explained(Rules(), severity="info", service="shop")) == []


def test_rule_group_team_routes_and_playbooks_are_told() -> None:
    rules = Rules(
        correlation=(CorrelationRule(name="db", when={"job": "pg"}, group_by=("cluster",), category="database"),),
        notify=NotifyRules(
            routes=(
                Route(when=Matcher(severity=(Severity.LOW,)), channels=("quiet",)),
                Route(when=Matcher(category=("database",)), channels=("dba-chat", "mail")),
            )
        ),
    )
    found = explained(rules, severity="critical", job="pg", cluster="eu")
    assert (found["rule"], found["group_key"]) == ("db", "cluster='eu'")
    assert found["incident"]["team"] == "database_team"
    assert found["routes"] == [2]
    assert sorted(one["channel"] for one in found["announced"]) == ["dba-chat", "mail"]
    assert [one["name"] for one in found["playbooks"]] == ["database-connection-failure"]


def test_each_call_says_whom_it_reaches_over_what_and_why() -> None:
    rules = Rules(
        escalation=(
            EscalationRule(escalate_to="dba", escalate_after_minutes=5, notification_channels=("sms",)),
            EscalationRule(escalation_level=2, escalate_to="boss", escalate_after_minutes=20, repeat_minutes=10,
                           repeat_times=2),
        ),
        teams={"dba": Team(contacts={"phone": ("+1",)}), "boss": Team()},
    )  # fmt: skip
    found = explained(rules, severity="critical", service="shop")
    assert [(call[0], call[1]) for call in calls(found)] == [(5, 1), (20, 2), (30, 2), (40, 2)]
    first = next(row for row in found["escalation"] if row["kind"] == "escalation.fired")
    assert first["reached"][0]["channels"] == ["sms"]
    assert first["reached"][0]["contacts"] == {"phone": ("+1",)}
    assert "due 2026-12-24T23:05:00Z" in first["why"]
    assert calls_in(found)["rows"] == found["escalation"]


def test_promises_stand_among_the_calls() -> None:
    kinds = {(row["kind"], row["target"]) for row in explained(Rules(), severity="critical")["escalation"]}
    assert {("sla.at_risk", "acknowledge"), ("sla.breached", "acknowledge"), ("sla.breached", "resolve")} <= kinds


def test_the_horizon_ends_it_and_so_does_the_limit() -> None:
    endless = EscalationRule(escalate_to="all", repeat_minutes=0.02, repeat_times=1000)
    found = of_alert(alert_of({"alertname": "A"}), Rules(escalation=(endless,)), NIGHT, horizon=timedelta(seconds=10))
    assert len(calls(found)) == 11, "one at once, then one a second, the last at the end"
    again = EscalationRule(escalation_level=2, escalate_to="b", repeat_minutes=0.02, repeat_times=1000)
    whole = of_alert(alert_of({"alertname": "A"}), Rules(escalation=(endless, again)), NIGHT)
    assert whole["cut"] is True
    assert len(whole["escalation"]) < EVENTS_MAX


def test_what_ingest_rejects_or_what_opens_nothing_is_said() -> None:
    with pytest.raises(Reject, match=r"lies before"):
        of_alert(
            b'{"title": "a", "starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}', Rules(), NIGHT
        )
    with pytest.raises(Reject, match="opens no incident"):
        of_alert(b'{"title": "a", "status": "resolved"}', Rules(), NIGHT)


def test_the_same_question_has_the_same_answer() -> None:
    assert explained(Rules(), severity="high") == explained(Rules(), severity="high")
