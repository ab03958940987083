"""Who is called when nobody answers: the steps that the policy gives for an incident, and what follows a step.

In: an incident header, the rules, the instant from which the steps count. Out: `EscalationStep`s with their instants,
sorted by when they are due; when one is due, who is reached. Invariants: no two steps of a plan are equal; a raised
severity makes no call later than it was; a step that calls reaches somebody.
Rows of the rules and levels of a named policy become the same steps; a level brings `terms` that are asked when it is
due. Who is on call is looked up then, too (`domain.directory`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from tocsin.domain.condition import holds
from tocsin.domain.directory import CATCH_ALL, FALLBACK, Reached, Recipient, Skipped, reach, word_of
from tocsin.domain.events import EscalationStep, StepTerms
from tocsin.domain.header import IncidentHeader, cut_text
from tocsin.domain.hours import opening
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import EscalationRule, Matcher, Policy, Rules, Target

PLAN_MAX: Final = 200
"""Calls that `plan` foresees: whoever reads more of them has stopped reading."""
ROUND_MIN: Final = timedelta(minutes=1)
"""The shortest round of a policy that loops: one whose levels all come at once would call without a pause."""
DEFAULT_POLICY: Final = "default"
"""The policy of what no service and no condition gives another one."""
WORDS_MAX: Final = 300
"""Characters of the targets of a level as one text."""
MANAGEMENT: Final = "management"
"""Who is called behind the last level."""


# ---- plans -----------------------------------------------------------------------------------------------------------


def policy_for(header: IncidentHeader, rules: Rules, at: Instant) -> str:
    """The named policy that an incident takes; empty = the rows of the rules.

    That of its service, else the first by name whose condition holds, else the one called `default`. Any other policy
    without a condition is for services that name it.
    """
    if not rules.policies:
        return ""
    service = rules.services.get(header.service)
    if service is not None and service.policy in rules.policies:
        return service.policy
    for name in sorted(rules.policies):
        condition = rules.policies[name].condition
        if condition != _ALWAYS and holds(condition, header, at):
            return name
    return DEFAULT_POLICY if DEFAULT_POLICY in rules.policies else ""


def steps_for(header: IncidentHeader, rules: Rules, since: Instant) -> tuple[EscalationStep, ...]:
    """The steps for an incident, counted from `since`: the levels of its policy, else all rows whose condition
    holds."""
    return planned_for(header, rules, since)[1]


def planned_for(header: IncidentHeader, rules: Rules, since: Instant) -> tuple[str, tuple[EscalationStep, ...]]:
    """The name of the policy (empty = the rows) and its steps; see `steps_for`."""
    if name := policy_for(header, rules, since):
        return name, levels_of(rules.policies[name], since)
    rows = [(rule, since + timedelta(minutes=rule.escalate_after_minutes)) for rule in rules.escalation]
    # The age of the incident and the time of day are those at which the step is due.
    return "", in_order([_step(rule, due_at) for rule, due_at in rows if holds(rule.condition, header, due_at)])


def _step(rule: EscalationRule, due_at: Instant) -> EscalationStep:
    repeats = rule.repeat_minutes > 0 and rule.repeat_times > 0
    return EscalationStep(
        level=rule.escalation_level,
        escalate_to=rule.escalate_to,
        due_at=due_at,
        notification_channels=rule.notification_channels,
        repeat_seconds=max(1, round(rule.repeat_minutes * 60)) if repeats else 0,
        repeats_left=rule.repeat_times if repeats else 0,
    )


def levels_of(policy: Policy, since: Instant) -> tuple[EscalationStep, ...]:
    """The steps of a policy; the later rounds of one that loops follow from those of the first."""
    length = max(ROUND_MIN, sum((level.after for level in policy.levels), timedelta(0)))
    due_at = since
    steps = []
    for number, level in enumerate(policy.levels, 1):
        due_at += level.after
        repeats = level.repeat_every > timedelta(0) and level.repeat_times > 0
        steps.append(
            EscalationStep(
                level=number,
                escalate_to=cut_text(", ".join(map(_named, level.targets)), WORDS_MAX),
                due_at=due_at,
                notification_channels=level.notification_channels,
                repeat_seconds=max(1, round(level.repeat_every.total_seconds())) if repeats else 0,
                repeats_left=level.repeat_times if repeats else 0,
                terms=StepTerms(
                    targets=level.targets,
                    condition=None if level.condition == _ALWAYS else level.condition,
                    only_in_hours=level.only_in_hours,
                    every_target=level.every_target,
                    fallback=policy.fallback,
                    rounds_left=policy.loops,
                    round_seconds=round(length.total_seconds()) if policy.loops else 0,
                    round_due_at=due_at if policy.loops else None,
                ),
            )
        )
    return in_order(steps)


def _named(target: Target) -> str:
    return word_of(target) if target.kind else target.name


def in_order(steps: Iterable[EscalationStep]) -> tuple[EscalationStep, ...]:
    """The steps, each once, in the order in which they are due; those due together by level."""
    ordered = sorted(steps, key=_order)
    if len(ordered) < 2:
        return tuple(ordered)
    return tuple(step for nth, step in enumerate(ordered) if step not in _beside(ordered, nth))


def _order(step: EscalationStep) -> tuple[Instant, int, str, int]:
    return step.due_at, step.level, step.escalate_to, step.repeat


def _beside(ordered: Sequence[EscalationStep], nth: int) -> Iterator[EscalationStep]:
    """Those in front of place `nth` that are sorted alike."""
    place = _order(ordered[nth])
    while nth and _order(ordered[nth - 1]) == place:
        nth -= 1
        yield ordered[nth]


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


def raised(
    steps: Sequence[EscalationStep], pending: Sequence[EscalationStep], called: int
) -> tuple[EscalationStep, ...]:
    """The plan after a raise within one policy, of which the levels up to `called` were called: those are not called
    again, but for the repeats that wait. Behind the last level it begins anew."""
    above = replanned(
        [step for step in steps if step.level > called], [step for step in pending if step.level > called]
    )
    return in_order([*above, *(step for step in pending if step.level <= called)]) or in_order(steps)


def shifted(steps: Iterable[EscalationStep], by: timedelta) -> tuple[EscalationStep, ...]:
    """The same steps, each later by `by`."""
    return tuple(_moved(step, step.due_at + by) for step in steps)


def _moved(step: EscalationStep, due_at: Instant) -> EscalationStep:
    terms = step.terms
    if terms is not None and terms.round_due_at is not None:
        terms = replace(terms, round_due_at=terms.round_due_at + (due_at - step.due_at))
    return replace(step, due_at=due_at, terms=terms)


# ---- after a step ----------------------------------------------------------------------------------------------------


def missed(step: EscalationStep, now: Instant) -> int:
    """How many further instants of its rhythm have passed at `now`, none of which is called for by itself."""
    if step.repeats_left <= 0:
        return 0
    return max(0, (now - step.due_at) // timedelta(seconds=step.repeat_seconds))


def following(step: EscalationStep, now: Instant, *, one_by_one: bool = False) -> EscalationStep | None:
    """The same step again, when it repeats: the first instant of its rhythm after `now`, so that repeats which were due
    while nothing ran are not made up for all at once; `one_by_one`: the next instant, though it has passed. Behind
    the last repeat the same level of the next round."""
    if step.repeats_left > 0:
        rhythm = timedelta(seconds=step.repeat_seconds)
        over = 0 if one_by_one else missed(step, now)
        return replace(
            step,
            due_at=step.due_at + rhythm * (over + 1),
            repeats_left=step.repeats_left - 1,
            repeat=step.repeat + 1,
            terms=_at_work(step.terms),
        )
    terms = _at_work(step.terms)
    if terms is None or terms.rounds_left <= 0 or terms.round_due_at is None:
        return None
    length = timedelta(seconds=terms.round_seconds)
    over = 0 if one_by_one else max(0, (now - terms.round_due_at) // length)
    due_at = terms.round_due_at + length * (over + 1)
    again = replace(terms, round=terms.round + 1, rounds_left=terms.rounds_left - 1, round_due_at=due_at)
    return replace(step, due_at=due_at, repeats_left=step.repeats_left + step.repeat, repeat=0, terms=again)


def waiting(step: EscalationStep, since: Instant, until: Instant) -> EscalationStep:
    """The same step once somebody works, with the instant from which on it has waited."""
    terms = step.terms or StepTerms()
    return replace(step, due_at=until, terms=replace(terms, waiting_since=terms.waiting_since or since))


def _at_work(terms: StepTerms | None) -> StepTerms | None:
    return replace(terms, waiting_since=None) if terms is not None and terms.waiting_since else terms


def next_of(steps: Iterable[EscalationStep]) -> EscalationStep | None:
    """The step that is due first, or None."""
    return min(steps, key=lambda step: (step.due_at, step.level), default=None)


def asked_for(
    pending: Sequence[EscalationStep],
    called: int,
    header: IncidentHeader,
    rules: Rules,
    at: Instant,
    *,
    level: int = 0,
    target: str = "",
) -> tuple[EscalationStep, ...]:
    """The steps that are called at once when somebody asks for it, or a promise is broken.

    `target`: that one alone. Else those of `level`; 0 = the next that wait, else the first level of the policy above
    `called`. Where there is none, the management of the team. What is `pending` is given as it is there.
    """
    if not target:
        wanted = level or min((step.level for step in pending if step.level > called), default=0)
        found = tuple(step for step in pending if step.level == wanted)
        if not found:
            # The rows are for open incidents: it is asked as if this one were.
            policy = steps_for(replace(header, status=Status.OPEN, acknowledged_at=None), rules, at)
            wanted = level or min((step.level for step in policy if step.level > called), default=0)
            found = tuple(
                replace(step, due_at=at, repeat_seconds=0, repeats_left=0, terms=_once(step.terms))
                for step in policy
                if step.level == wanted
            )
        if found:
            return found
    return (EscalationStep(level=level or called + 1, escalate_to=target or MANAGEMENT, due_at=at),)


def _once(terms: StepTerms | None) -> StepTerms | None:
    if terms is None:
        return None
    return replace(terms, condition=None, only_in_hours=False, rounds_left=0, round_seconds=0, round_due_at=None)


# ---- when a step is due ----------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What comes of a step that is due."""

    recipients: tuple[Recipient, ...] = ()
    """Who is called, each once; nobody only where `reason` says why."""
    skipped: tuple[Skipped, ...] = ()
    reason: str = ""
    """`condition` or `out_of_hours`; empty = somebody is called."""
    again_at: Instant | None = None
    """When the hours begin."""
    reached: tuple[Reached, ...] = ()
    """By target."""


