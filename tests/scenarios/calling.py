"""Stories of who is found: duty, absence, hours, skill; and a page that only tries the way."""

import msgspec

from scenarios.words import Play, alert, story
from tocsin.domain.rules import (
    Assignment,
    EscalationRule,
    Layer,
    Matcher,
    People,
    Rules,
    Schedule,
    Service,
    Team,
    User,
)
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity
from tocsin.testing.scenario import NO_SLA, Receiver, instant

DESK: Rules = msgspec.structs.replace(
    NO_SLA,
    escalation=(
        EscalationRule(
            condition=Matcher(severity=(Severity.CRITICAL,)),
            escalate_to="dba",
            escalate_after_minutes=5,
            repeat_minutes=10,
            repeat_times=5,
        ),
    ),
    people=People(catch_all="everyone"),
    users={
        "ana": User(channels=("phone",), away=(Absence(start=instant("10:10"), end=instant("10:20")),)),
        "bob": User(away=(Absence(start=instant("10:10"), end=instant("10:40"), reason="flying"),)),
    },
    teams={"dba": Team(schedule="dba", members=("ana", "bob")), "everyone": Team()},
    schedules={"dba": Schedule(layers=(Layer(users=("ana", "bob"), starts_at="2026-11-16T00:00"),))},
    services={"shop": Service(team="dba")},
    assignment=Assignment(by_severity={}, balance=True),
)


def console_and_phone() -> tuple[Receiver, ...]:
    return Receiver("console"), Receiver("phone")


@story(DESK, console_and_phone)
async def who_is_away_is_passed_over_and_nobody_is_never_the_answer(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Outage", "a", "10:00", severity="critical"))
    assert (await play.header("Outage"))["team"] == "dba"
    assert (await play.header("Outage"))["assignee"] == "ana"
    await play.at("10:06")
    assert play.messages("phone") == ["10:05 level 1 to user:ana: Outage"]
    await play.at("10:16")  # both are away
    assert play.messages()[-1] == "10:15 level 1 to team:everyone: Outage"
    await play.at("10:30")
    assert play.messages("phone")[1:] == ["10:25 level 1 to user:ana: Outage"]
    await play.person("acknowledge", "Outage", by="ana")


@story(DESK, console_and_phone)
async def a_page_that_tries_the_way_reaches_one_and_closes_by_itself(play: Play) -> None:
    await play.at("10:00")
    await play.person("test_page", "", target="user:ana")
    assert play.messages("phone") == ["10:00 level 1 to user:ana: Test page for user:ana"]
    await play.at("10:05")
    await play.person("acknowledge", "Test page for user:ana", by="ana")
    await play.at("10:20")
    assert (await play.header("Test page for user:ana"))["status"] == "closed"
    assert play.messages() == []
    assert len(play.messages("phone")) == 1
    await play.alertmanager(alert("Outage", "a", "10:20", severity="critical"))
    assert play.messages() == ["10:20 opened to channel:console: Outage"]
