"""How a step becomes a call, or why it does not.

In: the escalation of one incident, a step that is due or that is asked for, rules, `now`. Out: `escalation.fired` or
`escalation.skipped`. Invariants: a step that is due brings about one event; who is called is looked up now and is never
nobody; of a plan that is later than it may be the last step still calls.
It sends nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.condition import holds
from tocsin.domain.escalation import Verdict, asked_for, following, missed, next_of, verdict, waiting
from tocsin.domain.header import IncidentHeader, cut_text
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.escalate.state import Running
from tocsin.escalate.writing import Writer

ALL: Final = "all"
SKIP: Final = "skip"
TEAM_MAX: Final = 300
"""Characters of everybody who is called, as one text."""


def due_steps(
    running: Running, writer: Writer, at: Instant, rules: Rules, now: Instant
) -> Iterator[ev.EscalationEvent]:
    """Every step that is due by `at`, each as an event of its own: equal instants must not hide one another."""
    while running.steps and running.paused_at is None and running.steps[0].due_at <= at:
        yield _due(running, writer, running.steps[0], rules, now)


def _due(running: Running, writer: Writer, step: ev.EscalationStep, rules: Rules, now: Instant) -> ev.EscalationEvent:
    catch_up = rules.escalate.catch_up
    again = following(step, now, one_by_one=catch_up == ALL)
    late = now - step.due_at
    if catch_up == SKIP and late > rules.escalate.late_after and (again or len(running.steps) > 1):
        return _skipped(running, writer, step, "too_late", again, now)
    called_before = step.repeat or (step.terms is not None and step.terms.round)
    said = verdict(step, running.header, rules, now, missing=running.awaited if called_before else ())
    if said.reason:
        later = waiting(step, now, said.again_at) if said.again_at else again
        return _skipped(running, writer, step, said.reason, later, now)
    return _fired(
        running,
        writer,
        step,
        said,
        pending=running.steps,
        next_step=again,
        reason="repeated" if step.repeat else "not_acknowledged",
        lateness_seconds=_seconds(late.total_seconds()),
        missed=0 if catch_up == ALL else missed(step, now),
        insists=running.header.acknowledged_at is not None,
    )


def asked(
    running: Running,
    writer: Writer,
    header: IncidentHeader,
    rules: Rules,
    now: Instant,
    *,
    reason: str,
    level: int = 0,
    target: str = "",
) -> Iterator[ev.EscalationFired]:
    """Calls that wait for no deadline: `level`, `target`, or whatever comes next."""
    waiting = running.steps
    for step in asked_for(waiting, running.level, header, rules, now, level=level, target=target):
        pending = step in waiting
        yield _fired(
            running,
            writer,
            replace(step, due_at=now),
            verdict(step, header, rules, now, asked=True),
            pending=[other for other in running.steps if other != step],
            next_step=following(step, now) if pending else None,
            reason=reason,
            early_from=step.due_at if pending else None,
            insists=True,
        )


def _fired(
    running: Running,
    writer: Writer,
    step: ev.EscalationStep,
    said: Verdict,
    *,
    pending: Sequence[ev.EscalationStep],
    next_step: ev.EscalationStep | None,
    **own: Any,
) -> ev.EscalationFired:
    header = running.header
    rest = [other for other in pending if other != step]
    rest += [next_step] if next_step else []
    return writer.write(
        ev.EscalationFired,
        running,
        step=step,
        team=cut_text(", ".join(one.recipient.partition(":")[2] for one in said.recipients), TEAM_MAX),
        contacts=said.recipients[0].contacts,
        targets=said.recipients,
        skipped=said.skipped,
        next_step=next_step,
        upcoming=next_of(other for other in rest if _certain(other, header)),
        **own,
    )


def _certain(step: ev.EscalationStep, header: IncidentHeader) -> bool:
    """Whether a step calls, as far as can be known now."""
    condition = step.terms.condition if step.terms else None
    return condition is None or holds(condition, header, step.due_at)


def _skipped(
    running: Running,
    writer: Writer,
    step: ev.EscalationStep,
    reason: str,
    next_step: ev.EscalationStep | None,
    now: Instant,
) -> ev.EscalationSkipped:
    return writer.write(
        ev.EscalationSkipped,
        running,
        reason=reason,
        step=step,
        next_step=next_step,
        lateness_seconds=_seconds((now - step.due_at).total_seconds()),
    )


def _seconds(late: float) -> float:
    return round(max(0.0, late), 3)
