"""Who an incident belongs to: service, category, severity; then skill, load and availability."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.assignment import Assigned, assigned_to
from tocsin.domain.rules import Assignment, Calendar, Layer, Restriction, Rules, Schedule, Service, Team, User
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
AWAY = (Absence(start=NOON - timedelta(hours=1), end=NOON + timedelta(hours=1)),)
CATEGORIES = {"database": "dba", "network": "net"}
SKILLED = Assignment(by_category=CATEGORIES, by_severity={Severity.HIGH: "sre"}, by_skill={"database": ("postgres",)})


def rules(assignment: Assignment, **users: User) -> Rules:
    plain = {
        "ana": User(skills=("postgres", "linux")),
        "bob": User(skills=("postgres",)),
        "cem": User(skills=("linux",)),
        "sue": User(skills=("postgres",)),
    }
    return Rules(
        assignment=assignment,
        users={**plain, **users},
        teams={"dba": Team(members=("bob", "ana", "cem")), "sre": Team(members=("sue",)), "net": Team()},
        services={"shop": Service(team="web"), "bank": Service()},
    )


def assigned(some: Rules, category: str = "database", service: str = "", **load: int) -> Assigned:
    return assigned_to(category, Severity.HIGH, service, some, NOON, load)


def balanced(**changes: object) -> Assignment:
    return Assignment(
        **{  # type: ignore[arg-type]
            "by_category": CATEGORIES,
            "by_severity": SKILLED.by_severity,
            "by_skill": SKILLED.by_skill,
            "balance": True,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("severity", "category", "service", "expected"),
    [
        (Severity.HIGH, "database", "", Assigned("database_team", "on_call_engineer", "by_category")),
        (Severity.CRITICAL, "security", "", Assigned("security_team", "emergency_team", "by_category")),
        (Severity.EMERGENCY, "payment", "", Assigned("emergency_team", "emergency_team", "by_severity")),
        (Severity.LOW, "system", "", Assigned("platform_team", "", "by_category")),
        (Severity.LOW, "payment", "", Assigned("", "", "")),
    ],
)
def test_without_settings_it_is_the_table(severity: Severity, category: str, service: str, expected: Assigned) -> None:
    assert assigned_to(category, severity, service, Rules(), NOON, {}) == expected


def test_the_owner_of_the_service_goes_before_the_category() -> None:
    plain = Assignment(by_category=CATEGORIES, by_severity={})
    assert assigned(rules(plain), service="shop") == Assigned("web", "", "by_service")
    assert assigned(rules(plain), service="bank") == Assigned("dba", "", "by_category")
    assert assigned(rules(plain), service="other") == Assigned("dba", "", "by_category")


def test_the_skill_of_a_category_chooses_among_the_team() -> None:
    found = assigned(rules(SKILLED))
    assert found == Assigned("dba", "ana", "by_skill: 2 of 2 can be called, ana is free")
    assert assigned(rules(SKILLED), category="network") == Assigned("net", "sre", "by_category")


def test_who_is_away_or_out_of_hours_is_not_chosen() -> None:
    assert assigned(rules(SKILLED, ana=User(skills=("postgres",), away=AWAY))).because == (
        "by_skill: 1 of 2 can be called, bob is free"
    )
    night = User(skills=("postgres",), working_hours="night")
    closed = {"night": Calendar(hours=(Restriction(start="22:00", end="06:00"),))}
    some = Rules(
        **{name: getattr(rules(SKILLED, ana=night, bob=night), name) for name in ("assignment", "users", "teams")},
        calendars=closed,
    )
    assert assigned(some) == Assigned("dba", "sue", "by_skill: 1 of 1 can be called, sue is free")


def test_with_nobody_of_the_team_free_the_responder_of_the_severity_is_asked_and_then_the_table_holds() -> None:
    gone = {name: User(skills=("postgres",), away=AWAY) for name in ("ana", "bob")}
    assert assigned(rules(SKILLED, **gone)).assignee == "sue"
    gone["sue"] = User(skills=("postgres",), away=AWAY)
    assert assigned(rules(SKILLED, **gone)) == Assigned("dba", "sre", "by_category")


def test_load_is_balanced_among_those_with_the_skill() -> None:
    some = rules(balanced())
    assert assigned(some, ana=2, bob=1) == Assigned("dba", "bob", "by_skill: 2 of 2 can be called, bob has fewest (1)")
    assert assigned(some, ana=1, bob=1).assignee == "ana"
    assert assigned(some, category="network") == Assigned("net", "sue", "by_load: 1 of 1 can be called, sue has 0")


def test_who_is_on_duty_goes_first_whatever_the_working_hours() -> None:
    plain = rules(SKILLED, bob=User(skills=("postgres",), working_hours="never"))
    never = Calendar(hours=(Restriction(days=(6,), start="00:00", end="00:01"),))
    some = Rules(
        assignment=SKILLED,
        users=plain.users,
        teams={"dba": Team(members=("ana",), schedule="dba")},
        schedules={"dba": Schedule(layers=(Layer(users=("bob",), starts_at="2026-01-01T00:00"),))},
        calendars={"never": never},
    )
    assert assigned(some) == Assigned("dba", "bob", "by_skill: 2 of 2 can be called, bob is on duty")


people = st.sampled_from(["ana", "bob", "cem", "sue"])


@given(
    away=st.sets(people),
    load=st.dictionaries(people, st.integers(1, 5)),
    order=st.permutations(["bob", "ana", "cem"]),
    skills=st.sampled_from([{}, {"database": ("postgres",)}, {"database": ("postgres", "linux")}]),
)
def test_the_chosen_one_fits_can_be_called_and_has_the_fewest(
    away: set[str], load: dict[str, int], order: list[str], skills: dict[str, tuple[str, ...]]
) -> None:
    plain = rules(balanced(by_skill=skills))
    users = {name: User(skills=user.skills, away=AWAY if name in away else ()) for name, user in plain.users.items()}
    some = Rules(assignment=plain.assignment, users=users, teams={**plain.teams, "dba": Team(members=tuple(order))})
    found = assigned(some, **load)
    needed = set(skills.get("database", ()))
    fit = sorted(
        (load.get(name, 0), name)
        for name in ("ana", "bob", "cem")
        if name not in away and needed <= {*users[name].skills}
    )
    if fit:
        assert found.assignee == fit[0][1]
    else:
        assert found.assignee in ("sue", "sre")
