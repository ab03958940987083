"""Named policies: levels, terms that are asked when a level is due, rounds, and who has to acknowledge."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.escalation import plan, policy_for
from tocsin.domain.rules import (
    Calendar,
    EscalateRules,
    Level,
    Matcher,
    Policy,
    Restriction,
    Rules,
    Service,
    SlaTarget,
    Target,
    Team,
    User,
)
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity
from unit.escalate.story import INCIDENT, Story, Subject, at, escalation, words

CRITICAL, HIGH, LOW = Severity.CRITICAL, Severity.HIGH, Severity.LOW
OFFICE = Calendar(hours=(Restriction(start="09:00", end="17:00"),))


def user(name: str) -> Target:
    return Target(kind="user", name=name)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def level(*targets: Target | str, after: float = 0, **more: Any) -> Level:
    named = tuple(Target(name=one) if isinstance(one, str) else one for one in targets)
    return Level(targets=named, after=minutes(after), **more)


def rules(*levels: Level, loops: int = 0, fallback: str = "", **more: Any) -> Rules:
    people = {name: User(contacts={"email": (f"{name}@b.example",)}) for name in ("ana", "bob", "carl")}
    return Rules(
        **{
            "version": 3,
            "sla": {},
            "policies": {"default": Policy(levels=levels, loops=loops, fallback=fallback)},
            "users": people,
            "teams": {
                "dba": Team(members=("ana", "bob"), manager="carl"),
                "everyone": Team(contacts={"email": ("all@b.example",)}),
                "second": Team(contacts={"email": ("second@b.example",)}),
            },
            **more,
        }
    )


def calls(events: list[ev.Event]) -> list[tuple[float, int, tuple[str, ...]]]:
    """(minutes, level, recipients) of the calls."""
    return [
        ((event.recorded_at - at(0)).total_seconds() / 60, event.step.level, recipients(event))
        for event in events
        if isinstance(event, ev.EscalationFired)
    ]


def recipients(event: ev.EscalationFired) -> tuple[str, ...]:
    return tuple(one.recipient for one in event.targets)


def opened(given: Rules, severity: Severity = CRITICAL, **header: Any) -> tuple[Story[Any], Subject]:
    story, subject = escalation(given), Subject(severity, **header)
    story.reads(subject.opened())
    return story, subject


# ---- which policy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "severity", "expected"),
    [("shop", LOW, "of-shop"), ("mail", CRITICAL, "b-critical"), ("mail", LOW, "default"), ("mail", HIGH, "a-high")],
)
def test_the_policy_is_that_of_the_service_else_the_first_by_name_that_matches(
    service: str, severity: Severity, expected: str
) -> None:
    one = (level("ana"),)
    given = rules(
        policies={
            "default": Policy(levels=one),
            "aa-of-nobody": Policy(levels=one),
            "b-critical": Policy(levels=one, condition=Matcher(severity=(CRITICAL, HIGH))),
            "a-high": Policy(levels=one, condition=Matcher(severity=(HIGH,))),
            "of-shop": Policy(levels=one),
        },
        services={"shop": Service(policy="of-shop")},
    )
    assert policy_for(Subject(severity, service=service).header, given, at(0)) == expected


def test_where_no_policy_matches_the_rows_count() -> None:
    given = rules(policies={"high": Policy(levels=(level("ana"),), condition=Matcher(severity=(HIGH,)))})
    story, _ = opened(given)
    scheduled = story.journal[0]
    assert isinstance(scheduled, ev.EscalationScheduled)
    assert (scheduled.policy, scheduled.steps[0].escalate_to) == ("", "senior_engineers")


def test_the_policy_is_frozen_at_the_opening_and_the_people_are_not() -> None:
    story, _ = opened(rules(level("ana", after=5), level("dba", after=10)))
    changed = rules(level("carl", after=1))
    story.rules = replace(changed, users={**changed.users, "ana": User(contacts={"phone": ("+49",)})})
    events = story.until(60)
    assert calls(events) == [(5, 1, ("user:ana",)), (15, 2, ("user:ana", "user:bob"))]
    assert events[0].targets[0].contacts == {"phone": ("+49",)}  # type: ignore[attr-defined]


# ---- levels ----------------------------------------------------------------------------------------------------------


def test_a_level_calls_each_of_its_targets_once() -> None:
    story, _ = opened(rules(level("dba", "ana", Target(kind="channel", name="ops"), after=5)))
    assert calls(story.until(5)) == [(5, 1, ("user:ana", "user:bob", "channel:ops"))]


def test_levels_repeat_and_rounds_begin_again_at_the_first() -> None:
    story, _ = opened(
        rules(level("ana", after=5, repeat_every=minutes(2), repeat_times=1), level("bob", after=5), loops=1)
    )
    assert [call[:2] for call in calls(story.until(60))] == [(5, 1), (7, 1), (10, 2), (15, 1), (17, 1), (20, 2)]
    assert story.stage.due(story.state) is None


def test_a_policy_without_delay_that_loops_waits_a_minute_between_rounds() -> None:
    story, _ = opened(rules(level("ana"), loops=2))
    assert [call[0] for call in calls(story.until(60))] == [0, 1, 2]


def test_a_level_whose_condition_does_not_hold_when_it_is_due_is_passed_over() -> None:
    only = Matcher(severity=(HIGH,))
    story, _ = opened(rules(level("ana", after=5, condition=only), level("bob", after=5)))
    events = story.until(60)
    assert words(events) == [("escalation.skipped", "condition"), ("escalation.fired", "not_acknowledged")]
    assert calls(events) == [(10, 2, ("user:bob",))]


def test_a_condition_sees_the_severity_of_the_moment() -> None:
    only = Matcher(severity=(CRITICAL,))
    story, subject = opened(rules(level("ana", after=5), level("bob", after=5, condition=only)), HIGH)
    story.until(6)
    story.reads(subject.raised(7, CRITICAL))
    assert calls(story.until(60)) == [(10, 2, ("user:bob",))], "who was called already is not called again"


def test_a_raise_behind_the_last_level_calls_again_from_the_first() -> None:
    story, subject = opened(rules(level("ana", after=5)), HIGH)
    story.until(6)
    story.reads(subject.raised(7, CRITICAL))
    assert calls(story.until(60)) == [(12, 1, ("user:ana",))]


def test_who_is_away_is_passed_over_and_named() -> None:
    away = User(away=(Absence(start=at(-60), end=at(600), reason="holidays"),))
    given = rules(level("ana", "bob", after=5))
    story, _ = opened(replace(given, users={**given.users, "ana": away}))
    (event,) = story.until(5)
    assert isinstance(event, ev.EscalationFired)
    assert recipients(event) == ("user:bob",), "the catch-all is not for one of several who is away"
    assert [one.recipient for one in event.skipped] == ["user:ana"]


def test_a_level_that_reaches_nobody_calls_the_fallback_and_at_last_the_catch_all() -> None:
    for fallback, expected in (("second", "team:second"), ("", "team:everyone")):
        story, _ = opened(rules(level(user("nobody"), after=5), fallback=fallback))
        assert calls(story.until(5)) == [(5, 1, (expected,))]


def test_management_is_that_of_the_team_of_the_incident() -> None:
    story, _ = opened(rules(level(Target(kind="management"), after=5)), team="dba")
    assert calls(story.until(5)) == [(5, 1, ("user:carl",))]


def test_a_level_for_working_hours_waits_for_them() -> None:
    """It is noon UTC; the office of Tokyo closed at 08:00 and opens at midnight, UTC."""
    office = replace(OFFICE, time_zone="Asia/Tokyo")
    given = rules(level("ana", after=5, only_in_hours=True), level("bob", after=5), calendars={"tokyo": office})
    given = replace(given, users={**given.users, "ana": User(working_hours="tokyo")})
    story, _ = opened(given)
    events = story.until(24 * 60)
    assert words(events)[0] == ("escalation.skipped", "out_of_hours")
    assert calls(events) == [(10, 2, ("user:bob",)), (12 * 60, 1, ("user:ana",))]


def test_working_hours_are_those_of_the_clock_of_whoever_works() -> None:
    """Nine in the morning in Tokyo is midnight, UTC; by the calendar's own zone it would never be in their hours."""
    given = rules(level("ana", after=5, only_in_hours=True), calendars={"office": OFFICE})
    given = replace(given, users={**given.users, "ana": User(working_hours="office", time_zone="Asia/Tokyo")})
    story, _ = opened(given)
    assert calls(story.until(3 * 24 * 60)) == [(12 * 60, 1, ("user:ana",))]


