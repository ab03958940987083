"""Suppressed incidents: no step is due, what was to come comes later; promises go on unless they are told to wait."""

from datetime import timedelta
from typing import Any

from tocsin.domain import events as ev
from tocsin.domain.rules import EscalateRules, EscalationRule, Matcher, Rules, SlaTarget
from tocsin.domain.severity import Severity
from unit.escalate.story import Story, Subject, at, escalation, words

CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH
QUIET = "silence:sil_1"


def row(level: int, after: float, **more: Any) -> EscalationRule:
    return EscalationRule(
        condition=Matcher(severity=(CRITICAL, HIGH)),
        escalation_level=level,
        escalate_to=f"team{level}",
        escalate_after_minutes=after,
        **more,
    )


def rules(*rows: EscalationRule, waits: bool = False, resolve: float = 0, breach: tuple[Severity, ...] = ()) -> Rules:
    targets = {CRITICAL: SlaTarget(resolve=timedelta(minutes=resolve))} if resolve else {}
    escalate = EscalateRules(sla_waits=waits, breach_escalates=breach)
    return Rules(version=3, escalation=rows, sla=targets, escalate=escalate)


def suppressed(subject: Subject, minute: float) -> ev.Suppressed:
    return subject.tell(ev.Suppressed, minute, header={"suppressed_by": QUIET})


def unsuppressed(subject: Subject, minute: float) -> ev.Unsuppressed:
    return subject.tell(ev.Unsuppressed, minute, header={"suppressed_by": ""}, was=QUIET)


def called(events: list[ev.Event]) -> list[tuple[int, float]]:
    """(level, minutes) of the calls."""
    return [
        (event.step.level, (event.recorded_at - at(0)).total_seconds() / 60)
        for event in events
        if isinstance(event, ev.EscalationFired)
    ]


def begun(given: Rules, **header: Any) -> tuple[Story[Any], Subject]:
    story, subject = escalation(given), Subject(**header)
    story.reads(subject.opened())
    return story, subject


def test_what_was_to_come_comes_later_by_as_long_as_it_was_quiet() -> None:
    story, subject = begun(rules(row(1, 5), row(2, 15, repeat_minutes=10, repeat_times=1)))
    story.until(5)
    (paused,) = story.reads(suppressed(subject, 7))
    assert isinstance(paused, ev.EscalationPaused)
    assert (paused.by, paused.paused_at) == (QUIET, at(7))
    assert story.until(100) == []
    assert words(story.reads(unsuppressed(subject, 107))) == [("escalation.resumed", "unsuppressed")]
    assert called(story.until(300)) == [(2, 115), (2, 125)]


def test_who_reads_late_shifts_by_the_time_of_the_incident() -> None:
    story, subject = begun(rules(row(1, 5)))
    story.reads(suppressed(subject, 2), minutes=2.5)
    story.reads(unsuppressed(subject, 12), minutes=12.5)
    assert called(story.until(100)) == [(1, 15)]


def test_an_incident_that_opens_suppressed_is_planned_and_stands_still() -> None:
    story, subject = begun(rules(row(1, 5)), suppressed_by=QUIET)
    assert words(story.journal) == [("escalation.scheduled", "policy_started"), ("escalation.paused", "suppressed")]
    assert story.until(60) == []
    story.reads(unsuppressed(subject, 60))
    assert called(story.until(100)) == [(1, 65)]


def test_an_answer_while_it_is_quiet_ends_the_plan() -> None:
    story, subject = begun(rules(row(1, 5)))
    story.reads(suppressed(subject, 1))
    assert words(story.reads(subject.acknowledged(2))) == [("escalation.stopped", "acknowledged")]
    assert story.reads(unsuppressed(subject, 3)) == []
    assert story.state == story.stage.empty()


def test_an_acknowledgement_that_expires_while_it_is_quiet_calls_afterwards() -> None:
    story, subject = begun(rules(row(1, 5)))
    story.reads(subject.acknowledged(1))
    story.reads(suppressed(subject, 2))
    assert words(story.reads(subject.expired(240)))[-1] == ("escalation.paused", "suppressed")
    assert story.until(300) == []
    story.reads(unsuppressed(subject, 300))
    assert called(story.until(400)) == [(1, 305)]


