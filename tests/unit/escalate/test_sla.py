"""Promises: by rule, by service, in the hours of a calendar, for updates; and what came due while nothing ran."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import (
    Calendar,
    EscalateRules,
    EscalationRule,
    Matcher,
    Restriction,
    Rules,
    Service,
    SlaRule,
    SlaTarget,
)
from tocsin.domain.severity import Severity
from unit.escalate.story import Story, Subject, at, escalation, words

CRITICAL, HIGH, LOW = Severity.CRITICAL, Severity.HIGH, Severity.LOW


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def rules(**more: Any) -> Rules:
    quiet = EscalateRules(breach_escalates=())
    return Rules(**{"version": 3, "escalation": (), "sla": {}, "escalate": quiet, **more})


def begun(given: Rules, **header: Any) -> tuple[Story[Any], Subject]:
    story, subject = escalation(given), Subject(**header)
    story.reads(subject.opened())
    return story, subject


def told(events: list[ev.Event]) -> list[tuple[str, float]]:
    return [
        (f"{event.TYPE.removeprefix('sla.')} {event.target}", (event.recorded_at - at(0)).total_seconds() / 60)
        for event in events
        if isinstance(event, ev.SlaEvent)
    ]


# ---- which promise ---------------------------------------------------------------------------------------------------


def test_the_first_rule_that_matches_and_names_the_severity_promises() -> None:
    given = rules(
        sla={CRITICAL: SlaTarget(resolve=minutes(10)), LOW: SlaTarget(resolve=minutes(20))},
        sla_rules=(
            SlaRule(name="a", condition=Matcher(service=("mail",)), targets={CRITICAL: SlaTarget(resolve=minutes(1))}),
            SlaRule(name="b", condition=Matcher(service=("shop",)), targets={CRITICAL: SlaTarget(resolve=minutes(50))}),
            SlaRule(name="c", targets={CRITICAL: SlaTarget(resolve=minutes(2))}),
        ),
    )
    assert told(begun(given)[0].until(100)) == [("at_risk resolve", 40), ("breached resolve", 50)]
    assert told(begun(given, severity=LOW)[0].until(100)) == [("at_risk resolve", 16), ("breached resolve", 20)]


def test_a_promise_in_business_hours_waits_for_the_morning() -> None:
    """It is noon on a Saturday: 90 minutes of work are done on Monday at 10:30."""
    office = Calendar(hours=(Restriction(days=(0, 1, 2, 3, 4), start="09:00", end="17:00"),))
    promise = {CRITICAL: SlaTarget(resolve=minutes(90))}
    by_rule = rules(calendars={"office": office}, sla_rules=(SlaRule(name="a", targets=promise, calendar="office"),))
    by_service = rules(calendars={"office": office}, sla=promise, services={"shop": Service(calendar="office")})
    for given in (by_rule, by_service):
        assert told(begun(given)[0].until(10_000)) == [
            ("at_risk resolve", 45 * 60 + 72),
            ("breached resolve", 45 * 60 + 90),
        ]


def test_a_promise_that_waited_in_business_hours_has_as_many_of_them_left() -> None:
    office = Calendar(hours=(Restriction(start="12:00", end="13:00"),))
    given = rules(
        calendars={"office": office},
        sla_rules=(SlaRule(name="a", targets={CRITICAL: SlaTarget(resolve=minutes(50))}, calendar="office"),),
        escalate=EscalateRules(sla_waits=True, breach_escalates=()),
    )
    story, subject = begun(given)
    story.reads(subject.tell(ev.Suppressed, 20, header={"suppressed_by": "snooze"}))
    story.reads(subject.tell(ev.Unsuppressed, 40, header={"suppressed_by": ""}, was="snooze"))
    assert told(story.until(10_000))[-1] == ("breached resolve", 24 * 60 + 10)


# ---- updates ---------------------------------------------------------------------------------------------------------


def test_updates_are_due_again_and_again_until_it_is_resolved_also_when_it_is_acknowledged() -> None:
    story, subject = begun(rules(sla={CRITICAL: SlaTarget(update=minutes(10))}))
    story.reads(subject.acknowledged(1))
    assert told(story.until(25)) == [
        ("at_risk update", 8),
        ("breached update", 10),
        ("at_risk update", 18),
        ("breached update", 20),
    ]
    story.reads(subject.resolved(26))
    assert story.until(100) == []


def test_who_tells_people_has_the_whole_cadence_again() -> None:
    story, subject = begun(rules(sla={CRITICAL: SlaTarget(update=minutes(10))}))
    story.until(8)
    (event,) = story.reads(subject.tell(ev.UpdatedPeople, 9, text="we work on it"))
    assert isinstance(event, ev.SlaRenewed)
    assert event.target_due_at == at(19)
    assert told(story.until(19)) == [("at_risk update", 17), ("breached update", 19)]


def test_updates_missed_while_nothing_ran_are_one() -> None:
    story, _ = begun(rules(sla={CRITICAL: SlaTarget(update=minutes(10))}))
    story.until(8)
    late = story.stage.due(story.state)
    assert late is not None
    (event,) = story.give(late, 95)
    assert isinstance(event, ev.SlaBreached)
    assert (event.target_due_at, event.next_due_at) == (at(10), at(105))


# ---- a lower severity ------------------------------------------------------------------------------------------------


def lowered(subject: Subject, minute: float, severity: Severity) -> ev.SeverityLowered:
    was = subject.header.severity
    return subject.tell(ev.SeverityLowered, minute, header={"severity": severity}, was=was)


def test_a_lowered_severity_plans_and_promises_what_is_right_for_it() -> None:
    rows = tuple(
        EscalationRule(condition=Matcher(severity=(one,)), escalate_to="x", escalate_after_minutes=after)
        for one, after in ((CRITICAL, 5), (HIGH, 30))
    )
    given = rules(escalation=rows, sla={CRITICAL: SlaTarget(resolve=minutes(20)), HIGH: SlaTarget(resolve=minutes(60))})
    story, subject = begun(given)
    (event,) = story.reads(lowered(subject, 3, HIGH))
    assert event.reason == "severity_lowered"
    assert [step.due_at for step in event.steps] == [at(33)]  # type: ignore[attr-defined]
    assert told(story.until(100)) == [("at_risk resolve", 51), ("breached resolve", 63)]


def test_a_change_of_what_a_call_says_is_followed() -> None:
    row = EscalationRule(condition=Matcher(severity=(CRITICAL,)), escalate_to="x", escalate_after_minutes=5)
    story, subject = begun(rules(escalation=(row,)))
    change = {"title": ev.FieldChange(was="Disk full", now="Disk of the shop full")}
    told = subject.tell(ev.Changed, 1, header={"title": "Disk of the shop full"}, changes=change)
    assert words(story.reads(told)) == [("escalation.scheduled", "incident_changed")]
    (event,) = story.until(5)
    assert event.header.title == "Disk of the shop full"  # type: ignore[attr-defined]


# ---- what came due while nothing ran ---------------------------------------------------------------------------------


def two_levels(catch_up: str) -> Rules:
    rows = (
        EscalationRule(escalate_to="one", escalate_after_minutes=5, repeat_minutes=5, repeat_times=3),
        EscalationRule(escalate_to="two", escalation_level=2, escalate_after_minutes=10),
    )
    return rules(escalation=rows, escalate=EscalateRules(catch_up=catch_up))


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("all", ["fired 1 17.0", "fired 1.1 12.0", "fired 2 12.0", "fired 1.2 7.0", "fired 1.3 2.0"]),
        ("collapse", ["fired 1 17.0 +3", "fired 2 12.0"]),
        ("skip", ["skipped 1 17.0", "skipped 2 12.0"]),
    ],
)
def test_what_came_due_while_nothing_ran(catch_up: str, expected: list[str]) -> None:
    """Everything up to minute 22 is due at once: levels at 5, 10, 15, 20 and 10."""
    story, _ = begun(two_levels(catch_up))
    found = []
    while (due := story.stage.due(story.state)) and due.at <= at(22):
        for event in story.give(due, 22):
            assert isinstance(event, ev.EscalationFired | ev.EscalationSkipped)
            again = f".{event.step.repeat}" if event.step.repeat else ""
            missed = f" +{event.missed}" if isinstance(event, ev.EscalationFired) and event.missed else ""
            word = event.TYPE.removeprefix("escalation.")
            found.append(f"{word} {event.step.level}{again} {event.lateness_seconds / 60}{missed}")
    assert found == expected
    if catch_up != "all":
        assert [event.TYPE for event in story.until(60)] == ["escalation.fired"] * 3


def test_the_last_call_of_a_plan_is_never_skipped() -> None:
    row = EscalationRule(escalate_to="one", escalate_after_minutes=5)
    story, _ = begun(rules(escalation=(row,), escalate=EscalateRules(catch_up="skip")))
    due = story.stage.due(story.state)
    assert due is not None
    (event,) = story.give(due, 500)
    assert isinstance(event, ev.EscalationFired)
    assert event.lateness_seconds == 495 * 60


def test_skip_calls_what_is_only_a_little_late() -> None:
    given = two_levels("skip")
    story, _ = begun(replace(given, escalate=replace(given.escalate, late_after=minutes(3))))
    due = story.stage.due(story.state)
    assert due is not None
    assert words(story.give(due, 7)) == [("escalation.fired", "not_acknowledged")]
