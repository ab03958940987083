"""Who is reached for a target: people on duty, away, out of hours, and never nobody."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.directory import KINDS, Reached, next_in_hours, reach, standing_for, target_of, word_of
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Calendar, Layer, People, Restriction, Rules, Schedule, Service, Target, Team, User
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)  # a Wednesday
NIGHT = datetime(2026, 1, 7, 23, tzinfo=UTC)
OFFICE = Calendar(hours=(Restriction(days=(0, 1, 2, 3, 4), start="09:00", end="17:00"),))
AWAY = (Absence(start=NOON - timedelta(hours=1), end=NOON + timedelta(hours=1), reason="ill"),)


def header(team: str = "dba", service: str = "shop") -> IncidentHeader:
    return IncidentHeader(
        id="inc_aa",
        number="INC-2026-01-07-001",
        version=1,
        title="down",
        severity=Severity.HIGH,
        status=Status.OPEN,
        opened_at=NOON,
        team=team,
        service=service,
    )


def rules(**changes: object) -> Rules:
    plain = {
        "people": People(catch_all="everyone"),
        "users": {
            "ana": User(contacts={"email": ("ana@example.org",)}, channels=("chat",)),
            "bob": User(contacts={"phone": ("+441",)}),
            "chef": User(),
        },
        "teams": {
            "dba": Team(schedule="dba", contacts={"email": ("dba@example.org",)}, manager="chef"),
            "web": Team(members=("ana", "bob"), lead="chef"),
            "everyone": Team(contacts={"email": ("all@example.org",)}),
        },
        "schedules": {"dba": Schedule(layers=(Layer(users=("ana", "bob"), starts_at="2026-01-05T09:00"),))},
        "services": {"shop": Service(team="web", vendor={"email": ("help@vendor.example",)})},
        "calendars": {"office": OFFICE},
    }
    return Rules(**{**plain, **changes})  # type: ignore[arg-type]


def names(reached: Reached) -> list[str]:
    return [one.recipient for one in reached.recipients]


@pytest.mark.parametrize(
    ("target", "expected", "by"),
    [
        ("ana", ["user:ana"], "target"),
        ("user:ana", ["user:ana"], "target"),
        ("dba", ["user:ana"], "target"),  # the team goes before the schedule of that name
        ("schedule:dba", ["user:ana"], "target"),
        ("web", ["user:ana", "user:bob"], "target"),
        ("channel:ops", ["channel:ops"], "target"),
        ("management", ["user:chef"], "target"),
        ("management:web", ["user:chef"], "target"),  # no manager: the lead
        ("vendor", ["vendor:shop"], "target"),
        ("everyone", ["team:everyone"], "target"),
        ("", ["team:everyone"], "target"),
        ("nobody", ["team:everyone"], "catch_all"),
        ("user:nobody", ["team:everyone"], "catch_all"),
        ("schedule:nobody", ["team:everyone"], "catch_all"),
        ("vendor:nobody", ["team:everyone"], "catch_all"),
        ("management:everyone", ["team:everyone"], "team_contacts"),
    ],
)
def test_a_target_stands_for(target: str, expected: list[str], by: str) -> None:
    reached = reach(target, rules(), header(), NOON)
    assert (names(reached), reached.by) == (expected, by)


def test_contacts_and_channels_are_the_persons_own() -> None:
    (ana,) = reach("dba", rules(), header(), NOON).recipients
    assert ana.contacts == {"email": ("ana@example.org",)}
    assert ana.channels == ("chat",)
    assert ana.why == "on duty: dba (layer 1)"


def test_who_is_away_is_passed_over_with_the_reason_and_the_next_takes_the_duty() -> None:
    some = rules(users={"ana": User(away=AWAY), "bob": User()})
    reached = reach("dba", some, header(), NOON)
    assert names(reached) == ["user:bob"]
    assert [(one.recipient, one.why) for one in reached.skipped] == [
        ("user:ana", "away until 2026-01-07T13:00+00:00 (ill)")
    ]
    assert names(reach("dba", some, header(), NOON + timedelta(hours=1))) == ["user:ana"]


def test_with_everybody_away_the_contacts_of_the_team_stand_in_then_the_fallback_then_the_catch_all() -> None:
    gone = {name: User(away=AWAY) for name in ("ana", "bob", "chef")}
    reached = reach("dba", rules(users=gone), header(), NOON)
    assert (names(reached), reached.by) == (["team:dba"], "target")
    reached = reach("web", rules(users=gone), header(), NOON, fallback="dba")
    assert (names(reached), reached.by) == (["team:dba"], "fallback")
    reached = reach("web", rules(users=gone), header(), NOON, fallback="nobody")
    assert (names(reached), reached.by) == (["team:everyone"], "catch_all")
    assert {one.recipient for one in reached.skipped} >= {"user:ana", "user:bob", "user:chef", "team:nobody"}


def test_a_catch_all_whose_people_are_all_away_is_still_reached() -> None:
    some = rules(users={"ana": User(away=AWAY)}, teams={"everyone": Team(members=("ana",))})
    reached = reach("ana", some, header(), NOON)
    assert (names(reached), reached.by) == (["team:everyone"], "catch_all")


def test_without_any_settings_the_catch_all_is_reached() -> None:
    assert names(reach("on_call_engineer", Rules(), header(), NOON)) == ["team:everyone"]


def test_working_hours_are_by_the_persons_own_clock_and_duty_goes_before_them() -> None:
    users = {
        "ana": User(working_hours="office", time_zone="America/Los_Angeles"),
        "bob": User(working_hours="office"),
    }
    some = rules(users=users)
    assert names(reach("bob", some, header(), NOON)) == ["user:bob"]
    late = reach("user:ana", some, header(), NOON)  # 04:00 in Los Angeles
    assert late.by == "catch_all"
    assert [(one.recipient, one.why) for one in late.skipped] == [("user:ana", "out of hours")]
    assert names(reach("user:ana", some, header(), NIGHT)) == ["user:ana"]  # 15:00 there
    assert names(reach("schedule:dba", some, header(), NOON)) == ["user:ana"]


def test_the_next_working_hours_of_a_target() -> None:
    users = {"ana": User(working_hours="office"), "bob": User(working_hours="office", time_zone="Asia/Tokyo")}
    some = rules(users=users)
    assert next_in_hours("user:ana", some, NOON) == NOON
    assert next_in_hours("user:ana", some, NIGHT) == datetime(2026, 1, 8, 9, tzinfo=UTC)
    assert next_in_hours("user:bob", some, NIGHT) == datetime(2026, 1, 8, 0, tzinfo=UTC)
    assert next_in_hours("web", some, NIGHT) == NIGHT  # chef, the lead, has none
    assert next_in_hours("dba", some, NIGHT) == datetime(2026, 1, 8, 0, tzinfo=UTC)
    assert next_in_hours("channel:ops", some, NIGHT) == NIGHT
    closed = Calendar(hours=(Restriction(days=(0,), start="09:00", end="10:00"),), holidays=(date(2026, 1, 12),))
    assert next_in_hours("user:ana", rules(users=users, calendars={"office": closed}), NIGHT) == datetime(
        2026, 1, 19, 9, tzinfo=UTC
    )


def test_everybody_whom_a_target_may_stand_for() -> None:
    assert standing_for("dba", rules()) == ("ana", "bob")
    assert standing_for("web", rules()) == ("ana", "bob", "chef")
    assert standing_for("channel:ops", rules()) == ()


def test_a_word_and_its_target_are_the_same() -> None:
    for kind in KINDS:
        target = Target(kind=kind, name="dba")
        assert target_of(word_of(target), rules()) == target
    assert target_of("management", rules()) == Target(kind="management")


people = st.sampled_from(["ana", "bob", "chef", "nobody", ""])
teams = st.builds(
    Team,
    members=st.lists(people, max_size=3).map(tuple),
    contacts=st.sampled_from([{}, {"email": ("x@example.org",)}]),
    schedule=st.sampled_from(["", "dba", "gone"]),
    lead=people,
    manager=people,
)


@given(
    target=st.builds(Target, kind=st.sampled_from(KINDS), name=st.sampled_from(["", "ana", "dba", "web", "shop", "x"])),
    teams=st.dictionaries(st.sampled_from(["dba", "web", "everyone"]), teams),
    away=st.sets(people),
    fallback=st.sampled_from(["", "web", "x"]),
)
def test_nobody_is_never_the_answer_and_nobody_away_is_called(
    target: Target, teams: dict[str, Team], away: set[str], fallback: str
) -> None:
    users = {name: User(away=AWAY if name in away else ()) for name in ("ana", "bob", "chef")}
    reached = reach(target, rules(users=users, teams=teams), header(), NOON, fallback=fallback)
    called = names(reached)
    assert called
    assert len(called) == len(set(called))
    assert not {f"user:{name}" for name in away} & set(called)
    assert not {one.recipient for one in reached.skipped} & set(called) - {"team:everyone"}
