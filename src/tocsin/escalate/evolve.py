"""How the state of escalate changes: by its own events and by nothing else.

In: one event of the escalations journal. Out: `Escalations` changed in place. Invariant: it never fails on what
`decide` wrote, and it looks at no rule and no clock. Events of the journal itself (`journal.`) change nothing.
"""

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.escalation import in_order
from tocsin.domain.sla import ACKNOWLEDGE, RESOLVE, UPDATE, Promise
from tocsin.escalate.state import Escalations, Running


def evolve(state: Escalations, event: ev.Event) -> None:
    """Change `state` as `event` says."""
    if not isinstance(event, ev.EscalationEvent):
        return
    if isinstance(event, ev.EscalationPlan):
        _planned(state, event)
    elif running := state.running.get(event.incident_id):
        running.written += 1
        if isinstance(event, ev.EscalationFired):
            _fired(running, event)
        elif isinstance(event, ev.EscalationSkipped):
            _again(running, event.step, event.next_step)
        elif isinstance(event, ev.EscalationStopped):
            _stopped(state, running, event)
        elif isinstance(event, ev.EscalationAwaited):
            _rests_on(running, event)
            running.awaited, running.insists = event.missing, True
            running.promises.pop(ACKNOWLEDGE, None)
        elif isinstance(event, ev.EscalationPaused):
            _rests_on(running, event)
            running.paused_at, running.promises_paused = event.paused_at, event.promises
        elif isinstance(event, ev.SlaEvent):
            _promised(running, event)
    state.replan(event.incident_id)


def _planned(state: Escalations, event: ev.EscalationPlan) -> None:
    running = state.running.get(event.incident_id)
    if running is None:
        running = state.running[event.incident_id] = Running(
            header=event.header,
            incident_version=event.incident_version,
            incident_offset=event.incident_offset,
        )
    running.written += 1
    _rests_on(running, event)
    running.steps = event.steps
    old = running.promises
    running.promises = {}
    for target, due_at, risk_due_at in (
        (ACKNOWLEDGE, event.acknowledge_due_at, event.acknowledge_risk_due_at),
        (RESOLVE, event.resolve_due_at, event.resolve_risk_due_at),
        (UPDATE, event.update_due_at, event.update_risk_due_at),
    ):
        if due_at is not None:
            same = target in old and old[target].due_at == due_at
            running.promises[target] = old[target] if same else Promise(due_at, risk_due_at)
    if isinstance(event, ev.EscalationScheduled):
        running.policy, running.level = event.policy, event.level
        if event.header.acknowledged_at is None:
            running.insists = False
            if not event.level:
                running.awaited = ()
        if running.paused_at is not None and event.paused_at is not None:
            running.paused_at = event.paused_at
    else:
        running.paused_at, running.promises_paused, running.breach_waits = None, False, False


def _fired(running: Running, event: ev.EscalationFired) -> None:
    step = event.step
    _rests_on(running, event)
    _again(running, replace(step, due_at=event.early_from) if event.early_from else step, event.next_step)
    running.level = max(running.level, step.level)
    if step.terms is not None and step.terms.every_target:
        running.awaited = tuple(dict.fromkeys((*running.awaited, *(one.recipient for one in event.targets))))


def _again(running: Running, step: ev.EscalationStep, next_step: ev.EscalationStep | None) -> None:
    rest = (other for other in running.steps if other != step)
    running.steps = in_order([*rest, *([next_step] if next_step else [])])


def _promised(running: Running, event: ev.SlaEvent) -> None:
    promises, target = running.promises, event.target
    if isinstance(event, ev.SlaRenewed):
        _rests_on(running, event)
        promises[target] = Promise(event.target_due_at, event.risk_due_at)
    elif isinstance(event, ev.SlaAtRisk):
        promises[target] = replace(promises[target], risk_due_at=None)
    elif isinstance(event, ev.SlaBreached) and event.next_due_at is not None:
        promises[target] = Promise(event.next_due_at, event.next_risk_due_at)
    elif isinstance(event, ev.SlaBreached):
        promises[target] = replace(promises[target], breached=True)
        running.breach_waits = running.breach_waits or (target == RESOLVE and running.paused_at is not None)


def _stopped(state: Escalations, running: Running, event: ev.EscalationStopped) -> None:
    _rests_on(running, event)
    running.steps = ()
    running.awaited, running.insists, running.breach_waits = (), False, False
    if not running.promises_paused:
        running.paused_at = None
    running.promises.pop(ACKNOWLEDGE, None)
    if event.resolved or not running.promises:
        del state.running[event.incident_id]


def _rests_on(running: Running, event: ev.EscalationEvent) -> None:
    running.header = event.header
    running.incident_version = event.incident_version
    running.incident_offset = event.incident_offset
