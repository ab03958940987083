"""Situations of escalation, one a row: how bad, which policy, what people do, and who is paged at which minute.

A row is an incident of its own; all rows of a table live through one day together. `situations.txt` is a day on which
nothing breaks, `outages.txt` has days on which nothing runs for a while. Times are UTC on Saturday, 2026-11-21; `+1` is
the day after. A row opens at 10:00 unless it says `open`. Of the people, dora is away until 14:00, eve works from 12:00
to 20:00, nina from 09:00 to 17:00 in New York, wes on weekdays in London; carl manages the team.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from scenarios.words import Play, alert
from tocsin.domain.rules import (
    Calendar,
    EscalateRules,
    LabelMatch,
    Layer,
    Level,
    Matcher,
    Override,
    Policy,
    Restriction,
    Rules,
    Schedule,
    Service,
    Silence,
    SlaRule,
    SlaTarget,
    Target,
    Team,
    User,
)
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity
from tocsin.testing.scenario import NO_SLA, Receiver, Story, instant


@dataclass(frozen=True)
class Situation:
    """One row of a table."""

    name: str
    severity: str
    policy: str
    """Of the service; `-` = the rows of the rules."""
    doings: tuple[tuple[str, str], ...]
    """(time, what somebody does)."""
    pages: tuple[str, ...]
    """`<time> L<level> <recipient>`, in order; users without `user:`."""


def table(text: str) -> tuple[Situation, ...]:
    """The rows of a table: `name | severity | policy | time what; … | page, …`. `#` begins a remark."""
    rows = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, severity, policy, doings, pages = (cell.strip() for cell in line.split("|"))
        done = [doing.strip() for doing in doings.split(";") if doing.strip()]
        if not any(doing.endswith(" open") for doing in done):
            done.insert(0, "10:00 open")
        rows.append(
            Situation(
                name,
                severity,
                policy,
                tuple((time, what) for time, _, what in (doing.partition(" ") for doing in done)),
                tuple(page.strip() for page in pages.split(",") if page.strip()),
            )
        )
    return tuple(rows)


HERE: Final = Path(__file__).parent
SITUATIONS: Final = table((HERE / "situations.txt").read_text())

OUTAGES: Final = {
    name: table(rows)
    for name, _, rows in (part.partition("]") for part in (HERE / "outages.txt").read_text().split("\n[")[1:])
}
"""By `escalate.catch_up`: nothing runs from 10:03 to 10:27."""
DOWN: Final = ("10:03", "10:27")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def level(after: float, *targets: str, **more: object) -> Level:
    named = (word.partition(":") for word in targets)
    return Level(targets=tuple(Target(kind=kind, name=name) for kind, _, name in named), after=minutes(after), **more)  # type: ignore[arg-type]


ANA, BOB = "user:ana", "user:bob"
POLICIES: Final = {
    "two": Policy(levels=(level(5, ANA), level(10, BOB))),
    "repeating": Policy(levels=(level(5, ANA, repeat_every=minutes(5), repeat_times=2), level(20, "team:dba"))),
    "looping": Policy(levels=(level(5, ANA), level(5, BOB)), loops=1),
    "duty": Policy(levels=(level(5, "schedule:duty"),)),
    "covered": Policy(levels=(level(5, "schedule:covered"),)),
    "night": Policy(levels=(level(5, "schedule:night"),)),
    "office": Policy(levels=(level(5, "user:eve", only_in_hours=True), level(10, BOB))),
    "newyork": Policy(levels=(level(5, "user:nina", only_in_hours=True),)),
    "weekday": Policy(levels=(level(5, "user:wes", only_in_hours=True),)),
    "anytime": Policy(levels=(level(5, "user:eve"),), fallback="second"),
    "away": Policy(levels=(level(5, "user:dora"),), fallback="second"),
    "oneaway": Policy(levels=(level(5, "user:dora", BOB),), fallback="second"),
    "nobody": Policy(levels=(level(5, "user:dora"),)),
    "members": Policy(levels=(level(5, "team:part-time"),)),
    "each": Policy(levels=(level(5, ANA, BOB, every_target=True, repeat_every=minutes(5), repeat_times=2),)),
    "severe": Policy(
        levels=(level(5, ANA), level(5, "management", condition=Matcher(expression="severity >= 'critical'")))
    ),
    "old": Policy(
        levels=(
            level(5, ANA),
            level(5, BOB, condition=Matcher(expression="open_for >= 20m")),
            level(10, BOB, condition=Matcher(expression="open_for >= 20m")),
        )
    ),
    "afternoon": Policy(levels=(level(5, BOB, condition=Matcher(expression="time('UTC') >= '12:00'")),)),
    "management": Policy(levels=(level(5, "management"),)),
    "vendor": Policy(levels=(level(5, "vendor"),)),
    "channel": Policy(levels=(level(5, "channel:phone"),)),
    "several": Policy(levels=(level(5, ANA, "team:dba", "channel:phone"),)),
}
DAILY: Final = Restriction(start="09:00", end="17:00")
PROMISED: Final = {one: SlaTarget(resolve=minutes(30)) for one in (Severity.CRITICAL, Severity.HIGH)}


def everybody() -> dict[str, Any]:
    """Users, teams, calendars and schedules."""

    def team(name: str) -> Team:
        return Team(contacts={"email": (f"{name}@example.org",)})

    def layer(*users: str, **more: object) -> Layer:
        return Layer(users=users, starts_at="2026-11-21T00:00", length=12, unit="hour", **more)  # type: ignore[arg-type]

    return {
        "users": {
            **{name: User() for name in ("ana", "bob", "carl")},
            "dora": User(away=(Absence(start=instant("00:00"), end=instant("14:00")),)),
            "eve": User(working_hours="noon"),
            "nina": User(working_hours="newyork"),
            "wes": User(working_hours="weekday"),
        },
        "teams": {
            **{name: team(name) for name in ("everyone", "second", "senior_engineers", "on_call_engineer")},
            **{name: team(name) for name in ("emergency_team", "support_team")},
            "dba": Team(members=("ana", "bob")),
            "part-time": Team(members=("dora", "ana")),
            "owners": Team(members=("ana",), manager="carl"),
        },
        "calendars": {
            "noon": Calendar(hours=(Restriction(start="12:00", end="20:00"),)),
            "newyork": Calendar(time_zone="America/New_York", hours=(DAILY,)),
            "weekday": Calendar(time_zone="Europe/London", hours=(replace(DAILY, days=(0, 1, 2, 3, 4)),)),
        },
        "schedules": {
            "duty": Schedule(layers=(layer("ana", "bob"),)),
            "covered": Schedule(layers=(layer("ana"),)),
            "night": Schedule(
                layers=(layer("carl", restrictions=(Restriction(start="20:00", end="08:00"),)),), backup="duty"
            ),
        },
    }


def rules_for(situations: Iterable[Situation], catch_up: str = "collapse") -> Rules:
    """Each situation is a service of its own."""
    services = {
        one.name: Service(
            team="owners",
            policy="" if one.policy == "-" else one.policy,
            vendor={"email": ("vendor@example.org",)},
        )
        for one in situations
    }

    def silence(service: str, since: str, until: str) -> Silence:
        matchers = (LabelMatch(name="service", value=service),)
        return Silence(matchers=matchers, starts_at=instant(since), ends_at=instant(until))

    made = instant("00:00")
    covered = Override(schedule="covered", user="bob", start=instant("10:00"), end=instant("11:00"), made_at=made)
    return replace(
        NO_SLA,
        policies=POLICIES,
        services=services,
        escalate=EscalateRules(catch_up=catch_up),
        sla_rules=(
            SlaRule(
                name="promised",
                condition=Matcher(service=tuple(name for name in services if name.startswith("b-"))),
                targets=PROMISED,
            ),
        )
        if any(name.startswith("b-") for name in services)
        else (),
        **everybody(),
        overrides={"one": covered},
        silences={
            "first": silence("r-silenced", "09:00", "10:30"),
            "second": silence("r-silenced-later", "10:03", "10:33"),
        },
    )


def console_and_phone() -> tuple[Receiver, ...]:
    return Receiver("console"), Receiver("phone")


async def does(play: Play, one: Situation, time: str, what: str) -> None:
    """One thing that happens to the incident of a situation."""
    verb, *rest = what.split()
    if verb == "open":
        await play.alertmanager(alert(one.name, "a", time, severity=one.severity, service=one.name))
    elif verb == "worse":
        await play.alertmanager(alert(one.name, "b", time, severity=rest[0], service=one.name))
    elif rest[:1] == ["by"]:
        await play.person("acknowledge", one.name, by=rest[1])
    else:
        given: dict[str, str | int] = {}
        for word in rest:
            name, _, value = word.partition("=")
            given[name] = int(value) if value.isdigit() else value
        await play.person("acknowledge" if verb == "ack" else verb, one.name, **given)


def pages_of(play: Play) -> dict[str, list[str]]:
    """The calls that arrived, by title: each once, in the order of time, level and name."""
    found: dict[str, dict[str, tuple[datetime, int, str]]] = defaultdict(dict)
    for receiver in play.receivers.values():
        for at, effect, _ in receiver.arrived:
            escalation, incident = effect.context.get("escalation"), effect.context["incident"]
            assert isinstance(incident, dict)
            if isinstance(escalation, dict):
                call = (at, int(escalation["level"]), effect.recipient.removeprefix("user:"))
                found[incident["title"]].setdefault(effect.delivery_id, call)
    return {title: [_page(*call) for call in sorted(calls.values(), key=_place)] for title, calls in found.items()}


def _place(call: tuple[datetime, int, str]) -> tuple[str, int, str]:
    return f"{call[0]:%d %H:%M}", call[1], call[2]


def _page(at: datetime, level: int, recipient: str) -> str:
    days = (at.date() - instant("00:00").date()).days
    return f"{f'+{days} ' if days else ''}{at:%H:%M} L{level} {recipient}"


def _in_order(pages: Iterable[str]) -> list[str]:
    calls = [page.rsplit(" ", 2) for page in pages]
    ordered = sorted(calls, key=lambda call: (instant(call[0]), call[1], call[2]))
    return [" ".join(call) for call in ordered]


async def lives_through(
    play: Play, situations: Iterable[Situation], until: str, down: tuple[str, str] | None = None
) -> None:
    """Play all rows until `until`, and compare who was paged when."""
    doings = [(time, one, what) for one in situations for time, what in one.doings]
    pending = sorted(doings, key=lambda doing: instant(doing[0]))
    for time, one, what in pending:
        await play.at(time)
        await does(play, one, time, what)
    if down is not None:
        await play.at(down[0])
        await play.down(down[1])
    await play.at(until)
    paged = pages_of(play)
    wrong = [
        f"{one.name}: paged {paged.get(one.name, [])}, and not {_in_order(one.pages)}"
        for one in situations
        if paged.get(one.name, []) != _in_order(one.pages)
    ]
    assert not wrong, "\n".join(wrong)


async def every_situation(play: Play) -> None:
    await lives_through(play, SITUATIONS, "+2 10:00")


def outage(catch_up: str) -> Story:
    """The day on which nothing runs for a while."""

    async def nothing_ran(play: Play) -> None:
        await lives_through(play, OUTAGES[catch_up], "15:00", DOWN)

    return Story(nothing_ran, rules_for(OUTAGES[catch_up], catch_up), console_and_phone)


DAY: Final = Story(every_situation, rules_for(SITUATIONS), console_and_phone)
