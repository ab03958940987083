"""Who is called when nobody answers: the steps that the policy gives for an incident, and what follows a step.

In: an incident header, the rows of the policy, the instant from which they count. Out: `EscalationStep`s with their
instants, sorted by when they are due. Invariants: no two steps of a plan are equal; a raised severity makes no call
later than it was.
It does not know who is on call: that is looked up when a step fires.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from tocsin.domain.events import EscalationStep
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import EscalationRule, Matcher


def holds(condition: Matcher, header: IncidentHeader) -> bool:
    """Whether `condition` holds for the incident as `header` shows it."""
    return condition.holds(
        severity=header.severity,
        status=header.status,
        category=header.category,
        service=header.service,
        labels=header.labels,
    )


def steps_for(header: IncidentHeader, rules: Sequence[EscalationRule], since: Instant) -> tuple[EscalationStep, ...]:
    """The steps of all rows whose condition holds, counted from `since`."""
    return in_order(_step(rule, since) for rule in rules if holds(rule.condition, header))


def _step(rule: EscalationRule, since: Instant) -> EscalationStep:
    repeats = rule.repeat_minutes > 0 and rule.repeat_times > 0
    return EscalationStep(
        level=rule.escalation_level,
        escalate_to=rule.escalate_to,
        due_at=since + timedelta(minutes=rule.escalate_after_minutes),
        notification_channels=rule.notification_channels,
        repeat_seconds=max(1, round(rule.repeat_minutes * 60)) if repeats else 0,
        repeats_left=rule.repeat_times if repeats else 0,
    )


def in_order(steps: Iterable[EscalationStep]) -> tuple[EscalationStep, ...]:
    """The steps, each once, in the order in which they are due; those due together by level."""
    once = dict.fromkeys(steps)
    return tuple(sorted(once, key=lambda step: (step.due_at, step.level, step.escalate_to, step.repeat)))


def replanned(steps: Sequence[EscalationStep], pending: Sequence[EscalationStep]) -> tuple[EscalationStep, ...]:
    """The plan after a raise: the new `steps`, but nothing later than what was `pending`.

    A level that was waiting stays due when it was; the first call comes no later than the earliest one that waited.
    Where the policy has no row for the new severity, what was pending stays: a raise never silences an escalation.
    """
    if not steps or not pending:
        return in_order(steps or pending)
    was: dict[int, Instant] = {}
    for step in pending:
        was[step.level] = min(step.due_at, was.get(step.level, step.due_at))
    first, *rest = in_order(replace(step, due_at=min(step.due_at, was.get(step.level, step.due_at))) for step in steps)
    return in_order([replace(first, due_at=min(first.due_at, *was.values())), *rest])


def following(step: EscalationStep, now: Instant) -> EscalationStep | None:
    """The same step again, when it repeats: the first instant of its rhythm after `now`, so that repeats which were due
    while nothing ran are not made up for all at once."""
    if step.repeats_left <= 0:
        return None
    rhythm = timedelta(seconds=step.repeat_seconds)
    missed = max(0, (now - step.due_at) // rhythm)
    return replace(
        step,
        due_at=step.due_at + rhythm * (missed + 1),
        repeats_left=step.repeats_left - 1,
        repeat=step.repeat + 1,
    )


def next_of(steps: Iterable[EscalationStep]) -> EscalationStep | None:
    """The step that is due first, or None."""
    return min(steps, key=lambda step: (step.due_at, step.level), default=None)