def test_a_raise_while_it_is_quiet_counts_from_the_raise_and_from_what_waited() -> None:
    story, subject = begun(rules(row(1, 5), row(2, 15)), severity=HIGH)
    story.reads(suppressed(subject, 2))  # three minutes were left for level 1, thirteen for level 2
    story.reads(subject.raised(50, CRITICAL))
    assert story.until(100) == []
    story.reads(unsuppressed(subject, 100))
    assert called(story.until(200)) == [(1, 103), (2, 113)]


def test_promises_go_on_while_it_is_quiet() -> None:
    story, subject = begun(rules(row(1, 5), resolve=30))
    story.reads(suppressed(subject, 1))
    assert words(story.until(60)) == [("sla.at_risk", "resolve_at_risk"), ("sla.breached", "resolve_breached")]


def test_promises_wait_where_the_settings_say_so() -> None:
    story, subject = begun(rules(waits=True, resolve=30))
    story.reads(suppressed(subject, 10))
    assert story.until(60) == []
    story.reads(unsuppressed(subject, 60))
    told = [(event.TYPE, event.recorded_at) for event in story.until(200)]
    assert told == [("sla.at_risk", at(74)), ("sla.breached", at(80))]


def test_quiet_twice_is_one_pause() -> None:
    story, subject = begun(rules(row(1, 5)))
    story.reads(suppressed(subject, 1))
    assert story.reads(suppressed(subject, 2)) == []
    story.reads(unsuppressed(subject, 11))
    assert story.reads(unsuppressed(subject, 12)) == []
    assert called(story.until(60)) == [(1, 15)]


def test_somebody_may_ask_for_a_call_while_it_is_quiet() -> None:
    story, subject = begun(rules(row(1, 5), row(2, 15)))
    story.reads(suppressed(subject, 1))
    assert called(story.reads(subject.tell(ev.EscalationRequested, 2, actor="eve"))) == [(1, 2)]
    story.reads(unsuppressed(subject, 11))
    assert called(story.until(60)) == [(2, 25)]


def test_the_end_of_a_quiet_incident_leaves_nothing() -> None:
    story, subject = begun(rules(row(1, 5), resolve=30))
    story.reads(suppressed(subject, 1))
    assert words(story.reads(subject.resolved(2))) == [("escalation.stopped", "resolved")]
    assert story.state == story.stage.empty()


def test_an_acknowledgement_that_expires_while_promises_wait_shortens_none_of_them() -> None:
    story, subject = begun(rules(row(1, 5), waits=True, resolve=60))
    for event in (suppressed(subject, 10), subject.acknowledged(20), subject.expired(40), unsuppressed(subject, 110)):
        story.reads(event)
    assert story.state.running[subject.header.id].promises["resolve"].due_at == at(160)


def test_a_promise_broken_while_it_is_quiet_calls_afterwards_and_once() -> None:
    story, subject = begun(rules(row(1, 5), row(2, 200), resolve=30, breach=(CRITICAL,)))
    story.until(5)
    story.reads(suppressed(subject, 7))
    assert words(story.until(60)) == [("sla.at_risk", "resolve_at_risk"), ("sla.breached", "resolve_breached")]
    assert words(story.reads(unsuppressed(subject, 60))) == [
        ("escalation.resumed", "unsuppressed"),
        ("escalation.fired", "sla_breached"),
    ]
    story.reads(suppressed(subject, 70))
    assert called(story.reads(unsuppressed(subject, 80))) == []


def test_nor_does_it_call_while_an_acknowledged_incident_is_quiet() -> None:
    story, subject = begun(rules(row(1, 5), row(2, 15), resolve=30, breach=(CRITICAL,)))
    story.reads(subject.acknowledged(2))
    story.reads(suppressed(subject, 7))
    assert called(story.until(60)) == []
    assert called(story.reads(unsuppressed(subject, 60))) == [(1, 60)]


def test_who_answers_after_the_promise_was_broken_is_not_called_for_it() -> None:
    story, subject = begun(rules(row(1, 5), resolve=30, breach=(CRITICAL,)))
    story.reads(suppressed(subject, 1))
    story.until(40)
    story.reads(subject.acknowledged(50))
    assert called(story.reads(unsuppressed(subject, 60))) == []


def test_a_promise_broken_in_quiet_calls_nobody_once_it_is_less_bad() -> None:
    story, subject = begun(rules(row(1, 5), resolve=30, breach=(CRITICAL,)))
    story.reads(suppressed(subject, 1))
    story.until(40)
    story.reads(subject.tell(ev.SeverityLowered, 50, header={"severity": HIGH}, was=CRITICAL))
    assert called(story.reads(unsuppressed(subject, 60))) == []