def verdict(
    step: EscalationStep,
    header: IncidentHeader,
    rules: Rules,
    at: Instant,
    *,
    missing: Sequence[str] = (),
    asked: bool = False,
) -> Verdict:
    """Who is called for `step` at `at`.

    `missing`: of a level where each target has to acknowledge, who has not. `asked`: somebody wants it now, whatever
    its terms say.
    """
    terms = step.terms
    if terms is None:
        return _called((reach(step.escalate_to, rules, header, at),))
    if terms.condition is not None and not asked and not holds(terms.condition, header, at):
        return Verdict(reason="condition")
    if (
        terms.only_in_hours
        and not asked
        and (again_at := opening(terms.targets, rules, at, terms.waiting_since)) is not None
    ):
        return Verdict(reason="out_of_hours", again_at=again_at)
    targets: Iterable[Target | str] = terms.targets or (step.escalate_to,)
    asked_of = (target if isinstance(target, str) or target.kind else target.name for target in targets)
    found = tuple(reach(target, rules, header, at, fallback=terms.fallback) for target in asked_of)
    # The fallback is for a level that reaches nobody, not for one of several targets that are away.
    direct = tuple(one for one in found if one.by not in (FALLBACK, CATCH_ALL))
    said = _called(direct or found[:1], found)
    still = tuple(one for one in said.recipients if one.recipient in missing)
    return said._replace(recipients=still) if still else said


