"""Notify: what a recipient was told last, who else is told, and who needs not to be."""

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import Matcher, Route
from tocsin.notify.state import Ledger
from tocsin.stage import DeliveryResult
from unit.escalate.story import INCIDENT, Story, Subject, words
from unit.notify.desk import CRITICAL, HIGH, call, called, ended, notify, room


def delivered(story: Story[Ledger], minutes: float, handle: str = "") -> None:
    for attempted in room(story, minutes, 9):
        ended(story, attempted, "delivered", minutes, handle=handle)


def test_what_was_made_at_the_provider_comes_back_with_the_next_message() -> None:
    story = notify()
    subject = Subject(HIGH)
    story.reads(subject.opened(0))
    delivered(story, 0, "C1/100.1")
    story.reads(subject.raised(1, CRITICAL))
    (attempted,) = room(story, 1)
    (effect,) = story.stage.effects(story.state)
    assert effect.handle == "C1/100.1"
    ended(story, attempted, "delivered", 1)
    story.reads(subject.resolved(2))
    room(story, 2)
    assert story.stage.effects(story.state)[0].handle == "C1/100.1", "an answer without one forgets nothing"


def test_a_handle_that_is_too_long_is_none() -> None:
    story = notify()
    story.reads(Subject().opened(0))
    delivered(story, 0, "x" * 301)
    assert [event.handle for event in story.journal if isinstance(event, ev.DeliveryDelivered)] == [""]


def test_the_context_says_what_was_told_last() -> None:
    story = notify()
    subject = Subject(HIGH)
    (first,) = story.reads(subject.opened(0))
    assert isinstance(first, ev.DeliveryPlanned)
    assert "since" not in first.context
    delivered(story, 0.5)
    (second,) = story.reads(subject.raised(1, CRITICAL))
    assert isinstance(second, ev.DeliveryPlanned)
    assert second.context["since"] == {
        "recorded_at": "2026-11-21T12:00:30Z",
        "severity": "high",
        "status": "open",
        "alerts": 1,
    }


def test_the_context_says_who_else_is_told() -> None:
    story = notify(routes=(Route(when=Matcher(), channels=("ops", "mail")),))
    ops, mail = story.reads(Subject().opened(0))
    assert isinstance(ops, ev.DeliveryPlanned)
    assert isinstance(mail, ev.DeliveryPlanned)
    assert ops.context["also"] == [{"recipient": "channel:mail", "channel": "mail"}]
    assert mail.context["also"] == [{"recipient": "channel:ops", "channel": "ops"}]
    one, two = called(story, call(Subject(), 5, channels=("ops", "mail")))
    assert isinstance(one, ev.DeliveryPlanned)
    assert isinstance(two, ev.DeliveryPlanned)
    assert one.context["also"] == [{"recipient": "team:on_call", "channel": "mail"}]


def test_it_is_forgotten_with_the_incident() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened(0))
    delivered(story, 0)
    assert INCIDENT in story.state.told
    story.reads(subject.tell(ev.Retired, 9))
    assert story.state.told == {}


def test_who_never_heard_of_it_hears_nothing_of_its_end_also_when_that_comes_later() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened(0))
    story.reads(subject.acknowledged(1))
    assert words(story.reads(subject.resolved(60))) == [
        ("delivery.planned", "incident.resolved"),
        ("delivery.withdrawn", "never_announced"),
    ]


def test_who_may_have_heard_of_it_hears_of_its_end() -> None:
    story = notify(attempts_max=1)
    subject = Subject()
    story.reads(subject.opened(0))
    (attempted,) = room(story, 0)
    ended(story, attempted, "failed", 0, detail="no answer in time")
    story.reads(subject.acknowledged(1))
    assert words(story.reads(subject.resolved(60)))[-1] == ("delivery.planned", "incident.resolved")


def test_a_channel_that_heard_by_a_call_hears_of_the_end() -> None:
    story = notify()
    subject = Subject()
    story.reads(subject.opened(0))
    called(story, call(subject, 0.5, channels=("ops",)))
    first, second = room(story, 1, 2)
    ended(story, first, "refused", 1)
    ended(story, second, "delivered", 1)
    story.reads(subject.acknowledged(2))
    assert words(story.reads(subject.resolved(60)))[-1] == ("delivery.planned", "incident.resolved")


def test_over_which_it_was_asked_for_is_not_told() -> None:
    story = notify(routes=(Route(when=Matcher(), channels=("ops", "pd")),))
    subject = Subject()
    story.reads(subject.opened(0))
    resolved = replace(subject.resolved(1), origin="pd")
    planned = [event for event in story.reads(resolved) if isinstance(event, ev.DeliveryPlanned)]
    assert [event.channel for event in planned] == ["ops"]


def test_old_results_remember_nothing() -> None:
    story = notify()
    story.give(DeliveryResult(delivery_id="ntf_none", attempt=1, outcome="delivered", handle="x"), 0)
    assert story.state.told == {}
