"""Stories of channels that fail or are full, and of who is told how much."""

from datetime import timedelta

import msgspec

from scenarios.words import Play, alert, story
from tocsin.domain.rules import (
    EscalationRule,
    Limit,
    Matcher,
    NotifyRules,
    PersonalRule,
    QuietHours,
    Restriction,
    Rules,
    User,
)
from tocsin.domain.severity import Severity
from tocsin.testing.scenario import NO_SLA, Receiver


def over_channels(*channels: str) -> Rules:
    return msgspec.structs.replace(NO_SLA, notify=NotifyRules(catch_all=channels, attempts_max=50))


def mail_and_chat() -> tuple[Receiver, ...]:
    return Receiver("mail"), Receiver("chat")


def a_slow_pager() -> tuple[Receiver, ...]:
    return (Receiver("pager", in_flight_max=1, seconds=20.0),)


@story(over_channels("mail", "chat"), mail_and_chat)
async def a_channel_is_down_for_a_while(play: Play) -> None:
    play.receivers["mail"].down = True
    await play.at("10:00")
    await play.alertmanager(alert("Down", "a", "10:00", severity="critical"))
    await play.at("10:03")
    assert play.messages("chat") == ["10:00 opened to channel:chat: Down"]
    assert play.messages("mail") == []
    assert await play.deliveries("mail") == {"failed": 1}
    play.receivers["mail"].down = False
    await play.at("10:10")
    assert await play.deliveries("mail") == {"delivered": 2}
    # In any order: when a failed one is tried again is drawn, so that not all come back at once.
    assert {one[6:] for one in play.messages("mail")} == {
        "opened to channel:mail: Down",
        "level 1 to team:everyone: Down",
    }
    assert play.messages("chat")[1:] == ["10:05 level 1 to team:everyone: Down"]


@story(over_channels("pager"), a_slow_pager)
async def a_full_channel_takes_pages_first(play: Play) -> None:
    await play.at("10:00")
    for name in ("One", "Two", "Three"):
        await play.alertmanager(alert(name, "a", "10:00", severity="low"))
    assert await play.deliveries("pager") == {"attempted": 1, "planned": 2}
    await play.at("10:00:05")
    await play.alertmanager(alert("Outage", "a", "10:00", severity="critical"))
    assert await play.deliveries("pager") == {"attempted": 1, "planned": 3}
    await play.at("10:02")
    assert [one.rpartition(": ")[2] for one in play.messages("pager")] == ["One", "Outage", "Two", "Three"]
    assert await play.deliveries("pager") == {"delivered": 4}


@story(over_channels("pager"), a_slow_pager)
async def what_is_answered_before_it_was_sent_is_taken_back(play: Play) -> None:
    await play.at("10:00")
    for name in ("One", "Two", "Three"):
        await play.alertmanager(alert(name, "a", "10:00", severity="critical"))
    await play.at("10:00:10")
    await play.person("acknowledge", "Three")
    await play.at("10:02")
    assert [one.rpartition(": ")[2] for one in play.messages("pager")] == ["One", "Two"]
    assert await play.deliveries("pager") == {"delivered": 2, "withdrawn": 1}


def with_limit() -> Rules:
    rules = over_channels("mail")
    # One message each, so that it makes no difference on how many partitions it is played.
    return msgspec.structs.replace(
        rules, notify=msgspec.structs.replace(rules.notify, limits={"mail": Limit(messages=1, pages=1)})
    )


@story(with_limit(), lambda: (Receiver("mail"),))
async def what_goes_beyond_the_limit_comes_as_one(play: Play) -> None:
    await play.at("10:00")
    for name in ("One", "Two", "Three", "Four"):
        await play.alertmanager(alert(name, "a", "10:00", severity="low"))
    for name in ("Outage", "Fire", "Flood"):
        await play.alertmanager(alert(name, "a", "10:00", severity="critical"))
    await play.at("10:00:30")
    await play.person("resolve", "Four")
    await play.at("10:03")
    assert play.messages("mail") == [
        "10:00 opened to channel:mail: One",
        "10:00 opened to channel:mail: Outage",
        "10:01 digest to channel:mail: 2 messages about 2 incidents",
    ]
    for name in ("Outage", "Fire", "Flood"):
        await play.person("acknowledge", name)
    await play.at("10:06")
    assert play.messages("mail")[3:] == ["10:05 digest to channel:mail: 2 messages about 2 incidents"]
    # "Four" was never announced: neither its opening nor its end is in a digest.
    assert await play.deliveries("mail") == {"delivered": 4, "bundled": 4, "withdrawn": 2}


def another_way() -> Rules:
    rules = over_channels("mail")
    notify = msgspec.structs.replace(rules.notify, attempts_max=2, fallback={"mail": ("chat",)}, catch_all=("mail",))
    return msgspec.structs.replace(rules, notify=notify)


@story(another_way(), mail_and_chat)
async def what_is_given_up_goes_another_way(play: Play) -> None:
    play.receivers["mail"].down = True
    await play.at("10:00")
    await play.alertmanager(alert("Down", "a", "10:00", severity="critical"))
    await play.at("10:01")
    assert play.messages("chat") == ["10:00 opened to channel:chat: Down"]
    assert await play.deliveries("mail") == {"gave_up": 1}
    await play.person("acknowledge", "Down")
    play.receivers["mail"].down = False
    await play.person("resolve", "Down")
    await play.at("10:02")
    assert play.messages("mail") == ["10:01 resolved to channel:mail: Down"]


def ana_sleeps_late() -> Rules:
    quiet = QuietHours(hours=(Restriction(start="02:00", end="11:00"),))
    personal = (
        PersonalRule(when=Matcher(severity=(Severity.HIGH,)), channels=("chat",)),
        PersonalRule(channels=("mail",), after=timedelta(minutes=2)),
    )
    row = EscalationRule(escalation_level=1, escalate_to="user:ana", escalate_after_minutes=5)
    rules = over_channels("log")
    return msgspec.structs.replace(rules, users={"ana": User(quiet_hours=quiet, notify=personal)}, escalation=(row,))


@story(ana_sleeps_late(), lambda: (Receiver("log"), *mail_and_chat()))
async def people_are_called_as_they_wish(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Slow", "a", "10:00", severity="low"))
    await play.alertmanager(alert("Down", "a", "10:00", severity="error"))
    await play.at("10:06")
    assert play.messages("chat") == ["10:05 level 1 to user:ana: Down"]
    assert play.messages("mail") == []
    await play.person("acknowledge", "Down")
    await play.at("11:01")
    assert play.messages("mail") == ["11:00 level 1 to user:ana: Slow"]
    assert await play.deliveries("mail") == {"withdrawn": 1, "delivered": 1}