def _called(reached: Sequence[Reached], asked: Sequence[Reached] = ()) -> Verdict:
    recipients: dict[str, Recipient] = {}
    for one in reached:
        for recipient in one.recipients:
            recipients.setdefault(recipient.recipient, recipient)
    skipped = {(one.recipient, one.why): one for answer in asked or reached for one in answer.skipped}
    return Verdict(tuple(recipients.values()), tuple(skipped.values()), reached=tuple(asked or reached))


class Call(NamedTuple):
    """One call as it would be."""

    at: Instant
    level: int
    reached: Reached | None
    """None where nobody is called: `reason` says why."""
    step: EscalationStep
    reason: str = ""


def plan(header: IncidentHeader, rules: Rules, at: Instant) -> list[Call]:
    """What would happen for an incident like `header` that opens at `at`, if nobody answers and nothing else changes:
    at most `PLAN_MAX` calls, in order, one for each target."""
    header = replace(header, opened_at=at, acknowledged_at=None)
    pending = list(steps_for(header, rules, at))
    calls: list[Call] = []
    while pending and len(calls) < PLAN_MAX:
        step = min(pending, key=_order)
        pending.remove(step)
        said = verdict(step, header, rules, step.due_at)
        if said.again_at is not None:
            pending.append(waiting(step, step.due_at, said.again_at))
            continue
        if again := following(step, step.due_at):
            pending.append(again)
        if said.reason:
            calls.append(Call(step.due_at, step.level, None, step, said.reason))
        calls += [Call(step.due_at, step.level, one, step) for one in said.reached]
    return calls


_ALWAYS: Final = Matcher()
