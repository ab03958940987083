"""Notify: how one person wants to be called, and when only for what is bad enough."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.directory import Recipient
from tocsin.domain.rules import Calendar, Limit, Matcher, PersonalRule, QuietHours, Restriction, User
from tocsin.domain.severity import Severity
from tocsin.notify.state import Ledger
from unit.escalate.story import T0, Story, Subject, words
from unit.notify.desk import CRITICAL, HIGH, LOW, call, called, notify, room

ANA = Recipient(recipient="user:ana", contacts={"phone": ("+1",)}, channels=("desk",))
NIGHT = QuietHours(hours=(Restriction(start="12:00", end="14:00"),))
"""The stories begin at noon."""


def with_ana(user: User, **rules: Any) -> Story[Ledger]:
    story = notify(**rules)
    story.rules = replace(story.rules, users={"ana": user})
    return story


def calls(story: Story[Ledger], severity: Severity, minutes: float = 0, **own: Any) -> list[tuple[str, float]]:
    """Channel and minute of each message of a call."""
    written = called(story, call(Subject(severity, incident_id=f"inc_{minutes}"), minutes, targets=(ANA,), **own))
    planned = [event for event in written if isinstance(event, ev.DeliveryPlanned)]
    assert {one.recipient for one in planned} <= {"user:ana"}
    return [(one.channel, (one.send_due_at - T0).total_seconds() / 60) for one in planned]


def test_rules_of_their_own_say_which_channel_when() -> None:
    story = with_ana(
        User(
            notify=(
                PersonalRule(when=Matcher(severity=(CRITICAL,)), channels=("phone",)),
                PersonalRule(when=Matcher(severity=(HIGH, LOW)), channels=("mail",)),
                PersonalRule(when=Matcher(severity=(HIGH,)), channels=("phone", "mail"), after=timedelta(minutes=5)),
            )
        )
    )
    assert calls(story, CRITICAL, 0) == [("phone", 0)]
    assert calls(story, HIGH, 1) == [("mail", 1), ("phone", 6)]
    assert calls(story, Severity.INFO, 2) == [("desk", 2)], "no rule silences anybody"


def test_the_second_way_is_taken_back_by_an_answer() -> None:
    story = with_ana(User(notify=(PersonalRule(channels=("ops",), after=timedelta(minutes=5)),)))
    subject = Subject(HIGH)
    called(story, call(subject, 0, targets=(ANA,)))
    assert room(story, 4) == []
    assert words(story.reads(subject.acknowledged(4.5)))[-1] == ("delivery.withdrawn", "acknowledged")


def test_in_quiet_hours_only_bad_incidents_call() -> None:
    story = with_ana(User(quiet_hours=NIGHT))
    assert calls(story, HIGH, 1) == [("desk", 1)]
    assert calls(story, LOW, 2) == [("desk", 120)]
    assert calls(story, LOW, 3, reason="requested") == [("desk", 3)]
    assert calls(story, LOW, 121) == [("desk", 121)]


def test_quiet_hours_go_by_the_clock_of_the_person() -> None:
    berlin = User(quiet_hours=QuietHours(hours=(Restriction(start="13:00", end="14:00"),)), time_zone="Europe/Berlin")
    assert calls(with_ana(berlin), LOW) == [("desk", 60)]


def test_a_calendar_may_say_when_it_is_quiet() -> None:
    story = with_ana(User(quiet_hours=QuietHours(calendar="siesta", below=CRITICAL)))
    assert calls(story, HIGH, 1) == [("desk", 1)], "a calendar that is not there silences nobody"
    story.rules = replace(story.rules, calendars={"siesta": Calendar(hours=NIGHT.hours)})
    assert calls(story, HIGH, 2) == [("desk", 120)]
    story.rules = replace(story.rules, calendars={"siesta": Calendar()})
    assert calls(story, HIGH, 3) == [("desk", 3 + 24 * 60)], "nor does one that never ends, for ever"


def test_what_waited_for_the_end_of_quiet_hours_comes_as_one() -> None:
    story = with_ana(User(quiet_hours=NIGHT), limits={"desk": Limit()})
    for minute in range(3):
        calls(story, LOW, minute)
    assert room(story, 119, 9, channel="desk") == []
    written = story.until(120)
    assert words(written)[0] == ("delivery.planned", "quiet_hours")
    (digest,) = room(story, 120, 9, channel="desk")
    assert digest.incident_id == ""
    assert isinstance(written[0], ev.DeliveryPlanned)
    assert (written[0].recipient, written[0].contacts) == ("user:ana", {"phone": ("+1",)})
