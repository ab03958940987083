"""Commands and their outcomes; severity and announcements."""

import pytest

from tocsin.domain.alert import Episode
from tocsin.domain.lifecycle import AFTER, LEADS_TO, Status
from tocsin.testing.story import Desk, alert, types


def opened() -> tuple[Desk, str]:
    desk = Desk().read_all([alert("a", 0)])
    return desk, desk.incidents[0].id


def test_every_command_leaves_an_outcome_that_names_its_events() -> None:
    desk, incident = opened()
    acknowledged, outcome = desk.command("acknowledge", incident, id="c1")
    assert (outcome.TYPE, outcome.events) == ("command.applied", (f"{incident}.2",))
    assert (acknowledged.actor, acknowledged.cause) == ("ada", "c1")


def test_the_same_command_id_is_carried_out_once() -> None:
    desk, incident = opened()
    desk.command("note", incident, id="c1", text="looking")
    assert desk.command("note", incident, id="c1", text="looking") == []


def test_a_command_whose_aim_is_reached_changes_nothing() -> None:
    desk, incident = opened()
    desk.command("acknowledge", incident)
    assert types(desk.command("acknowledge", incident)) == ["command.unchanged"]


@pytest.mark.parametrize(
    ("verb", "arguments", "word"),
    [
        ("explode", {}, "unknown_verb"),
        ("note", {}, "missing_text"),
        ("note", {"text": 7}, "wrong_type"),
        ("assign", {}, "missing_assignee"),
        ("acknowledge", {"colour": "red"}, "unknown_argument"),
        ("declare", {}, "missing_title"),
        ("reopen", {}, "illegal_transition"),
    ],
)
def test_a_wrong_command_is_rejected_by_name_and_changes_nothing(verb: str, arguments: dict, word: str) -> None:
    desk = Desk().read_all([alert("a", 0)])
    incident = desk.incidents[0].id
    if verb == "reopen":
        desk.command("acknowledge", incident)
    before = desk.state.incidents[incident].version
    (outcome,) = desk.command(verb, incident, **arguments)
    assert (outcome.TYPE, outcome.reason) == ("command.rejected", word)
    assert desk.state.incidents[incident].version == before


def test_an_unknown_incident_is_rejected_by_name() -> None:
    (outcome,) = Desk().command("acknowledge", "INC-2026-11-21-099")
    assert outcome.reason == "unknown_incident"


@pytest.mark.parametrize("verb", sorted(LEADS_TO))
@pytest.mark.parametrize("status", list(Status))
def test_the_table_is_what_commands_do(status: Status, verb: str) -> None:
    desk, incident = opened()
    way = {"open": [], "closed": ["close"], "resolved": ["resolve"], "mitigated": ["mitigate"]}
    for step in way.get(status, ["acknowledge" if status == "acknowledged" else "investigate"]):
        desk.command(step, incident)
    outcome = desk.command(verb, incident)[-1]
    if LEADS_TO[verb] is status:
        assert outcome.TYPE == "command.unchanged"
    elif (status, verb) in AFTER:
        assert outcome.TYPE == "command.applied"
        assert desk.state.incidents[incident].header.status is AFTER[status, verb]
    else:
        assert outcome.reason == "illegal_transition"


def test_a_declared_incident_is_pinned_and_takes_alerts_of_its_correlation_id() -> None:
    desk = Desk()
    desk.command("declare", title="Checkout is down", severity="critical", correlation_id="case-1")
    desk.read(alert("a", 1, correlation_id="case-1"))
    (incident,) = desk.incidents
    assert (incident.pinned, incident.header.title, incident.header.alerts) == (True, "Checkout is down", 1)


def test_a_client_acknowledges_by_its_key() -> None:
    desk = Desk().read_all([alert("a", 0, episode=Episode.KEYED)])
    desk.read(alert("a", 1, status="acknowledged", episode=Episode.KEYED))
    assert desk.incidents[0].header.acknowledged_by == "pagerduty"
    assert desk.read(alert("unknown", 2, status="acknowledged", episode=Episode.KEYED)) == []


def test_severity_rises_at_once_and_does_not_fall_with_its_alert() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 1, severity="critical")])
    assert types(desk.events)[-1] == "incident.severity_raised"
    desk.read(alert("b", 2, started=1, severity="critical", status="resolved"))
    assert desk.incidents[0].header.severity == "critical"


def test_what_was_acknowledged_is_announced_again_when_it_becomes_something_else() -> None:
    desk = Desk().read_all([alert("a", 0, service="shop")])
    desk.command("acknowledge", desk.incidents[0].id)
    desk.read(alert("b", 1, service="shop"))
    assert types(desk.events)[-1] == "incident.alert_attached"
    assert desk.read(alert("c", 2, service="mail"))[-1].reason == "new_target"
    for number in range(40):
        desk.read(alert(f"n{number}", 3 + number / 60, service="shop"))
    assert [one.reason for one in desk.events if one.TYPE == "incident.reannounced"] == [
        "new_target",
        "ten_times_the_alerts",
    ]
