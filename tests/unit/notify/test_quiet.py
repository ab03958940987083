"""Notify: nobody is told of a suppressed incident, the ledger says why, and afterwards it is made up for."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.severity import Severity
from tocsin.notify.state import Ledger
from unit.escalate.story import Story, Subject, at, words
from unit.notify.desk import HIGH, call, called, ended, notify, room

QUIET = {"suppressed_by": "silence:one", "suppressed_until": None}
LOUD = {"suppressed_by": "", "suppressed_until": None}


def hushed(subject: Subject, minutes: float, by: str = "silence:one") -> Any:
    return subject.tell(ev.Suppressed, minutes, header={**QUIET, "suppressed_by": by}, reason="silenced")


def loud(subject: Subject, minutes: float) -> Any:
    return subject.tell(ev.Unsuppressed, minutes, header=LOUD, was="silence:one", reason="silence_over")


def opened_quiet(subject: Subject) -> Any:
    return subject.tell(ev.Opened, 0, header=QUIET, ordinal=0, group="g", reason="opened_new_group")


def test_what_opens_quiet_is_told_to_nobody_and_the_ledger_names_the_cause() -> None:
    story = notify()
    assert words(story.reads(opened_quiet(Subject()))) == [
        ("journal.muted", "opened_new_group"),
        ("journal.muted", "held_back"),
        ("delivery.planned", "incident.opened"),
        ("delivery.suppressed", "silence:one"),
    ]
    assert room(story, 10, 9) == []


def test_when_it_is_over_the_open_incident_is_announced_once_and_says_since_when_it_was_quiet() -> None:
    story = notify()
    subject = Subject()
    story.reads(opened_quiet(subject))
    written = story.reads(loud(subject, 30))
    assert words(written) == [("journal.muted", "silence_over"), ("delivery.planned", "incident.unsuppressed")]
    planned = written[1]
    assert isinstance(planned, ev.DeliveryPlanned)
    assert planned.page is (subject.header.severity.rank <= Severity.CRITICAL.rank)
    assert planned.context["suppressed"]["by"] == "silence:one"
    assert len(room(story, 31, 9)) == 1
    assert story.state.muted == {}


def test_what_waits_is_taken_back_and_made_up_for() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    assert words(story.reads(hushed(subject, 1))) == [
        ("journal.muted", "silenced"),
        ("delivery.suppressed", "silence:one"),
    ]
    assert room(story, 2, 9) == []
    assert ("delivery.planned", "incident.unsuppressed") in words(story.reads(loud(subject, 30)))


def test_who_has_heard_of_it_is_not_told_again() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "delivered", 0)
    assert words(story.reads(hushed(subject, 1))) == [("journal.muted", "silenced")]
    assert words(story.reads(loud(subject, 30))) == [("journal.muted", "silence_over")]


def test_what_gets_worse_meanwhile_is_made_up_for() -> None:
    story = notify()
    subject = Subject(severity=HIGH)
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "delivered", 0)
    story.reads(hushed(subject, 1))
    raised = subject.tell(ev.SeverityRaised, 2, header={"severity": Severity.CRITICAL}, was=HIGH)
    assert ("delivery.suppressed", "silence:one") in words(story.reads(raised))
    assert ("delivery.planned", "incident.unsuppressed") in words(story.reads(loud(subject, 30)))


def test_an_attempt_that_fails_while_it_is_quiet_is_not_tried_again_but_made_up_for() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    story.reads(hushed(subject, 1))
    assert words(ended(story, attempted, "failed", 2, jitter=0.5)) == [
        ("delivery.failed", "failed"),
        ("journal.muted", "held_back"),
        ("delivery.suppressed", "silence:one"),
    ]
    assert ("delivery.planned", "incident.unsuppressed") in words(story.reads(loud(subject, 30)))


def test_nobody_is_told_of_what_was_answered_or_over_meanwhile() -> None:
    for answer in ("acknowledged", "resolved"):
        story = notify()
        subject = Subject()
        story.reads(opened_quiet(subject))
        story.reads(getattr(subject, answer)(5))
        assert "delivery.planned" not in [word for word, _ in words(story.reads(loud(subject, 30)))]


def test_an_escalation_that_waits_is_taken_back_and_goes_to_the_same_people_afterwards() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    (attempted,) = room(story, 0)
    ended(story, attempted, "delivered", 0)
    called(story, call(subject, 5))
    assert ("delivery.suppressed", "silence:one") in words(story.reads(hushed(subject, 6)))
    written = story.reads(loud(subject, 30))
    assert words(written) == [("journal.muted", "silence_over"), ("delivery.planned", "made_up_for")]
    again = written[1]
    assert isinstance(again, ev.DeliveryPlanned)
    assert (again.recipient, again.step, again.page) == ("team:on_call", "escalation.1", True)
    assert again.contacts == {"email": ("a@b.example",)}


def test_calls_of_one_step_to_one_recipient_are_made_up_for_once() -> None:
    """Each promise that is broken calls the same level; made up for, they have one cause and say the same."""
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    for minute in (2, 3):
        called(story, call(subject, minute))
    story.reads(hushed(subject, 4))
    planned = [one for one in story.reads(loud(subject, 30)) if isinstance(one, ev.DeliveryPlanned)]
    assert [one.step for one in planned if one.reason == "made_up_for"] == ["escalation.1"]
    assert len({one.delivery_id for one in planned}) == len(planned)


def test_an_escalation_that_knows_nothing_of_the_suppression_is_held_back() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    late = call(subject, 5)
    story.reads(hushed(subject, 4))
    assert words(called(story, late)) == [
        ("delivery.planned", "escalation.fired"),
        ("delivery.suppressed", "silence:one"),
    ]


def test_an_escalation_that_knows_that_it_is_over_is_believed() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened())
    story.reads(hushed(subject, 1))
    loud(subject, 30)  # escalate has read it, notify has not
    assert words(called(story, call(subject, 35, rests_on=3))) == [("delivery.planned", "escalation.fired")]


def test_a_call_that_a_person_asks_for_goes_out_all_the_same() -> None:
    story = notify()
    subject = Subject()
    story.reads(opened_quiet(subject))
    asked = replace(call(subject, 5), reason="requested")
    assert words(called(story, asked)) == [("delivery.planned", "escalation.fired")]
    assert words(story.reads(hushed(subject, 6, "maintenance:m"))) == []
    assert len(room(story, 6, 9)) == 1


def test_good_news_of_what_nobody_was_told_is_held_back() -> None:
    story = notify()
    subject = Subject()
    story.reads(opened_quiet(subject))
    written = words(story.reads(subject.resolved(5)))
    assert written[-2:] == [("delivery.planned", "incident.resolved"), ("delivery.suppressed", "silence:one")]


def test_the_hold_before_the_first_page_counts_from_the_opening() -> None:
    story = notify(hold={HIGH: timedelta(minutes=10)})
    subject = Subject(severity=HIGH)
    story.reads(opened_quiet(subject))
    story.reads(loud(subject, 3))
    assert room(story, 9, 9) == []
    assert len(room(story, 10, 9)) == 1


def test_a_retired_incident_is_forgotten() -> None:
    story = notify()
    subject = Subject()
    story.reads(opened_quiet(subject))
    story.reads(subject.closed(5))
    story.reads(subject.tell(ev.Retired, 6))
    assert story.state.muted == {}


def test_the_memory_of_it_survives_a_checkpoint() -> None:
    story: Story[Ledger] = notify()
    subject = Subject()
    story.reads(subject.opened())
    called(story, call(subject, 5))
    story.reads(hushed(subject, 6))
    freezing = story.stage.freeze(story.state)  # type: ignore[attr-defined]
    slices = []
    while (one := freezing.sweep()) is not None:
        slices.append(one)
    freezing.seal()
    while (one := freezing.rest()) is not None:
        slices.append(one)
    thawed, _ = story.stage.thaw(slices)  # type: ignore[attr-defined]
    assert thawed.muted == story.state.muted
    assert thawed.muted[subject.header.id].since == at(6)
    assert [one.step for one in thawed.muted[subject.header.id].calls] == ["escalation.1"]


def test_a_call_that_insists_is_made_up_for_though_somebody_has_acknowledged() -> None:
    story, subject = notify(), Subject()
    for event in (subject.opened(), subject.acknowledged(1), hushed(subject, 2)):
        story.reads(event)
    called(story, call(subject, 3, level=1, rests_on=2))
    called(story, call(subject, 3, level=2, rests_on=2, insists=True))
    planned = [event for event in story.reads(loud(subject, 30)) if isinstance(event, ev.DeliveryPlanned)]
    assert [(event.step, event.reason) for event in planned] == [("escalation.2.insists", "made_up_for")]
