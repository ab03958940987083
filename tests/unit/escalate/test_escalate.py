"""Escalate: levels, repeats, answers, raises, promises."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import EscalateRules, EscalationRule, Matcher, Rules, SlaTarget, Team
from tocsin.domain.severity import Severity
from unit.escalate.story import INCIDENT, Subject, at, escalation, words

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW


def row(level: int, to: str, after: float, *severities: Severity, **more: Any) -> EscalationRule:
    condition = Matcher(severity=severities, status=(Status.OPEN,))
    return EscalationRule(
        condition=condition, escalation_level=level, escalate_to=to, escalate_after_minutes=after, **more
    )


def policy(*rows: EscalationRule, sla: dict[Severity, SlaTarget] | None = None, **teams: str) -> Rules:
    directory = {name: Team(contacts={"email": (address,)}) for name, address in teams.items()}
    quiet = EscalateRules(breach_escalates=())
    return Rules(version=3, escalation=rows, escalate=quiet, sla=sla or {}, teams=directory)


def sla(acknowledge: float, resolve: float) -> SlaTarget:
    return SlaTarget(acknowledge=timedelta(minutes=acknowledge), resolve=timedelta(minutes=resolve))


def fired(events: list[ev.Event]) -> list[tuple[int, str, float]]:
    """(level, target, minutes) of the calls."""
    return [
        (event.step.level, event.step.escalate_to, (event.recorded_at - at(0)).total_seconds() / 60)
        for event in events
        if isinstance(event, ev.EscalationFired)
    ]


# ---- plans and calls -------------------------------------------------------------------------------------------------


def test_an_opened_incident_is_planned_with_all_levels_that_hold_in_the_order_they_are_due() -> None:
    rules = policy(row(2, "lead", 15, CRITICAL), row(1, "on_call", 5, CRITICAL), row(1, "other", 1, HIGH))
    (scheduled,) = escalation(rules).reads(Subject().opened())
    assert isinstance(scheduled, ev.EscalationScheduled)
    assert [(step.level, step.escalate_to, step.due_at) for step in scheduled.steps] == [
        (1, "on_call", at(5)),
        (2, "lead", at(15)),
    ]
    assert (scheduled.reason, scheduled.cause, scheduled.rules_version) == ("policy_started", f"{INCIDENT}.1", 3)


def test_each_level_calls_when_it_is_due_and_says_what_comes_next() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL), row(2, "lead", 15, CRITICAL), on_call="a@b.example"))
    story.reads(Subject().opened())
    assert story.until(4.9) == []
    (first,) = story.until(5)
    assert isinstance(first, ev.EscalationFired)
    assert (first.team, first.contacts) == ("on_call", {"email": ("a@b.example",)})
    assert first.upcoming is not None
    assert (first.upcoming.level, first.upcoming.due_at) == (2, at(15))
    assert first.reason == "not_acknowledged"
    assert fired(story.until(60)) == [(2, "lead", 15)]
    assert story.stage.due(story.state) is None


def test_the_default_policy_calls_an_emergency_at_once() -> None:
    story = escalation()
    story.reads(Subject(Severity.EMERGENCY).opened())
    assert fired(story.until(0)) == [(1, "emergency_team", 0)]


def test_a_step_counts_from_the_incident_event_and_says_how_late_it_is() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL)))
    story.reads(Subject().opened(), minutes=7)
    due = story.stage.due(story.state)
    assert due is not None
    (event,) = story.give(due, 8)
    assert isinstance(event, ev.EscalationFired)
    assert event.lateness_seconds == 180


def test_a_target_that_nobody_knows_falls_to_the_catch_all_team() -> None:
    story = escalation(policy(row(1, "nobody", 1, CRITICAL), everyone="all@b.example"))
    story.reads(Subject().opened())
    (event,) = story.until(1)
    assert isinstance(event, ev.EscalationFired)
    assert (event.team, event.contacts) == ("everyone", {"email": ("all@b.example",)})


def test_who_is_called_is_looked_up_when_the_step_fires() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL), on_call="early@b.example"))
    story.reads(Subject().opened())
    story.rules = policy(on_call="late@b.example")
    (event,) = story.until(5)
    assert isinstance(event, ev.EscalationFired)
    assert event.contacts == {"email": ("late@b.example",)}


def test_a_repeat_calls_in_its_rhythm_until_none_is_left() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL, repeat_minutes=10, repeat_times=2)))
    story.reads(Subject().opened())
    events = story.until(100)
    assert fired(events) == [(1, "on_call", 5), (1, "on_call", 15), (1, "on_call", 25)]
    assert [event.reason for event in events] == ["not_acknowledged", "repeated", "repeated"]


def test_repeats_missed_while_nothing_ran_are_not_made_up_for_at_once() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL, repeat_minutes=10, repeat_times=2)))
    story.reads(Subject().opened())
    due = story.stage.due(story.state)
    assert due is not None
    (event,) = story.give(due, 62)
    assert isinstance(event, ev.EscalationFired)
    assert event.next_step is not None
    assert (event.next_step.due_at, event.next_step.repeats_left) == (at(65), 1)


def test_two_rows_due_at_the_same_instant_are_two_events_with_ids_of_their_own() -> None:
    story = escalation(policy(row(1, "one", 5, CRITICAL), row(1, "two", 5, CRITICAL)))
    story.reads(Subject().opened())
    events = story.until(5)
    assert fired(events) == [(1, "one", 5), (1, "two", 5)]
    assert len({ev.event_id(event) for event in events}) == 2


def test_a_deadline_given_twice_is_one_event() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL), sla={CRITICAL: sla(20, 30)}))
    story.reads(Subject().opened())
    for minutes, kind in ((5, "escalation.step"), (16, "sla.acknowledge.at_risk"), (20, "sla.acknowledge.breach")):
        deadline = Deadline(at(minutes), kind, INCIDENT)
        assert len(story.give(deadline, minutes)) == 1
        assert story.give(deadline, minutes) == []


def test_an_incident_for_which_no_rule_holds_leaves_no_trace() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL)))
    subject = Subject(LOW)
    assert story.reads(subject.opened()) == []
    assert story.reads(subject.acknowledged(1)) == []
    assert story.reads(subject.resolved(2)) == []
    assert story.state == story.stage.empty()


def test_ids_never_repeat_over_a_long_life() -> None:
    story = escalation()
    subject = Subject()
    for minutes in range(0, 600, 60):
        story.reads(subject.reopened(minutes) if minutes else subject.opened())
        story.until(minutes + 20)
        story.reads(subject.acknowledged(minutes + 20))
        story.reads(subject.expired(minutes + 30))
        story.until(minutes + 50)
        story.reads(subject.resolved(minutes + 50))
    seen = [ev.event_id(event) for event in story.journal]
    assert len(seen) > 50
    assert len(set(seen)) == len(seen)


# ---- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ev.Acknowledged, ev.Investigating, ev.Mitigated])
def test_an_answer_stops_the_calls_and_the_promise_to_acknowledge(kind: type[ev.IncidentEvent]) -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL), sla={CRITICAL: sla(10, 30)}))
    subject = Subject()
    story.reads(subject.opened())
    answer = subject.tell(kind, 2, header={"acknowledged_at": at(2)})
    assert words(story.reads(answer)) == [("escalation.stopped", "acknowledged")]
    assert words(story.until(60)) == [("sla.at_risk", "resolve_at_risk"), ("sla.breached", "resolve_breached")]


def test_a_second_answer_writes_nothing() -> None:
    story = escalation()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    assert story.reads(subject.tell(ev.Investigating, 2)) == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda subject: subject.resolved(2), "resolved"),
        (lambda subject: subject.resolved(2, by_person=True), "resolved"),
        (lambda subject: subject.closed(2), "closed"),
        (lambda subject: subject.closed(2, merged_into="inc_other"), "merged"),
    ],
)
def test_an_ended_incident_leaves_the_state(end: Any, reason: str) -> None:
    story = escalation()
    subject = Subject()
    story.reads(subject.opened())
    (event,) = story.reads(end(subject))
    assert isinstance(event, ev.EscalationStopped)
    assert (event.reason, event.resolved) == (reason, True)
    assert story.state == story.stage.empty()
    assert story.until(1000) == []


def test_an_acknowledged_incident_leaves_the_state_when_it_is_resolved() -> None:
    story = escalation()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    assert words(story.reads(subject.resolved(2))) == [("escalation.stopped", "resolved")]
    assert story.state == story.stage.empty()


def test_an_expired_acknowledgement_starts_at_level_one_and_keeps_the_promise_to_resolve() -> None:
    rules = policy(row(1, "on_call", 5, CRITICAL), row(2, "lead", 15, CRITICAL), sla={CRITICAL: sla(10, 300)})
    story = escalation(rules)
    subject = Subject()
    story.reads(subject.opened())
    story.until(20)
    story.reads(subject.acknowledged(20))
    (event,) = story.reads(subject.expired(260))
    assert isinstance(event, ev.EscalationScheduled)
    assert event.reason == "acknowledgement_expired"
    assert (event.acknowledge_due_at, event.resolve_due_at) == (at(270), at(300))
    assert fired(story.until(300)) == [(1, "on_call", 265), (2, "lead", 275)]


def test_a_broken_promise_is_not_broken_again_by_an_expired_acknowledgement() -> None:
    story = escalation(policy(sla={CRITICAL: sla(10, 30)}))
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    story.until(40)
    story.reads(subject.expired(260))
    assert words(story.until(2000)) == [
        ("sla.at_risk", "acknowledge_at_risk"),
        ("sla.breached", "acknowledge_breached"),
    ]


def test_a_reopened_incident_starts_anew() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL), sla={CRITICAL: sla(10, 30)}))
    subject = Subject()
    story.reads(subject.opened())
    story.until(100)
    story.reads(subject.resolved(100))
    (event,) = story.reads(subject.reopened(110))
    assert isinstance(event, ev.EscalationScheduled)
    assert event.reason == "policy_restarted"
    assert (event.acknowledge_due_at, event.resolve_due_at) == (at(120), at(140))
    assert fired(story.until(200)) == [(1, "on_call", 115)]


# ---- raised severity -------------------------------------------------------------------------------------------------


def test_a_raise_plans_from_the_raise() -> None:
    story = escalation(policy(row(1, "day", 60, MEDIUM), row(1, "senior", 5, CRITICAL)))
    subject = Subject(MEDIUM)
    story.reads(subject.opened())
    (event,) = story.reads(subject.raised(10, CRITICAL))
    assert event.reason == "severity_raised"
    assert fired(story.until(100)) == [(1, "senior", 15)]


def test_a_raise_never_makes_a_call_later() -> None:
    story = escalation(policy(row(1, "day", 60, MEDIUM), row(1, "senior", 5, CRITICAL)))
    subject = Subject(MEDIUM)
    story.reads(subject.opened())
    story.reads(subject.raised(58, CRITICAL))
    assert fired(story.until(100)) == [(1, "senior", 60)]


def test_a_raise_keeps_the_earliest_call_even_when_its_level_goes() -> None:
    story = escalation(policy(row(1, "day", 20, MEDIUM), row(2, "senior", 5, CRITICAL), row(3, "lead", 9, CRITICAL)))
    subject = Subject(MEDIUM)
    story.reads(subject.opened())
    story.reads(subject.raised(18, CRITICAL))
    assert fired(story.until(100)) == [(2, "senior", 20), (3, "lead", 27)]


def test_a_raise_without_a_row_of_its_own_silences_nothing() -> None:
    story = escalation(policy(row(1, "day", 20, MEDIUM)))
    subject = Subject(MEDIUM)
    story.reads(subject.opened())
    story.reads(subject.raised(5, CRITICAL))
    assert fired(story.until(100)) == [(1, "day", 20)]


def test_a_raise_tightens_promises_and_says_nothing_twice() -> None:
    story = escalation(policy(sla={HIGH: sla(15, 120), CRITICAL: sla(5, 30)}))
    subject = Subject(HIGH)
    story.reads(subject.opened())
    assert words(story.until(12)) == [("sla.at_risk", "acknowledge_at_risk")]
    (event,) = story.reads(subject.raised(13, CRITICAL))
    assert isinstance(event, ev.EscalationScheduled)
    assert (event.acknowledge_due_at, event.resolve_due_at) == (at(15), at(43))
    assert words(story.until(200)) == [
        ("sla.breached", "acknowledge_breached"),
        ("sla.at_risk", "resolve_at_risk"),
        ("sla.breached", "resolve_breached"),
    ]


def test_a_raise_of_an_acknowledged_incident_calls_nobody_but_tightens_the_promise_to_resolve() -> None:
    story = escalation(policy(row(1, "senior", 5, CRITICAL), sla={HIGH: sla(15, 120), CRITICAL: sla(5, 30)}))
    subject = Subject(HIGH)
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    (event,) = story.reads(subject.raised(10, CRITICAL))
    assert isinstance(event, ev.EscalationScheduled)
    assert (event.steps, event.acknowledge_due_at, event.resolve_due_at) == ((), None, at(40))
    assert story.reads(subject.reannounced(11)) == []
    assert words(story.until(200)) == [("sla.at_risk", "resolve_at_risk"), ("sla.breached", "resolve_breached")]


def test_a_raise_from_a_severity_without_promises_makes_them_even_when_it_is_acknowledged() -> None:
    story = escalation(policy(sla={CRITICAL: sla(5, 30)}))
    subject = Subject(LOW)
    assert story.reads(subject.opened()) == []
    assert story.reads(subject.acknowledged(1)) == []
    (event,) = story.reads(subject.raised(10, CRITICAL))
    assert isinstance(event, ev.EscalationScheduled)
    assert event.resolve_due_at == at(40)


# ---- promises --------------------------------------------------------------------------------------------------------


def test_a_promise_is_at_risk_after_four_fifths_and_broken_at_its_end_once_each() -> None:
    story = escalation(policy(sla={CRITICAL: sla(5, 30)}))
    story.reads(Subject().opened())
    told = [
        (event.TYPE, event.target, event.recorded_at) for event in story.until(500) if isinstance(event, ev.SlaEvent)
    ]
    assert told == [
        ("sla.at_risk", "acknowledge", at(4)),
        ("sla.breached", "acknowledge", at(5)),
        ("sla.at_risk", "resolve", at(24)),
        ("sla.breached", "resolve", at(30)),
    ]


def test_every_event_rests_on_the_last_incident_event_that_something_was_written_for() -> None:
    story = escalation(policy(row(1, "on_call", 5, CRITICAL)))
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.tell(ev.AlertsLeft, 1, moved_to="inc_other", fingerprints=()))
    (event,) = story.until(5)
    assert isinstance(event, ev.EscalationFired)
    assert (event.incident_version, event.incident_offset, event.header.version) == (1, 1, 1)
