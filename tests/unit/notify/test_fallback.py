"""Notify: where a message goes that a channel gives up, and how long it is tried."""

from datetime import timedelta

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.directory import Recipient
from tocsin.domain.rules import Matcher, PersonalRule, Team, User
from tocsin.notify.state import Ledger
from unit.escalate.story import Story, Subject, words
from unit.notify.desk import CRITICAL, HIGH, call, called, ended, notify, room


def refused(story: Story[Ledger], minutes: float, channel: str) -> list[ev.DeliveryPlanned]:
    (attempted,) = room(story, minutes, 1, channel)
    written = ended(story, attempted, "refused", minutes, detail="gone")
    return [event for event in written if isinstance(event, ev.DeliveryPlanned)]


def test_a_message_goes_the_ways_that_the_rules_name_each_once() -> None:
    story = notify(fallback={"ops": ("mail",), "mail": ("ops", "sms")})
    story.reads(Subject(HIGH).opened(0))
    (mail,) = refused(story, 0, "ops")
    assert (mail.channel, mail.recipient, mail.reason, mail.step) == (
        "mail",
        "channel:mail",
        "fallback",
        "incident.opened",
    )
    assert mail.context["fallback"]["channel"] == "ops"
    assert mail.context["fallback"]["error"] == "gone"
    (sms,) = refused(story, 1, "mail")
    assert sms.channel == "sms"
    assert sms.context["fallback"]["tried"] == ["ops", "mail"]
    assert refused(story, 2, "sms") == [], "no page: it ends here"


def test_a_page_that_has_run_out_of_ways_goes_to_the_catch_all() -> None:
    story = notify(catch_all=("desk",), fallback={"sms": ("voice",)})
    story.rules = replace(story.rules, teams={"everyone": Team(contacts={"email": ("all@b.example",)})})
    called(story, call(Subject(HIGH), 0, channels=("sms",)))
    (voice,) = refused(story, 0, "sms")
    assert (voice.channel, voice.recipient, voice.page) == ("voice", "team:on_call", True)
    (last,) = refused(story, 0, "voice")
    assert (last.channel, last.recipient, last.reason) == ("desk", "team:everyone", "fallback_catch_all")
    assert last.contacts == {"email": ("all@b.example",)}
    assert refused(story, 0, "desk") == []


def test_a_person_is_called_over_their_next_channel() -> None:
    story = notify(catch_all=("sms",))
    ana = Recipient(recipient="user:ana", contacts={"phone": ("+1",)}, channels=("sms",))
    story.rules = replace(story.rules, users={"ana": User(channels=("sms", "voice"))})
    called(story, call(Subject(HIGH), 0, targets=(ana,)))
    (voice,) = refused(story, 0, "sms")
    assert (voice.channel, voice.recipient, voice.contacts) == ("voice", "user:ana", {"phone": ("+1",)})


def test_the_channels_of_personal_rules_are_other_ways_too() -> None:
    story = notify(catch_all=("sms",))
    ana = Recipient(recipient="user:ana", channels=("sms",))
    rules = (
        PersonalRule(when=Matcher(severity=(HIGH,)), channels=("sms",)),
        PersonalRule(when=Matcher(severity=(CRITICAL,)), channels=("voice",)),
    )
    story.rules = replace(story.rules, users={"ana": User(notify=rules)})
    called(story, call(Subject(HIGH), 0, targets=(ana,)))
    assert [one.channel for one in refused(story, 0, "sms")] == ["voice"]


def test_where_the_same_recipient_was_told_at_once_is_no_other_way() -> None:
    story = notify(fallback={"sms": ("voice",)}, catch_all=("sms",))
    called(story, call(Subject(HIGH), 0, channels=("sms", "voice")))
    assert refused(story, 0, "sms") == []


def test_what_was_answered_meanwhile_goes_nowhere() -> None:
    story = notify(fallback={"ops": ("mail",)})
    subject = Subject()
    story.reads(subject.opened(0))
    (attempted,) = room(story, 0)
    story.reads(subject.acknowledged(1))
    assert words(ended(story, attempted, "refused", 1)) == [("delivery.gave_up", "refused")]


