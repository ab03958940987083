"""What people say of an incident: fields, severity, roles, records, follow-ups, links, words to others."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.details import FOLLOW_UPS_MAX, RECORDS_MAX
from tocsin.domain.rules import CorrelationRule, Rules, SeverityRules
from tocsin.domain.severity import Severity
from tocsin.testing.story import Desk, alert, at, types


def opened(rules: Rules | None = None, **more: Any) -> tuple[Desk, str]:
    desk = Desk(rules).read_all([alert("a", 0, **more)])
    return desk, desk.incidents[0].id


def said(desk: Desk) -> Any:
    details = desk.incidents[0].details
    assert details is not None
    return details


def test_an_incident_of_alerts_alone_has_no_details() -> None:
    desk, incident = opened()
    desk.command("acknowledge", incident)
    desk.command("resolve", incident)
    desk.until(3000)
    assert desk.state.incidents[incident].details is None


def test_one_event_says_every_field_that_changed_and_what_it_was() -> None:
    desk, incident = opened()
    desk.command("change", incident, root_cause="a full disk", team="dba", impact={"users_affected": 7})
    changed, _ = desk.command(
        "change",
        incident,
        root_cause="a backup that was kept twice",
        root_cause_category="configuration_error",
        team="dba",
        impact={"regions": ["eu-1", "eu-1", " "], "users_affected": 7},
    )
    assert changed.changes == {
        "root_cause": ev.FieldChange(was="a full disk", now="a backup that was kept twice"),
        "root_cause_category": ev.FieldChange(was="", now="configuration_error"),
        "impact.regions": ev.FieldChange(was=(), now=("eu-1",)),
    }
    assert (said(desk).impact.users_affected, said(desk).impact.regions) == (7, ("eu-1",))
    assert desk.incidents[0].header.team == "dba"
    assert desk.incidents[0].pinned


def test_an_empty_text_empties_a_field_but_not_the_title() -> None:
    desk, incident = opened()
    desk.command("change", incident, root_cause="a full disk", service="shop")
    desk.command("change", incident, root_cause="", service="")
    assert (said(desk).root_cause, desk.incidents[0].header.service) == ("", "")
    (outcome,) = desk.command("change", incident, title=" ")
    assert outcome.reason == "missing_title"


def test_a_title_that_a_person_gave_stays() -> None:
    desk, incident = opened()
    desk.command("change", incident, title="Checkout is down")
    desk.read(alert("b", 1, started=-1))
    assert desk.incidents[0].header.title == "Checkout is down"


def test_a_person_lowers_the_severity_and_the_next_worse_alert_raises_it() -> None:
    desk, incident = opened(severity="critical")
    lowered, _ = desk.command("change", incident, severity="low", reason="only the copy")
    assert (lowered.TYPE, lowered.was, lowered.note) == ("incident.severity_lowered", "critical", "only the copy")
    desk.read(alert("b", 1, severity="high"))
    assert (types(desk.events)[-1], desk.incidents[0].header.severity) == ("incident.severity_raised", "high")


def test_a_person_raises_the_severity_as_an_alert_would() -> None:
    desk, incident = opened()
    raised, _ = desk.command("change", incident, severity="P0")
    assert (raised.TYPE, raised.header.severity, raised.reason) == (
        "incident.severity_raised",
        "emergency",
        "set_by_person",
    )
    assert desk.incidents[0].pinned
    assert types(desk.command("change", incident, severity="emergency")) == ["command.unchanged"]


def test_impact_and_urgency_give_the_severity_when_both_are_known() -> None:
    desk, incident = opened()
    assert types(desk.command("change", incident, impact={"level": "high"})) == ["incident.changed", "command.applied"]
    desk.command("change", incident, urgency="high")
    assert desk.incidents[0].header.severity == "critical"
    desk.command("change", incident, severity="low", urgency="medium")
    assert desk.incidents[0].header.severity == "low", "a severity that is named goes before the matrix"


@pytest.mark.parametrize(
    ("verb", "arguments", "word"),
    [
        ("change", {}, "missing_title"),
        ("change", {"severity": "dreadful"}, "unknown_severity"),
        ("change", {"impact": {"level": "high"}, "urgency": "somewhat"}, "unknown_word"),
        ("change", {"impact": {"users": 7}}, "unknown_argument"),
        ("change", {"impact": {"users_affected": 1.5}}, "wrong_type"),
        ("change", {"impact": {"users_affected": -1}}, "out_of_range"),
        ("change", {"impact": {"regions": "eu"}}, "wrong_type"),
        ("change", {"impact": 3}, "wrong_type"),
        ("change", {"root_cause": "x" * 4001}, "too_long"),
        ("change", {"root_cause_category": "gremlins"}, "unknown_word"),
        ("change", {"rca_link": "javascript:alert(1)"}, "wrong_link"),
        ("set_roles", {}, "missing_incident_commander"),
        ("set_roles", {"experts": "ada"}, "wrong_type"),
        ("evidence", {"link": "https://x"}, "missing_text"),
        ("follow_up", {"text": "x", "due_at": "tomorrow"}, "wrong_instant"),
        ("follow_up", {"text": "x", "due_at": "2026-11-21T10:00:00"}, "wrong_instant"),
        ("follow_up_done", {"follow_up": "f1"}, "unknown_follow_up"),
        ("post_update", {"text": "x", "audience": "everybody"}, "unknown_word"),
        ("escalate", {"level": "two"}, "wrong_type"),
        ("snooze", {}, "missing_until"),
        ("snooze", {"minutes": 0}, "out_of_range"),
        ("snooze", {"minutes": 1e14}, "out_of_range"),
        ("snooze", {"until": "2026-11-20T00:00:00Z"}, "out_of_range"),
        ("snooze", {"minutes": True}, "wrong_type"),
        ("snooze", {"minutes": float("nan")}, "out_of_range"),
        ("watch", {"minutes": 5}, "illegal_transition"),
        ("link", {"to": "INC-2026-11-21-001"}, "same_incident"),
        ("link", {"to": "INC-2026-11-21-099"}, "unknown_incident"),
        ("merge", {"into": "INC-2026-11-21-001"}, "same_incident"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(verb: str, arguments: dict[str, Any], word: str) -> None:
    desk, incident = opened()
    before = desk.state.incidents[incident].version
    (outcome,) = desk.command(verb, incident, **arguments)
    assert (outcome.TYPE, outcome.reason) == ("command.rejected", word), outcome
    assert desk.state.incidents[incident].version == before


def test_roles_that_are_not_given_stay() -> None:
    desk, incident = opened()
    desk.command("set_roles", incident, incident_commander="ada", experts=["linus", "grace"])
    changed, _ = desk.command("set_roles", incident, technical_lead="grace", experts=[])
    assert changed.was.experts == ("linus", "grace")
    roles = said(desk).roles
    assert (roles.incident_commander, roles.technical_lead, roles.experts) == ("ada", "grace", ())
    assert types(desk.command("set_roles", incident, technical_lead="grace")) == ["command.unchanged"]


def test_follow_ups_are_numbered_and_done_once() -> None:
    desk, incident = opened()
    desk.command("follow_up", incident, text="alert on it", owner="grace", due_at="2026-12-01T10:00:00+01:00")
    desk.command("follow_up", incident, text="clean up")
    desk.command("follow_up_done", incident, follow_up="f1", by="bob")
    first, second = said(desk).follow_ups
    assert (first.id, first.done_by, first.due_at.isoformat()) == ("f1", "bob", "2026-12-01T09:00:00+00:00")
    assert (second.id, second.done_at) == ("f2", None)
    assert types(desk.command("follow_up_done", incident, follow_up="f1")) == ["command.unchanged"]


def test_lists_of_an_incident_have_a_limit() -> None:
    desk, incident = opened()
    for number in range(RECORDS_MAX):
        desk.command("evidence", incident, text=f"seen {number}")
    assert desk.command("decision", incident, text="one more")[-1].reason == "too_many"
    for _ in range(FOLLOW_UPS_MAX):
        desk.command("follow_up", incident, text="do it")
    assert desk.command("follow_up", incident, text="one more")[-1].reason == "too_many"


def test_records_say_of_which_kind_they_are_and_who_wrote_them() -> None:
    desk, incident = opened()
    for verb in ("evidence", "decision", "validation"):
        desk.command(verb, incident, text=verb, by="bob")
    assert [(one.kind, one.by, one.at) for one in said(desk).records] == [
        ("evidence", "bob", at(0)),
        ("decision", "bob", at(0)),
        ("validation", "bob", at(0)),
    ]


def test_who_asks_for_words_and_who_gives_them() -> None:
    desk, incident = opened()
    desk.command("request_update", incident, reason="the board asks", audience="management")
    assert said(desk).update_requested_at == at(0)
    assert desk.events[-2].text == "the board asks"
    told, _ = desk.command("post_update", incident, text="We know the cause.", audience="management")
    assert (told.TYPE, told.audience) == ("incident.updated_people", "management")
    assert (said(desk).update_requested_at, said(desk).updated_people_at) == (None, at(0))


def test_an_escalation_that_is_asked_for_is_an_event_while_it_is_unfinished() -> None:
    desk, incident = opened()
    asked, _ = desk.command("escalate", incident, level=2, reason="we need them")
    assert (asked.TYPE, asked.level, asked.target, asked.note) == (
        "incident.escalation_requested",
        2,
        "",
        "we need them",
    )
    desk.command("resolve", incident)
    assert desk.command("escalate", incident)[-1].reason == "illegal_transition"


def test_each_target_acknowledges_for_itself_until_it_is_reopened() -> None:
    desk, incident = opened()
    desk.command("acknowledge", incident, **{"for": "user:ana"})
    assert types(desk.command("acknowledge", incident, **{"for": "user:ana"})) == ["command.unchanged"]
    second, _ = desk.command("acknowledge", incident, by="bob", **{"for": "team:dba"})
    assert (second.target, second.answered) == ("team:dba", ("user:ana", "team:dba"))
    assert second.header.acknowledged_by == "ada", "the first answer counts for how long it took"
    assert types(desk.command("acknowledge", incident)) == ["command.unchanged"]
    desk.until(4 * 60)
    assert said(desk).answers == ()


def test_links_are_said_by_both_and_taken_back_by_both() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 0.5, group="mail")])
    one, two = (incident.id for incident in desk.incidents)
    desk.command("link", one, to=desk.incidents[1].header.number)
    assert [incident.linked for incident in desk.incidents] == [(two,), (one,)]
    assert types(desk.command("link", two, to=one)) == ["command.unchanged"]
    desk.command("unlink", two, to=one)
    assert [incident.linked for incident in desk.incidents] == [(), ()]


# ---- a root cause before closing ------------------------------------------------------------------------------------

REQUIRED = Rules(severity=SeverityRules(root_cause_required=(Severity.EMERGENCY, Severity.CRITICAL)))


def test_what_needs_a_root_cause_does_not_close_without_one() -> None:
    desk, incident = opened(REQUIRED, severity="critical")
    (outcome,) = desk.command("close", incident)
    assert outcome.reason == "root_cause_required"
    assert "root_cause_category" in outcome.message
    desk.command("change", incident, root_cause="a full disk", root_cause_category="capacity")
    assert desk.command("close", incident)[-1].TYPE == "command.applied"


def test_nor_by_itself_until_somebody_says_it() -> None:
    desk, incident = opened(REQUIRED, severity="critical")
    desk.command("resolve", incident)
    desk.until(60 * 24 * 3)
    assert types(desk.events)[-1] == "incident.closing_held"
    desk.command("change", incident, root_cause="a full disk")
    desk.until(60 * 24 * 5)
    assert types(desk.events)[-1] == "incident.closed"
    assert desk.replayed() == desk.state


def test_what_needs_none_closes() -> None:
    desk, incident = opened(REQUIRED, severity="high")
    assert desk.command("close", incident)[-1].TYPE == "command.applied"


# ---- void -----------------------------------------------------------------------------------------------------------


def test_what_is_voided_is_closed_for_good_whatever_it_was() -> None:
    desk, incident = opened(REQUIRED, severity="critical")
    closed, _ = desk.command("void", incident, reason="a test")
    assert (closed.TYPE, closed.reason, closed.voided, closed.note) == ("incident.closed", "voided", True, "a test")
    assert types(desk.command("void", incident)) == ["command.unchanged"]
    assert desk.command("reopen", incident)[-1].reason == "voided"
    desk.read(alert("b", 1))
    assert len(desk.incidents) == 2, "its group opens another one"


def test_what_is_closed_can_still_be_voided() -> None:
    desk, incident = opened()
    desk.command("close", incident)
    desk.command("void", incident)
    assert said(desk).voided


# ---- quiet and watched ----------------------------------------------------------------------------------------------


def test_a_snooze_ends_at_its_instant() -> None:
    desk, incident = opened()
    snoozed, _ = desk.command("snooze", incident, minutes=30)
    assert (snoozed.TYPE, snoozed.header.suppressed_by, snoozed.header.suppressed_until) == (
        "incident.suppressed",
        "snooze",
        at(30),
    )
    assert types(desk.command("snooze", incident, minutes=30)) == ["command.unchanged"]
    (ended,) = desk.until(30)
    assert (ended.TYPE, ended.was, ended.header.suppressed_by) == ("incident.unsuppressed", "snooze", "")
    assert desk.until(60 * 24) == []


def test_a_snooze_ends_by_a_person_and_with_the_incident() -> None:
    desk, incident = opened()
    desk.command("snooze", incident, until="2026-11-21T14:00:00+01:00")
    assert desk.incidents[0].header.suppressed_until == at(60)
    assert types(desk.command("unsnooze", incident)) == ["incident.unsuppressed", "command.applied"]
    assert types(desk.command("unsnooze", incident)) == ["command.unchanged"]
    desk.command("snooze", incident, minutes=30)
    desk.command("close", incident)
    assert (desk.incidents[0].header.suppressed_by, desk.incidents[0].snooze_due_at) == ("", None)


def test_what_fires_during_a_watch_opens_it_again_however_late() -> None:
    desk, incident = opened()
    desk.command("mitigate", incident)
    desk.command("watch", incident, minutes=600)
    desk.read(alert("b", 120))
    reopened = desk.events[-1]
    assert (reopened.TYPE, reopened.reason, reopened.incident_id) == (
        "incident.reopened",
        "fired_while_watched",
        incident,
    )
    assert desk.incidents[0].watch_due_at is None
    assert desk.replayed() == desk.state


def test_a_watch_puts_off_the_closing_and_ends_at_its_instant() -> None:
    rules = Rules(correlation=(replace(CorrelationRule(), close_after=timedelta(minutes=30)),))
    desk, incident = opened(rules)
    desk.command("resolve", incident)
    desk.command("watch", incident, minutes=90)
    assert types(desk.until(90)) == ["incident.closed"] or types(desk.events)[-2:] == [
        "incident.closed",
        "incident.watch_ended",
    ]
    assert desk.incidents[0].watch_due_at is None
    desk, incident = opened()
    desk.command("mitigate", incident)
    desk.command("watch", incident, minutes=90)
    assert types(desk.until(89)) == []
    assert [(one.TYPE, one.reason) for one in desk.until(90)] == [("incident.watch_ended", "watch_over")]
    desk.read(alert("b", 120))
    assert len(desk.incidents) == 2
