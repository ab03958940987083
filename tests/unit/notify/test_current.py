"""Notify: what is kept for an incident at a provider follows the incident's status, for whoever has it."""

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import Matcher, Route
from tocsin.notify.state import Ledger
from tocsin.settings import Settings
from unit.escalate.story import Story, Subject
from unit.notify.desk import CRITICAL, call, called, ended, notify, room

TEAM = Route(when=Matcher(), channels=("ops",))


def with_a_message(handle: str = "C1:1.1", **rules: object) -> tuple[Story[Ledger], Subject]:
    """An incident of which the channel and the person on call were told."""
    story = notify(**{"routes": (TEAM,), "current": ("ops",), "echoes": ("ops",), **rules})
    subject = Subject()
    story.reads(subject.opened(0))
    called(story, call(subject, 0, channels=("ops",)))
    for attempted in room(story, 0, 9):
        ended(story, attempted, "delivered", 0, handle=handle)
    return story, subject


def planned(events: list[ev.Event]) -> list[tuple[str, str, bool]]:
    """Step, recipient and urgency."""
    return [(one.step, one.recipient, one.page) for one in events if isinstance(one, ev.DeliveryPlanned)]


def test_an_acknowledgement_reaches_every_message_though_it_does_not_notify() -> None:
    story, subject = with_a_message()
    told = planned(story.reads(subject.acknowledged(1)))
    assert told == [
        ("incident.acknowledged", "channel:ops", False),
        ("incident.acknowledged", "team:on_call", False),
    ]
    room(story, 1, 9)
    assert {effect.handle for effect in story.stage.effects(story.state)} == {"C1:1.1"}


def test_who_hears_of_it_anyway_hears_of_it_once() -> None:
    story, subject = with_a_message()
    assert planned(story.reads(subject.resolved(1))) == [
        ("incident.resolved", "channel:ops", False),
        ("incident.resolved", "team:on_call", False),
    ]


@pytest.mark.parametrize(("echoes", "count"), [(("ops",), 2), ((), 0)])
def test_people_hear_of_what_they_asked_for_and_systems_do_not(echoes: tuple[str, ...], count: int) -> None:
    for told in (lambda subject: subject.acknowledged(1), lambda subject: subject.resolved(1)):
        story, subject = with_a_message(echoes=echoes)
        assert len(planned(story.reads(replace(told(subject), origin="ops")))) == count


@pytest.mark.parametrize("rules", [{"current": ()}, {"handle": ""}])
def test_where_nothing_is_kept_nothing_follows(rules: dict[str, tuple[str, ...] | str]) -> None:
    story, subject = with_a_message(**rules)  # type: ignore[arg-type]
    assert planned(story.reads(subject.acknowledged(1))) == []


def test_what_is_on_its_way_is_followed_too() -> None:
    story = notify(routes=(TEAM,), current=("ops",))
    subject = Subject()
    story.reads(subject.opened(0))
    (attempted,) = room(story, 0, 9)
    assert planned(story.reads(subject.acknowledged(1))) == [("incident.acknowledged", "channel:ops", False)]
    ended(story, attempted, "delivered", 1, handle="C1:1.1")
    room(story, 1, 9)
    assert [effect.handle for effect in story.stage.effects(story.state)] == ["C1:1.1"]


def test_what_cannot_be_changed_is_not_told_elsewhere() -> None:
    story, subject = with_a_message(fallback={"ops": ("mail",)})
    story.reads(subject.acknowledged(1))
    for attempted in room(story, 1, 9):
        assert [event.TYPE for event in ended(story, attempted, "refused", 1)] == ["delivery.gave_up"]


def test_what_was_never_sent_is_not_followed() -> None:
    story = notify(routes=(TEAM,), current=("ops",))
    subject = Subject()
    story.reads(subject.opened(0))
    assert planned(story.reads(subject.acknowledged(1))) == []


def test_calls_do_not_follow() -> None:
    story, subject = with_a_message()
    story.reads(subject.acknowledged(1))
    assert planned(story.reads(subject.reopened(2))) == [("incident.reopened", "channel:ops", True)]


def test_whose_message_is_their_own_finds_the_buttons_again_and_is_not_called() -> None:
    story = notify(routes=(TEAM,), current=("ops",))
    subject = Subject()
    story.reads(subject.opened(0))
    called(story, call(subject, 0, channels=("ops",)))
    for number, attempted in enumerate(room(story, 0, 9)):
        ended(story, attempted, "delivered", 0, handle=f"D{number}:1.1")
    story.reads(subject.acknowledged(1))
    assert planned(story.reads(subject.reopened(2))) == [
        ("incident.reopened", "channel:ops", True),
        ("incident.reopened", "team:on_call", False),
    ]


def test_what_waited_while_a_page_went_ahead_knows_that_it_was_overtaken() -> None:
    story, subject = with_a_message()
    story.reads(subject.acknowledged(1))
    subject.raised(1.5, CRITICAL)
    called(story, call(subject, 2, level=2, rests_on=3, channels=("ops",)))
    (page,) = room(story, 2, 1)
    assert [(one.page, one.overtaken) for one in story.stage.effects(story.state)] == [(True, False)]
    ended(story, page, "delivered", 2, handle="C1:1.1")
    waited = room(story, 2, 9)
    assert [one.overtaken for one in story.stage.effects(story.state)] == [True, True]
    for attempted in waited:
        ended(story, attempted, "delivered", 3, handle="C1:1.1")
    story.reads(subject.resolved(4))
    room(story, 4, 9)
    assert [one.overtaken for one in story.stage.effects(story.state)] == [False, False]


def test_outsiders_hear_what_their_route_names() -> None:
    outside = Route(when=Matcher(), channels=("status",), audience="customers", events=("incident.opened",))
    story = notify(routes=(TEAM, outside), current=("ops", "status"))
    subject = Subject()
    story.reads(subject.opened(0))
    for channel in ("ops", "status"):
        for attempted in room(story, 0, 9, channel):
            ended(story, attempted, "delivered", 0, handle="C1:1.1")
    assert planned(story.reads(subject.acknowledged(1))) == [("incident.acknowledged", "channel:ops", False)]


def test_which_channels_keep_something_follows_from_their_type() -> None:
    settings = Settings.model_validate(
        {
            "notify": {
                "channels": {
                    "chat": {"type": "slack", "token": "xoxb-1"},
                    "pd": {"type": "pagerduty", "routing_key": "a" * 32},
                    "hook": {"type": "webhook", "url": "https://a.example/"},
                }
            }
        }
    )
    rules = settings.rules().notify
    assert (rules.current, rules.echoes) == (("chat", "pd"), ("chat",))