def test_a_level_waits_for_working_hours_a_week_at_most() -> None:
    closed = tuple(at(0).date() + timedelta(days=day) for day in range(-1, 40))
    given = rules(
        level("ana", after=5, only_in_hours=True, repeat_every=minutes(5), repeat_times=1),
        calendars={"office": replace(OFFICE, holidays=closed)},
    )
    given = replace(given, users={**given.users, "ana": User(working_hours="office")})
    story, subject = opened(given)
    week = 7 * 24 * 60
    assert [(minute, one) for minute, one, _ in calls(story.until(week + 10))] == [(week + 5, 1)]
    assert [call.at for call in plan(subject.header, given, at(0))][:1] == [at(week + 5)]


# ---- each must acknowledge -------------------------------------------------------------------------------------------


def test_where_each_target_must_acknowledge_the_others_are_called_again() -> None:
    given = rules(level("ana", "bob", after=5, every_target=True, repeat_every=minutes(5), repeat_times=3))
    story, subject = opened(given)
    assert calls(story.until(5)) == [(5, 1, ("user:ana", "user:bob"))]
    (awaited,) = story.reads(acknowledged(subject, 6, "ana"))
    assert isinstance(awaited, ev.EscalationAwaited)
    assert awaited.missing == ("user:bob",)
    (again,) = story.until(10)
    assert isinstance(again, ev.EscalationFired)
    assert (recipients(again), again.insists) == (("user:bob",), True)
    assert story.reads(subject.tell(ev.Noted, 11, note="x")) == []
    assert words(story.reads(acknowledged(subject, 12, "bob"))) == [("escalation.stopped", "acknowledged")]
    assert story.until(60) == []


