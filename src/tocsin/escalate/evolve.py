"""How the state of escalate changes: by its own events and by nothing else.

In: one event of the escalations journal. Out: `Escalations` changed in place. Invariant: it never fails on what
`decide` wrote, and it looks at no rule and no clock. Events of the journal itself (`journal.`) change nothing.
"""

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.escalation import in_order
from tocsin.domain.sla import ACKNOWLEDGE, RESOLVE, Promise
from tocsin.escalate.state import Escalations, Running


def evolve(state: Escalations, event: ev.Event) -> None:
    """Change `state` as `event` says."""
    if not isinstance(event, ev.EscalationEvent):
        return
    if isinstance(event, ev.EscalationScheduled):
        _scheduled(state, event)
    elif running := state.running.get(event.incident_id):
        running.written += 1
        if isinstance(event, ev.EscalationFired):
            rest = (step for step in running.steps if step != event.step)
            running.steps = in_order([*rest, *([event.next_step] if event.next_step else [])])
        elif isinstance(event, ev.EscalationStopped):
            _stopped(state, running, event)
        elif isinstance(event, ev.SlaAtRisk):
            running.promises[event.target] = replace(running.promises[event.target], risk_due_at=None)
        elif isinstance(event, ev.SlaBreached):
            running.promises[event.target] = replace(running.promises[event.target], breached=True)
    state.replan(event.incident_id)


def _scheduled(state: Escalations, event: ev.EscalationScheduled) -> None:
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
    ):
        if due_at is not None:
            same = target in old and old[target].due_at == due_at
            running.promises[target] = old[target] if same else Promise(due_at, risk_due_at)


def _stopped(state: Escalations, running: Running, event: ev.EscalationStopped) -> None:
    _rests_on(running, event)
    running.steps = ()
    running.promises.pop(ACKNOWLEDGE, None)
    if event.resolved or not running.promises:
        del state.running[event.incident_id]


def _rests_on(running: Running, event: ev.EscalationEvent) -> None:
    running.header = event.header
    running.incident_version = event.incident_version
    running.incident_offset = event.incident_offset
