"""Where an alert would go, by the stages themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.rules import (
    CorrelationRule,
    EscalationRule,
    LabelMatch,
    Level,
    Matcher,
    NotifyRules,
    Policy,
    Route,
    Rules,
    Silence,
    Target,
    Team,
    User,
)
from tocsin.domain.rules.directory import Absence
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


CALM = Rules(sla={})
"""Without promises: a broken one calls somebody, too."""


def test_the_defaults_call_after_the_minutes_of_the_severity() -> None:
    for severity, minutes in ((Severity.EMERGENCY, 0), (Severity.CRITICAL, 5), (Severity.HIGH, 15)):
        found = explained(CALM, severity=severity.value, service="shop")
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
    assert (found["incident"]["id"], found["incident"]["number"]) == ("", ""), "there is no such incident"
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
        sla={},
    )  # fmt: skip
    found = explained(rules, severity="critical", service="shop")
    assert [(call[0], call[1]) for call in calls(found)] == [(5, 1), (20, 2), (30, 2), (40, 2)]
    first = next(row for row in found["escalation"] if row["kind"] == "escalation.fired")
    assert first["reached"][0]["channels"] == ["sms"]
    assert first["reached"][0]["contacts"] == {"phone": ["+1"]}
    assert "due 2026-12-24T23:05:00Z" in first["why"]
    assert calls_in(found)["rows"] == found["escalation"]


def test_promises_stand_among_the_calls() -> None:
    kinds = {(row["kind"], row["target"]) for row in explained(Rules(), severity="critical")["escalation"]}
    assert {("sla.at_risk", "acknowledge"), ("sla.breached", "acknowledge"), ("sla.breached", "resolve")} <= kinds


def test_who_is_told_of_the_opening_is_the_first_row() -> None:
    first = explained(Rules(), severity="high")["escalation"][0]
    assert (first["kind"], first["after_minutes"], first["reached"][0]["channels"]) == (
        "incident.opened",
        0,
        ["console"],
    )


def test_a_silence_keeps_everybody_from_being_told_and_is_named() -> None:
    hour = timedelta(hours=1)
    quiet = Silence(matchers=(LabelMatch(name="service", value="shop"),), starts_at=NIGHT - hour, ends_at=NIGHT + hour)
    found = explained(Rules(silences={"s1": quiet}), severity="emergency", service="shop")
    assert found["suppressed_by"] == "silence:s1"
    opening = found["escalation"][0]
    assert (opening["kind"], opening["target"], opening["reached"]) == ("incident.opened", "silence:s1", [])
    assert opening["why"] == "quiet until 2026-12-25T00:00:00Z"
    assert [call[0] for call in calls(found) if call[0] < 10] == [], "nobody is called while it is quiet"
    assert explained(Rules(silences={"s1": quiet}), severity="emergency", service="mail")["suppressed_by"] == ""


def test_people_on_duty_are_named_and_those_who_are_away_are_passed_over() -> None:
    gone = Absence(start=NIGHT - timedelta(days=1), end=NIGHT + timedelta(days=1), reason="holiday")
    rules = Rules(
        users={"ana": User(contacts={"phone": ("+1",)}), "bo": User(away=(gone,))},
        teams={"dba": Team(members=("ana", "bo"))},
        policies={
            "default": Policy(levels=(Level(targets=(Target(kind="team", name="dba"),), after=timedelta(minutes=5)),))
        },
    )
    found = explained(rules, severity="critical", service="shop")
    assert found["policy"] == "default"
    (row,) = [row for row in found["escalation"] if row["kind"] == "escalation.fired" and row["after_minutes"] == 5]
    assert [(one["recipient"], one["why"]) for one in row["reached"]] == [("user:ana", "member of dba")]
    assert row["skipped"][0]["recipient"] == "user:bo"
    assert "holiday" in row["skipped"][0]["why"]


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


def test_a_severity_that_nobody_knows_is_noted_with_the_nearest_word() -> None:
    (note,) = explained(CALM, severity="crtical", service="shop")["notes"]
    assert note == "severity 'crtical' is no word of a severity here, so it counts as medium, did you mean 'critical'?"
    assert explained(CALM, severity="warning", service="shop")["notes"] == []
    assert explained(CALM, service="shop")["notes"] == []