def test_who_answers_by_the_link_of_a_message_has_answered() -> None:
    for actor, said in (("user:ana", {"target": "user:ana", "answered": ("user:ana",)}), ("user:ana", {})):
        story, subject = opened(rules(level("dba", "second", after=5, every_target=True)))
        story.until(5)
        (awaited,) = story.reads(acknowledged(subject, 6, actor, **said))
        assert isinstance(awaited, ev.EscalationAwaited)
        assert awaited.missing == ("user:bob", "team:second")


def test_somebody_may_acknowledge_on_behalf_of_a_target() -> None:
    story, subject = opened(rules(level("ana", "second", after=5, every_target=True)))
    story.until(5)
    said = acknowledged(subject, 6, "ana")
    assert words(story.reads(said)) == [("escalation.awaited", "each_must_acknowledge")]
    last = acknowledged(subject, 7, "eve", target="team:second", answered=("user:ana", "team:second"))
    assert words(story.reads(last)) == [("escalation.stopped", "acknowledged")]


def test_an_answer_before_anybody_was_called_stops_everything() -> None:
    story, subject = opened(rules(level("ana", "bob", after=5, every_target=True)))
    assert words(story.reads(acknowledged(subject, 1, "eve"))) == [("escalation.stopped", "acknowledged")]


def acknowledged(subject: Subject, minute: float, actor: str, **own: Any) -> ev.Acknowledged:
    header = {"acknowledged_at": subject.header.acknowledged_at or at(minute)}
    return subject.tell(ev.Acknowledged, minute, header=header, actor=actor, **own)


