"""Stories of channels that fail or are full."""

import msgspec

from scenarios.words import Play, alert, story
from tocsin.domain.rules import NotifyRules, Rules
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
