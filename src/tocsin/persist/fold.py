"""How escalation and delivery events change their rows. Pure: a row and an event in, the row changed in place.

Invariant: an event that comes to a blank row (the one before it could not be decoded by this version) changes what it
knows of and fails never.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant, to_us
from tocsin.persist.row import Delivery, Escalation

RUNNING, AT_RISK, BREACHED, ENDED = "running", "at_risk", "breached", "ended"

_encode: Final = msgspec.json.Encoder().encode
_steps_decoder: Final = msgspec.json.Decoder(tuple[ev.EscalationStep, ...])


def steps_of(row: Escalation) -> tuple[ev.EscalationStep, ...]:
    """The steps still to come, earliest first."""
    return _steps_decoder.decode(row.steps)


def fold_delivery(row: Delivery, event: ev.DeliveryEvent, partition: int, offset: int) -> None:
    """Change `row` as `event`, which lies at `offset` of the notifications journal, says."""
    at_us = to_us(event.recorded_at)
    row.partition = partition
    row.offsets = f"{row.offsets},{offset}" if row.offsets else str(offset)
    row.incident_id, row.channel, row.status = event.incident_id, event.channel, event.word
    row.reason = event.reason
    row.next_attempt_us = None
    if isinstance(event, ev.DeliveryPlanned):
        row.recipient, row.step, row.page = event.recipient, event.step, int(event.page)
        row.planned_us = at_us
        row.next_attempt_us = to_us(event.send_due_at)
        return
    if isinstance(event, ev.DeliveryAttempted):
        row.attempts, row.attempted_us = event.attempt, at_us
        return
    if isinstance(event, ev.DeliveryFailed):
        row.attempts, row.error = event.attempt, event.error
        row.next_attempt_us = to_us(event.next_attempt_at)
        return
    row.finished_us = at_us
    if isinstance(event, ev.DeliveryDelivered):
        row.attempts, row.receipt, row.error = event.attempt, event.receipt, ""
        row.possible_duplicate = int(event.possible_duplicate)
    elif isinstance(event, ev.DeliveryGaveUp):
        row.attempts, row.error = event.attempt, event.error
    elif isinstance(event, ev.DeliveryBundled):
        row.digest = event.digest


def fold_escalation(row: Escalation, event: ev.EscalationEvent) -> None:
    """Change `row` as `event` says."""
    if isinstance(event, ev.EscalationPlan):
        _put_steps(row, event.steps)
        row.stopped_us = None
        row.reason = event.reason
        if isinstance(event, ev.EscalationScheduled):
            row.policy = event.policy
            row.paused_us = to_us(event.paused_at) if event.paused_at else None
        else:
            row.paused_us = None
        row.acknowledge_state, row.acknowledge_due_us = _promised(
            row.acknowledge_state, row.acknowledge_due_us, event.acknowledge_due_at
        )
        row.resolve_state, row.resolve_due_us = _promised(row.resolve_state, row.resolve_due_us, event.resolve_due_at)
        row.update_state, row.update_due_us = _promised(row.update_state, row.update_due_us, event.update_due_at)
    elif isinstance(event, ev.EscalationFired):
        early = event.early_from
        _again(row, replace(event.step, due_at=early) if early else event.step, event.next_step)
        row.level, row.team = event.step.level, event.team
        row.fired += 1
        row.fired_us = to_us(event.recorded_at)
        row.reason = event.reason
    elif isinstance(event, ev.EscalationSkipped):
        _again(row, event.step, event.next_step)
    elif isinstance(event, ev.EscalationPaused):
        row.paused_us = to_us(event.paused_at)
    elif isinstance(event, ev.EscalationAwaited):
        row.reason = event.reason
        row.acknowledge_state = _ended(row.acknowledge_state)
    elif isinstance(event, ev.EscalationStopped):
        _put_steps(row, ())
        row.paused_us = None
        row.stopped_us = to_us(event.recorded_at)
        row.reason = event.reason
        row.acknowledge_state = _ended(row.acknowledge_state)
        if event.resolved:
            row.resolve_state = _ended(row.resolve_state)
            row.update_state = _ended(row.update_state)
    elif isinstance(event, ev.SlaEvent):
        state = (
            BREACHED if isinstance(event, ev.SlaBreached) else AT_RISK if isinstance(event, ev.SlaAtRisk) else RUNNING
        )
        due_us = to_us(event.target_due_at)
        if event.target == "acknowledge":
            row.acknowledge_state, row.acknowledge_due_us = state, due_us
        elif event.target == "update":
            row.update_state, row.update_due_us = state, due_us
        else:
            row.resolve_state, row.resolve_due_us = state, due_us


def _again(row: Escalation, step: ev.EscalationStep, following: ev.EscalationStep | None) -> None:
    rest = [other for other in steps_of(row) if other != step]
    _put_steps(row, (*rest, *([following] if following else [])))


def _put_steps(row: Escalation, steps: tuple[ev.EscalationStep, ...]) -> None:
    ordered = sorted(steps, key=lambda step: (step.due_at, step.level, step.escalate_to))
    row.steps = _encode(ordered).decode()
    row.next_due_us = to_us(ordered[0].due_at) if ordered else None


def _promised(state: str, due_us: int | None, due_at: Instant | None) -> tuple[str, int | None]:
    """A promise after a schedule: the same instant keeps its state, a new one runs, none leaves what was as ended."""
    if due_at is None:
        return _ended(state), due_us
    if due_us == to_us(due_at) and state:
        return state, due_us
    return RUNNING, to_us(due_at)


def _ended(state: str) -> str:
    return ENDED if state in (RUNNING, AT_RISK) else state