# ---- asked for -------------------------------------------------------------------------------------------------------


def requested(subject: Subject, minute: float, **own: Any) -> ev.EscalationRequested:
    return subject.tell(ev.EscalationRequested, minute, actor="eve", **own)


def test_asking_calls_the_next_level_now_and_leaves_the_later_ones() -> None:
    story, subject = opened(rules(level("ana", after=5), level("bob", after=10), level("carl", after=10)))
    story.until(5)
    (event,) = story.reads(requested(subject, 7))
    assert isinstance(event, ev.EscalationFired)
    assert (event.reason, recipients(event), event.early_from) == ("requested", ("user:bob",), at(15))
    assert calls(story.until(60)) == [(25, 3, ("user:carl",))]


@pytest.mark.parametrize(
    ("own", "expected"),
    [({"level": 3}, ("user:carl",)), ({"target": "second"}, ("team:second",)), ({"level": 9}, ("user:carl",))],
)
def test_asking_for_a_level_or_a_target_calls_that(own: dict[str, Any], expected: tuple[str, ...]) -> None:
    given = rules(level("ana", after=5), level("bob", after=10), level("carl", after=10))
    story, subject = opened(given, team="dba")
    (event,) = story.reads(requested(subject, 1, **own))
    assert isinstance(event, ev.EscalationFired)
    assert recipients(event) == expected


def test_asking_for_what_is_acknowledged_calls_all_the_same() -> None:
    story, subject = opened(rules(level("ana", after=5)))
    story.reads(subject.acknowledged(1))
    events = story.reads(requested(subject, 2))
    assert words(events) == [("escalation.scheduled", "escalation_requested"), ("escalation.fired", "requested")]
    assert events[1].insists  # type: ignore[attr-defined]
    assert story.until(60) == []


# ---- promises that are broken ----------------------------------------------------------------------------------------


def test_what_is_not_resolved_as_promised_goes_to_the_next_level_though_it_is_acknowledged() -> None:
    target = {CRITICAL: SlaTarget(resolve=minutes(30))}
    story, subject = opened(rules(level("ana", after=5), level("bob", after=10), sla=target), team="dba")
    story.until(5)
    story.reads(subject.acknowledged(6))
    events = story.until(60)
    assert words(events)[-2:] == [("sla.breached", "resolve_breached"), ("escalation.fired", "sla_breached")]
    assert calls(events) == [(30, 2, ("user:bob",))]


def test_who_is_called_for_a_broken_promise_is_a_setting() -> None:
    target = {CRITICAL: SlaTarget(resolve=minutes(30)), HIGH: SlaTarget(resolve=minutes(30))}
    to_second = EscalateRules(breach_target="second")
    story, subject = opened(rules(level("ana", after=5), sla=target, escalate=to_second))
    story.reads(subject.acknowledged(6))
    assert calls(story.until(60)) == [(30, 1, ("team:second",))]
    story, subject = opened(rules(level("ana", after=5), sla=target, escalate=to_second), HIGH)
    story.reads(subject.acknowledged(1))
    assert calls(story.until(60)) == [], "only emergency and critical by default"


# ---- what would happen -----------------------------------------------------------------------------------------------


def test_the_plan_says_what_the_stage_does() -> None:
    given = rules(
        level("ana", after=5, repeat_every=minutes(2), repeat_times=1),
        level("bob", after=5, condition=Matcher(severity=(HIGH,))),
        level(user("nobody"), after=5),
        loops=1,
    )
    story, subject = opened(given)
    done = [(minute, number, who) for minute, number, reached in calls(story.until(600)) for who in reached]
    foreseen = [
        ((call.at - at(0)).total_seconds() / 60, call.level, one.recipient)
        for call in plan(subject.header, given, at(0))
        if call.reached
        for one in call.reached.recipients
    ]
    assert foreseen == done
    assert {call.reason for call in plan(subject.header, given, at(0)) if not call.reached} == {"condition"}
    assert subject.header.id == INCIDENT
