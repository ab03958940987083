"""Which playbooks an incident has, and how one is run: step by step, each step with who, when and how it went.

In: an incident's header, the rules, the steps that people report. Out: playbooks by name, and `PlaybookRun`s as they
are after each step. Invariants: a run has the steps that its playbook had when it began, whatever the rules say later;
it is finished when each step has an outcome, and a finished run does not change. Shipped playbooks (`playbooks.py`) are
there without any settings; one of the rules with the same name replaces or disables it.
It executes nothing: people do the steps.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.playbooks import SHIPPED
from tocsin.domain.rules import Playbook, PlaybookStep, Rules

STEPS_MAX: Final = 50
"""Of one playbook: more is a manual. They travel whole in the event that starts a run."""
STEP_TEXT_MAX: Final = 1000
"""Characters of one step: 50 of them stay far below the limit of an event."""
RUNS_MAX: Final = 20
"""Of one incident: they stay in its state."""


class StepOutcome(StrEnum):
    """How a step went."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class StepRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step of a run."""

    text: str
    minutes: float = 0
    skills: tuple[str, ...] = ()
    outcome: str = ""
    """A `StepOutcome`; empty = still to do."""
    by: str = ""
    at: Instant | None = None
    note: str = ""


class PlaybookRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A playbook that somebody runs, or has run, for an incident."""

    playbook: str
    title: str
    started_at: Instant
    started_by: str
    steps: tuple[StepRun, ...]
    finished_at: Instant | None = None

    @property
    def upcoming(self) -> int:
        """Number of the first step without an outcome, from 1; 0 when every step has one."""
        return next((number for number, step in enumerate(self.steps, 1) if not step.outcome), 0)


def all_playbooks(rules: Rules) -> dict[str, Playbook]:
    """Every playbook by name: the shipped ones, and over them those of the rules; disabled ones are left out."""
    every = {**SHIPPED, **rules.playbooks}
    return {name: every[name] for name in sorted(every) if every[name].enabled}


def playbooks_for(header: IncidentHeader, rules: Rules) -> dict[str, Playbook]:
    """The playbooks whose categories and severities fit the incident, by name; those that name both come first."""
    return fitting(rules, header.category, header.severity)


def fitting(rules: Rules, category: str = "", severity: str = "") -> dict[str, Playbook]:
    """The playbooks for incidents of a category and a severity, either of which may be left open."""
    found = {
        name: playbook
        for name, playbook in all_playbooks(rules).items()
        if (not category or not playbook.categories or category in playbook.categories)
        and (not severity or not playbook.severities or severity in playbook.severities)
    }
    return {name: found[name] for name in sorted(found, key=lambda name: (-_exactness(found[name]), name))}


def _exactness(playbook: Playbook) -> int:
    return bool(playbook.categories) + bool(playbook.severities)


def minutes_of(playbook: Playbook) -> float:
    """How long the whole playbook is expected to take, in minutes."""
    return playbook.estimated_duration_minutes or sum(step.minutes for step in playbook.steps)


def skills_of(playbook: Playbook) -> tuple[str, ...]:
    """What those who run it must know, each skill once."""
    return playbook.required_skills or tuple(dict.fromkeys(skill for step in playbook.steps for skill in step.skills))


def run_of(name: str, title: str, steps: tuple[PlaybookStep, ...], at: Instant, by: str) -> PlaybookRun:
    """A run that begins now."""
    return PlaybookRun(
        playbook=name,
        title=title,
        started_at=at,
        started_by=by,
        steps=tuple(StepRun(text=step.text, minutes=step.minutes, skills=step.skills) for step in steps),
    )


def stepped(run: PlaybookRun, number: int, outcome: str, by: str, at: Instant, note: str = "") -> PlaybookRun:
    """`run` after step `number` (from 1) went like `outcome`; unchanged when it has no such step or is finished."""
    if run.finished_at is not None or not 1 <= number <= len(run.steps):
        return run
    steps = list(run.steps)
    steps[number - 1] = msgspec.structs.replace(steps[number - 1], outcome=outcome, by=by, at=at, note=note)
    return msgspec.structs.replace(run, steps=tuple(steps))


def finished(run: PlaybookRun, at: Instant) -> PlaybookRun:
    """`run` when it has ended."""
    return msgspec.structs.replace(run, finished_at=at)


def running(runs: tuple[PlaybookRun, ...], playbook: str = "") -> PlaybookRun | None:
    """The run that is not finished: that of `playbook`, else the one started last."""
    open_runs = [run for run in runs if run.finished_at is None and playbook in ("", run.playbook)]
    return open_runs[-1] if open_runs else None


def described(name: str, playbook: Playbook) -> Mapping[str, object]:
    """A playbook as people see it: JSON-ready, field names of REQUIREMENTS A4."""
    return {
        "name": name,
        "title": playbook.title,
        "description": playbook.description,
        "steps": [
            {"step": number, "text": step.text, "minutes": step.minutes, "skills": list(step.skills)}
            for number, step in enumerate(playbook.steps, 1)
        ],
        "estimated_duration_minutes": minutes_of(playbook),
        "required_skills": list(skills_of(playbook)),
        "categories": list(playbook.categories),
        "severities": [severity.value for severity in playbook.severities],
        "runbook": playbook.runbook,
    }
