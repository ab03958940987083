"""Who an incident belongs to: the team by service or category, the responder by severity, skill, load and availability.

In: what a new incident is about, the rules, the instant, how many unfinished incidents each assignee has. Out: team,
assignee, and the reason in words. Invariants: the same arguments give the same answer; who cannot be called at that
instant is not chosen for a skill or a load; where nobody fits, the answer is what it is without skills.
It does not say who is called: that is the escalation's, step by step.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tocsin.domain.directory import standing_for, target_of, unreachable
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Assignment, Rules
from tocsin.domain.schedule import on_call_at
from tocsin.domain.severity import Severity

BY_SERVICE: Final = "by_service"
BY_CATEGORY: Final = "by_category"
BY_SEVERITY: Final = "by_severity"
BY_SKILL: Final = "by_skill"
BY_LOAD: Final = "by_load"


class Assigned(NamedTuple):
    """Whose an incident is. Empty texts where no rule says anything."""

    team: str
    assignee: str
    because: str
    """A word, and after a colon what it rests on: for people, and in the event."""


def assigned_to(
    category: str, severity: Severity, service: str, rules: Rules, at: Instant, load: Mapping[str, int]
) -> Assigned:
    """Team and responder of a new incident.

    Args:
        load: unfinished incidents by assignee; whoever is not in it has none.
    """
    assignment = rules.assignment
    responder = assignment.by_severity.get(severity, "")
    team, because = assignment.by_category.get(category, ""), BY_CATEGORY
    if rules.services and (known := rules.services.get(service)) is not None and known.team:
        team, because = known.team, BY_SERVICE
    if not team:
        team, because = responder, BY_SEVERITY if responder else ""
    if assignment.balance or category in assignment.by_skill:
        chosen = _chosen(category, (team, responder), rules, at, load)
        if chosen is not None:
            return Assigned(team, *chosen)
    return Assigned(team, responder, because)


def _chosen(
    category: str, targets: tuple[str, ...], rules: Rules, at: Instant, load: Mapping[str, int]
) -> tuple[str, str] | None:
    """Of the first target that has somebody who fits and can be called: who, and why. None where there is none."""
    assignment = rules.assignment
    skills = set(assignment.by_skill.get(category, ()))
    word = BY_SKILL if skills else BY_LOAD
    for target in dict.fromkeys(target for target in targets if target):
        people = standing_for(target, rules)
        fit = [one for one in people if one in rules.users and skills <= set(rules.users[one].skills)]
        on_duty = set(_on_duty(target, rules, at)) if fit else set()
        free = [one for one in fit if not unreachable(one, rules, at, on_duty=one in on_duty)]
        if free:
            ranked = sorted(free, key=lambda one: _rank(one, assignment, load, on_duty))
            return ranked[0], f"{word}: {_words(ranked[0], free, fit, assignment, load, on_duty)}"
    return None


def _rank(one: str, assignment: Assignment, load: Mapping[str, int], on_duty: set[str]) -> tuple[int, bool, str]:
    """Fewest incidents first if they are balanced, then who is on duty, then by name."""
    return (load.get(one, 0) if assignment.balance else 0, one not in on_duty, one)


def _words(
    one: str, free: list[str], fit: list[str], assignment: Assignment, load: Mapping[str, int], on_duty: set[str]
) -> str:
    reason = "is on duty" if one in on_duty else "is free"
    if assignment.balance:
        count = load.get(one, 0)
        reason = f"has fewest ({count})" if len(free) > 1 else f"has {count}"
    return f"{len(free)} of {len(fit)} can be called, {one} {reason}"


def _on_duty(target: str, rules: Rules, at: Instant) -> tuple[str, ...]:
    """Who is on duty for a target now; nobody where it has no schedule."""
    asked = target_of(target, rules)
    schedule = asked.name if asked.kind == "schedule" else ""
    if asked.kind == "team" and asked.name in rules.teams:
        schedule = rules.teams[asked.name].schedule
    return on_call_at(schedule, rules, at).users if schedule in rules.schedules else ()
