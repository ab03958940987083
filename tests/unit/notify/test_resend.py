"""Notify: a message once more, because a person asks for it."""

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import User
from tocsin.notify.state import Ledger
from unit.escalate.story import Story, Subject, words
from unit.notify.desk import HIGH, call, called, ended, notify, room


def asked(subject: Subject, minutes: float, delivery: str, **more: str) -> ev.IncidentEvent:
    return subject.tell(ev.ResendRequested, minutes, delivery=delivery, actor="ada", **more)


def planned_in(written: list[ev.Event]) -> list[ev.DeliveryPlanned]:
    return [event for event in written if isinstance(event, ev.DeliveryPlanned)]


def opened(story: Story[Ledger], subject: Subject) -> ev.DeliveryAttempted:
    story.reads(subject.opened(0))
    (attempted,) = room(story, 0)
    return attempted


def test_one_that_was_given_up_goes_out_again_and_says_what_it_repeats() -> None:
    story, subject = notify(), Subject()
    first = opened(story, subject)
    ended(story, first, "refused", 0)
    (again,) = planned_in(story.reads(asked(subject, 5, first.delivery_id)))
    assert (again.channel, again.recipient, again.reason, again.page) == ("ops", "channel:ops", "resent", True)
    assert again.delivery_id != first.delivery_id
    assert again.context["resend_of"] == first.delivery_id
    assert again.context["possible_duplicate"] is True


def test_an_answer_does_not_take_it_back() -> None:
    story, subject = notify(), Subject()
    first = opened(story, subject)
    ended(story, first, "delivered", 0)
    story.reads(subject.acknowledged(1))
    (again,) = planned_in(story.reads(asked(subject, 5, first.delivery_id)))
    story.reads(subject.resolved(6))
    assert again.delivery_id in [one.delivery_id for one in room(story, 7, 9)]


def test_one_that_is_being_sent_is_left_alone_and_one_that_waits_is_replaced() -> None:
    story, subject = notify(), Subject()
    first = opened(story, subject)
    assert story.reads(asked(subject, 1, first.delivery_id)) == []
    ended(story, first, "failed", 1)
    assert words(story.reads(asked(subject, 2, first.delivery_id))) == [
        ("delivery.withdrawn", "resent"),
        ("delivery.planned", "resent"),
    ]


def test_of_one_long_ago_the_request_says_where_it_went() -> None:
    story, subject = notify(), Subject(HIGH)
    story.rules = replace(story.rules, users={"ana": User(contacts={"phone": ("+1",)})})
    assert story.reads(asked(subject, 1, "ntf_aaold")) == []
    (again,) = planned_in(story.reads(asked(subject, 2, "ntf_aaold", channel="sms", recipient="user:ana")))
    assert (again.channel, again.recipient, again.contacts, again.page) == (
        "sms",
        "user:ana",
        {"phone": ("+1",)},
        False,
    )


def test_a_call_is_a_page_again() -> None:
    story, subject = notify(), Subject(HIGH)
    called(story, call(subject, 0, channels=("ops",)))
    (first,) = room(story, 0)
    ended(story, first, "delivered", 0)
    (again,) = planned_in(story.reads(asked(subject, 5, first.delivery_id)))
    assert again.page
