"""Which playbooks an incident has, and how a run goes from step to step."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.playbook import (
    StepOutcome,
    all_playbooks,
    described,
    finished,
    minutes_of,
    playbooks_for,
    run_of,
    running,
    skills_of,
    stepped,
)
from tocsin.domain.playbooks import SHIPPED
from tocsin.domain.rules import Playbook, PlaybookStep, Rules
from tocsin.domain.severity import Severity

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def header(category: str, severity: Severity = Severity.CRITICAL) -> IncidentHeader:
    return IncidentHeader(
        id="inc_aa",
        number="INC-2026-11-21-001",
        version=1,
        title="Something broke",
        severity=severity,
        status=Status.OPEN,
        opened_at=NOON,
        category=category,
    )


def own(**fields: object) -> Playbook:
    return msgspec.convert({"title": "Own", "steps": [{"text": "look"}], **fields}, Playbook)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_playbook_has_six_steps_with_minutes_and_skills(name: str) -> None:
    playbook = SHIPPED[name]
    assert len(playbook.steps) == 6
    assert all(step.minutes > 0 and step.skills for step in playbook.steps)
    assert sum(step.minutes for step in playbook.steps) == playbook.estimated_duration_minutes
    assert {skill for step in playbook.steps for skill in step.skills} == set(playbook.required_skills)


def test_four_are_shipped_and_the_one_for_databases_is_as_asked() -> None:
    assert len(SHIPPED) == 4
    shown = described("database-connection-failure", SHIPPED["database-connection-failure"])
    assert shown["estimated_duration_minutes"] == 30
    assert shown["required_skills"] == ["database_admin", "system_admin"]


@pytest.mark.parametrize(
    ("category", "severity", "expected"),
    [
        ("database", Severity.CRITICAL, ["database-connection-failure"]),
        ("database", Severity.LOW, []),
        ("security", Severity.MEDIUM, ["security-incident"]),
        ("performance", Severity.HIGH, ["performance-degradation"]),
        ("payment", Severity.EMERGENCY, ["high-error-rate"]),
        ("network", Severity.CRITICAL, []),
    ],
)
def test_category_and_severity_choose(category: str, severity: Severity, expected: list[str]) -> None:
    assert list(playbooks_for(header(category, severity), Rules())) == expected


def test_one_of_the_rules_replaces_or_disables_a_shipped_one_and_general_ones_come_last() -> None:
    rules = Rules(
        playbooks={
            "database-connection-failure": own(title="Ours", categories=["database"]),
            "high-error-rate": Playbook(title="", steps=(), enabled=False),
            "anything": own(),
        }
    )
    assert list(playbooks_for(header("database"), rules)) == ["database-connection-failure", "anything"]
    assert all_playbooks(rules)["database-connection-failure"].title == "Ours"
    assert "high-error-rate" not in all_playbooks(rules)


def test_minutes_and_skills_come_from_the_steps_unless_they_are_said() -> None:
    steps = [{"text": "a", "minutes": 2, "skills": ["x"]}, {"text": "b", "minutes": 3, "skills": ["y", "x"]}]
    assert (minutes_of(own(steps=steps)), skills_of(own(steps=steps))) == (5, ("x", "y"))
    said = own(steps=steps, estimated_duration_minutes=9, required_skills=["z"])
    assert (minutes_of(said), skills_of(said)) == (9, ("z",))


def test_a_run_says_who_did_what_when() -> None:
    run = run_of("own", "Own", (PlaybookStep(text="look"), PlaybookStep(text="act")), NOON, "ana")
    assert run.upcoming == 1
    run = stepped(run, 1, StepOutcome.DONE, "bo", NOON + timedelta(minutes=1), "all fine")
    assert (run.steps[0].by, run.steps[0].note, run.upcoming) == ("bo", "all fine", 2)
    assert running((run,)) is run
    assert running((run,), "other") is None
    run = finished(stepped(run, 2, StepOutcome.SKIPPED, "ana", NOON), NOON)
    assert running((run,)) is None
    assert stepped(run, 2, StepOutcome.DONE, "ana", NOON) is run, "a finished run does not change"


@given(st.lists(st.tuples(st.integers(-1, 5), st.sampled_from(list(StepOutcome))), max_size=20))
def test_a_run_keeps_its_steps_and_its_last_outcomes(reports: list[tuple[int, StepOutcome]]) -> None:
    run = run_of("own", "Own", tuple(PlaybookStep(text=str(n)) for n in range(4)), NOON, "ana")
    expected: dict[int, str] = {}
    for number, outcome in reports:
        run = stepped(run, number, outcome, "bo", NOON)
        if 1 <= number <= 4:
            expected[number] = outcome
    assert {n: step.outcome for n, step in enumerate(run.steps, 1) if step.outcome} == expected
    assert [step.text for step in run.steps] == ["0", "1", "2", "3"]
    assert run.upcoming == min(set(range(1, 5)) - set(expected), default=0)
