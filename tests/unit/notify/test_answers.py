"""Notify: what an answer takes back, and what is told in spite of it."""

from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.severity import Severity
from tocsin.notify.evolve import LOST_AFTER
from tocsin.stage import Room, Want
from tocsin.topics import ESCALATIONS
from unit.escalate.story import INCIDENT, Subject, at, words
from unit.notify.desk import CRITICAL, HIGH, call, called, ended, notify, room


def test_an_acknowledgement_takes_back_what_has_not_been_sent() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    called(story, call(subject, 5))
    assert words(story.reads(subject.acknowledged(6))) == [
        ("journal.followed", "acknowledged"),
        ("delivery.withdrawn", "acknowledged"),
        ("delivery.withdrawn", "acknowledged"),
    ]
    assert room(story, 10, 9) == []
    assert story.reads(subject.tell(ev.Investigating, 7)) == []


def test_an_acknowledgement_takes_back_what_has_failed_and_waits() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "failed", 1, jitter=1.0)
    assert ("delivery.withdrawn", "acknowledged") in words(story.reads(subject.acknowledged(1)))


def test_a_merge_takes_back_what_is_no_page() -> None:
    story = notify()
    subject = Subject(severity=Severity.MEDIUM)
    story.reads(subject.opened())
    assert words(story.reads(subject.closed(1, merged_into="inc_other"))) == [
        ("journal.followed", "merged"),
        ("delivery.withdrawn", "merged"),
    ]


def test_a_merge_answers_nothing_so_a_page_on_its_way_still_goes_out() -> None:
    story = notify()
    subject = Subject(severity=Severity.CRITICAL)
    story.reads(subject.opened())
    assert words(story.reads(subject.closed(1, merged_into="inc_other"))) == [("journal.followed", "merged")]
    assert words(room(story, 1)) == [("delivery.attempted", "first_attempt")]


def test_what_is_told_of_the_end_is_told_after_the_calls_are_taken_back() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "delivered", 0)
    called(story, call(subject, 5))
    written = story.reads(subject.resolved(6))
    assert words(written) == [
        ("journal.followed", "resolved"),
        ("delivery.withdrawn", "resolved"),
        ("delivery.planned", "incident.resolved"),
    ]
    story.reads(subject.closed(7))
    (told,) = room(story, 8, 9)
    assert story.state.deliveries[told.delivery_id].step == "incident.resolved"


def test_good_news_that_has_not_been_sent_is_taken_back_when_it_reopens() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "delivered", 0)
    story.reads(subject.resolved(6))
    assert words(story.reads(subject.reopened(7))) == [
        ("journal.followed", ""),
        ("delivery.withdrawn", "reopened"),
        ("delivery.planned", "incident.reopened"),
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda subject: subject.acknowledged(5), "acknowledged_first"),
        (lambda subject: subject.resolved(5), "resolved_first"),
    ],
)
def test_a_call_that_comes_after_the_answer_shows_in_the_ledger_why_nobody_was_called(answer: Any, reason: str) -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    late = call(subject, 5)
    story.reads(answer(subject))
    assert words(called(story, late)) == [("delivery.planned", "escalation.fired"), ("delivery.withdrawn", reason)]


def test_a_call_that_rests_on_a_later_version_than_the_answer_is_believed() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    subject.expired(200)  # escalate has read it, notify has not
    assert words(called(story, call(subject, 205, rests_on=3))) == [("delivery.planned", "escalation.fired")]


def test_an_expired_acknowledgement_lets_calls_through_again() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    story.reads(subject.expired(200))
    assert words(called(story, call(subject, 205, rests_on=3))) == [("delivery.planned", "escalation.fired")]


def test_a_raise_of_an_acknowledged_incident_is_told_all_the_same() -> None:
    story = notify()
    subject = Subject(HIGH)
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    assert words(story.reads(subject.raised(2, CRITICAL))) == [("delivery.planned", "incident.severity_raised")]
    assert words(story.reads(subject.reannounced(3))) == [("delivery.planned", "incident.reannounced")]
    assert words(story.reads(subject.resolved(4)))[:2] == [
        ("delivery.withdrawn", "resolved"),
        ("delivery.withdrawn", "resolved"),
    ]


def test_an_attempt_that_becomes_pointless_is_not_repeated() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    assert words(story.reads(subject.acknowledged(1))) == [("journal.followed", "acknowledged")]
    assert words(ended(story, attempted, "failed", 2)) == [
        ("delivery.failed", "failed"),
        ("delivery.withdrawn", "acknowledged"),
    ]
    assert story.state.deliveries == {}


def test_an_attempt_that_becomes_pointless_and_arrives_counts_as_delivered() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    story.reads(subject.acknowledged(1))
    assert words(ended(story, attempted, "delivered", 2)) == [("delivery.delivered", "delivered")]
    assert story.stage.wants(story.state) == []


def test_an_attempt_that_was_lost_and_is_pointless_is_withdrawn_and_not_sent_again() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    room(story, 0)
    assert len(story.stage.effects(story.folded())) == 1
    story.reads(subject.acknowledged(1))
    assert story.stage.effects(story.folded()) == []
    lost_at = at(0) + LOST_AFTER
    assert story.stage.wants(story.state) == [Want("ops", lost_at)]
    written = story.give(Room("ops", 1), LOST_AFTER.total_seconds() / 60)
    assert words(written) == [("delivery.withdrawn", "acknowledged")]
    assert story.state.deliveries == {}


def test_a_second_answer_marks_what_a_re_announcement_has_under_way() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    story.reads(subject.reannounced(2))
    (attempted,) = room(story, 2)
    assert ("journal.followed", "resolved") in words(story.reads(subject.resolved(3)))
    assert words(ended(story, attempted, "failed", 4))[-1] == ("delivery.withdrawn", "resolved")


def test_a_broken_promise_to_resolve_is_told_in_spite_of_the_acknowledgement() -> None:
    story = notify(events=("sla.breached",))
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.acknowledged(1))
    for target, told in (("resolve", 1), ("acknowledge", 2)):
        breach = ev.SlaBreached(
            id=f"esc_{target}",
            incident_id=INCIDENT,
            incident_version=1,
            incident_offset=1,
            header=subject.header,
            recorded_at=at(30),
            target=target,
            target_due_at=at(30),
        )
        assert len(story.reads(breach, topic=ESCALATIONS.name)) == told


def test_a_retired_incident_is_forgotten() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(subject.closed(1))
    assert list(story.state.answered) == [INCIDENT]
    assert words(story.reads(subject.tell(ev.Retired, 9))) == [("journal.followed", "retired")]
    assert story.state.answered == {}
    assert story.reads(subject.tell(ev.Retired, 10)) == []