def test_an_answer_takes_back_what_goes_another_way() -> None:
    story = notify(fallback={"ops": ("mail",)})
    subject = Subject()
    story.reads(subject.opened(0))
    refused(story, 0, "ops")
    assert words(story.reads(subject.acknowledged(1)))[-1] == ("delivery.withdrawn", "acknowledged")


def test_a_test_page_goes_no_other_way() -> None:
    story = notify(fallback={"sms": ("mail",)})
    subject = Subject(alerts=0, source="test_page", labels={"tocsin_test": "true"})
    called(story, call(subject, 0, channels=("sms",)))
    assert refused(story, 0, "sms") == []


def test_after_its_time_nothing_is_tried_again() -> None:
    story = notify(retry_for=timedelta(minutes=30), retry_pages_for=timedelta(minutes=10), retry_longest=timedelta(0))
    story.reads(Subject(HIGH, incident_id="inc_1").opened(0))
    story.reads(Subject(CRITICAL, incident_id="inc_2").opened(0))
    page, other = room(story, 0, 2)
    for one in (page, other):
        ended(story, one, "failed", 0)
    page, other = room(story, 9, 2)
    assert words(ended(story, other, "failed", 11)) == [("delivery.failed", "failed")]
    assert words(ended(story, page, "failed", 11))[0] == ("delivery.gave_up", "time_exhausted")
    (other,) = room(story, 29)
    assert words(ended(story, other, "failed", 31))[0] == ("delivery.gave_up", "time_exhausted")


def test_what_waits_behind_a_channel_that_is_down_is_given_up_when_its_time_is_over() -> None:
    story = notify(fallback={"ops": ("mail",)}, retry_pages_for=timedelta(minutes=10), retry_for=timedelta(hours=1))
    for number, minute in enumerate((0, 1, 8)):
        story.reads(Subject(CRITICAL, incident_id=f"inc_{number}").opened(minute))
    story.reads(Subject(HIGH, incident_id="inc_other").opened(0))
    (tried,) = room(story, 9)
    written = ended(story, tried, "failed", 12, detail="503")
    gave_up = [event for event in written if isinstance(event, ev.DeliveryGaveUp)]
    assert [(one.incident_id, one.reason, one.attempt, one.error) for one in gave_up] == [
        ("inc_0", "time_exhausted", 1, "503"),
        ("inc_1", "time_exhausted", 0, "waited for the channel: 503"),
    ]
    elsewhere = [event for event in written if isinstance(event, ev.DeliveryPlanned)]
    assert [(one.incident_id, one.channel, one.reason) for one in elsewhere] == [
        ("inc_0", "mail", "fallback"),
        ("inc_1", "mail", "fallback"),
    ]
    assert {one.incident_id for one in room(story, 13, 5)} == {"inc_2", "inc_other"}


def test_a_message_that_is_delivered_gives_up_nothing() -> None:
    story = notify(retry_pages_for=timedelta(minutes=10))
    for number in range(2):
        story.reads(Subject(CRITICAL, incident_id=f"inc_{number}").opened(0))
    (tried,) = room(story, 9)
    assert words(ended(story, tried, "delivered", 12)) == [("delivery.delivered", "delivered")]
    assert len(room(story, 12)) == 1


def test_where_the_login_is_denied_a_message_goes_another_way_at_once() -> None:
    story = notify(fallback={"ops": ("mail",)})
    story.reads(Subject(HIGH).opened(0))
    (tried,) = room(story, 0)
    written = ended(story, tried, "denied", 0, detail="535 wrong password")
    assert words(written) == [("delivery.gave_up", "refused"), ("delivery.planned", "fallback")]


def test_a_message_without_another_way_waits_for_the_login_to_be_mended_as_long_as_it_may() -> None:
    story = notify(retry_for=timedelta(hours=1), retry_longest=timedelta(0))
    story.reads(Subject(HIGH).opened(0))
    (tried,) = room(story, 0)
    assert words(ended(story, tried, "denied", 0)) == [("delivery.failed", "failed")]
    (mended,) = room(story, 30)
    assert words(ended(story, mended, "delivered", 30)) == [("delivery.delivered", "delivered")]
    story.reads(Subject(HIGH, incident_id="inc_2").opened(0))
    (late,) = room(story, 30)
    assert words(ended(story, late, "denied", 61)) == [("delivery.gave_up", "time_exhausted")]
