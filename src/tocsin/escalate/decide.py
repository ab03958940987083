"""What escalate does: it plans whom to call when an incident opens, calls on a deadline, stops on an answer.

In: incident events and deadlines. Out: `escalation.scheduled|fired|stopped`, `sla.at_risk|breached`.
Invariants: nothing fires for an incident that is acknowledged, resolved or closed as far as the incident events were
read; a deadline that is given twice brings about one event; the target of a step is looked up when it fires and is
never nobody.
It sends nothing: notify reads these events. The header in an event is the one of the incident event it rests on.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import RawMark
from tocsin.domain.escalation import following, next_of, replanned, steps_for
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.sla import ACKNOWLEDGE, RESOLVE, TARGETS, Promise, promises_for, tightened
from tocsin.escalate import freeze as freezing
from tocsin.escalate.evolve import evolve
from tocsin.escalate.state import AT_RISK, BREACH, STEP, Escalations, Running
from tocsin.stage import Effect, Fact, Input, Want
from tocsin.topics import ESCALATIONS, INCIDENTS, Topic
from tocsin.wire.events import rfc3339
from tocsin.wire.frozen import Freezing

STARTS: Final[dict[type[ev.IncidentEvent], str]] = {
    ev.Opened: "policy_started",
    ev.Reopened: "policy_restarted",
    ev.SeverityRaised: "severity_raised",
    ev.Reannounced: "severity_raised",
    ev.AcknowledgementExpired: "acknowledgement_expired",
    ev.Merged: "members_arrived",
    ev.AlertMoved: "members_arrived",
}
"""The incident events that start a plan for an unanswered incident, and the reason each gives. A re-announced incident
is acknowledged by definition; should it not be, it counts as a raise."""

ARRIVALS: Final = (ev.Merged, ev.AlertMoved)
"""Members of another incident came: only what that makes worse, or opens again, plans anew."""
RAISES: Final = (ev.SeverityRaised, ev.Reannounced, *ARRIVALS)


class Escalate:
    """The decider of one partition."""

    name = "escalate"
    reads: tuple[Topic, ...] = (INCIDENTS,)
    journal = ESCALATIONS

    def __init__(self, partition: int, partitions: int = 1) -> None:
        self.partition = partition
        self.partitions = partitions

    def empty(self) -> Escalations:
        return Escalations()

    def evolve(self, state: Escalations, event: ev.Event) -> None:
        evolve(state, event)

    def advanced(self, state: Escalations, raw: RawMark, source: str) -> None:
        """Escalate reads no raw topic."""

    def decide(self, state: Escalations, given: Input, rules: Rules, now: Instant) -> Iterable[ev.Event]:
        """Events for an incident event or a deadline; nothing for any other input."""
        if isinstance(given, Fact) and isinstance(given.event, ev.IncidentEvent):
            return self._on_incident(state, given.event, given.offset, rules, now)
        if isinstance(given, Deadline):
            return self._on_deadline(state, given, rules, now)
        return ()

    def due(self, state: Escalations) -> Deadline | None:
        return state.agenda.next()

    def wants(self, state: Escalations) -> Sequence[Want]:
        return ()

    def effects(self, state: Escalations) -> Sequence[Effect]:
        return ()

    # ---- written down --------------------------------------------------------------------------------------

    layout = 2

    def freeze(self, state: Escalations) -> Freezing:
        return freezing.freeze(state)

    def thaw(self, slices: Iterable[bytes]) -> tuple[Escalations, int]:
        return freezing.thaw(slices)

    def touched(self, state: Escalations, event: ev.Event) -> Iterable[tuple[str, str]]:
        return freezing.touched(state, event)

    # ---- incident events ---------------------------------------------------------------------------------------------

    def _on_incident(
        self, state: Escalations, event: ev.IncidentEvent, offset: int, rules: Rules, now: Instant
    ) -> Iterator[ev.Event]:
        running = state.running.get(event.incident_id)
        frame = self._frame(event, offset, rules, now)
        if word := end_of(event):
            if running:
                yield ev.EscalationStopped(**frame, id=self._id(frame, running, 1), reason=word, resolved=True)
        elif event.header.acknowledged_at is not None:
            yield from self._acknowledged(running, event, frame, rules)
        elif running and isinstance(event, ARRIVALS) and event.header.severity.rank >= running.header.severity.rank:
            return
        elif reason := STARTS.get(type(event)):
            scheduled = self._schedule(running, event, frame, rules, reason)
            if running or scheduled.steps or scheduled.resolve_due_at or scheduled.acknowledge_due_at:
                yield scheduled

    def _acknowledged(
        self,
        running: Running | None,
        event: ev.IncidentEvent,
        frame: dict[str, Any],
        rules: Rules,
    ) -> Iterator[ev.Event]:
        """Somebody is at it: only the promise to resolve goes on, and becomes tighter when the severity rises."""
        if running and (running.steps or _stands(running.promises.get(ACKNOWLEDGE))):
            yield ev.EscalationStopped(**frame, id=self._id(frame, running, 1), reason="acknowledged")
        elif isinstance(event, RAISES):
            old = running.promises.get(RESOLVE) if running else None
            promises = promises_for(event.header.severity, rules.sla, event.recorded_at, acknowledged=True)
            new = tightened(old, promises.get(RESOLVE))
            if new is not None and new != old:
                yield self._scheduled(running, frame, "severity_raised", (), {RESOLVE: new})

    def _schedule(
        self,
        running: Running | None,
        event: ev.IncidentEvent,
        frame: dict[str, Any],
        rules: Rules,
        reason: str,
    ) -> ev.EscalationScheduled:
        since = event.recorded_at
        steps = steps_for(event.header, rules.escalation, since)
        promises = promises_for(event.header.severity, rules.sla, since, acknowledged=False)
        if running and isinstance(event, RAISES):
            steps = replanned(steps, running.steps)
            both = {target: tightened(running.promises.get(target), promises.get(target)) for target in TARGETS}
            promises = {target: promise for target, promise in both.items() if promise}
        elif running and isinstance(event, ev.AcknowledgementExpired) and RESOLVE in running.promises:
            # Somebody has to answer anew; when it was to be resolved does not change by that.
            promises[RESOLVE] = running.promises[RESOLVE]
        return self._scheduled(running, frame, reason, steps, promises)

    def _scheduled(
        self,
        running: Running | None,
        frame: dict[str, Any],
        reason: str,
        steps: tuple[ev.EscalationStep, ...],
        promises: dict[str, Promise],
    ) -> ev.EscalationScheduled:
        acknowledge, resolve = promises.get(ACKNOWLEDGE), promises.get(RESOLVE)
        return ev.EscalationScheduled(
            **frame,
            id=self._id(frame, running, 1),
            reason=reason,
            steps=steps,
            acknowledge_due_at=acknowledge.due_at if acknowledge else None,
            acknowledge_risk_due_at=acknowledge.risk_due_at if acknowledge else None,
            resolve_due_at=resolve.due_at if resolve else None,
            resolve_risk_due_at=resolve.risk_due_at if resolve else None,
        )

    # ---- deadlines ---------------------------------------------------------------------------------------------------

    def _on_deadline(self, state: Escalations, deadline: Deadline, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        running = state.running.get(deadline.subject)
        if running is None:
            return
        frame: dict[str, Any] = {
            "recorded_at": now,
            "cause": f"deadline:{deadline.kind}:{rfc3339(deadline.at)}",
            "rules_version": rules.version,
            "incident_id": deadline.subject,
            "incident_version": running.incident_version,
            "incident_offset": running.incident_offset,
            "header": running.header,
        }
        if deadline.kind == STEP:
            yield from self._fire(running, frame, deadline.at, rules, now)
        for target, promise in running.promises.items():
            said: dict[str, Any] = {
                "id": self._id(frame, running, 1),
                "target": target,
                "target_due_at": promise.due_at,
            }
            if promise.breached:
                continue
            if deadline.kind == AT_RISK[target] and promise.risk_due_at == deadline.at:
                yield ev.SlaAtRisk(**frame, **said, reason=f"{target}_at_risk")
                return
            if deadline.kind == BREACH[target] and promise.due_at == deadline.at:
                yield ev.SlaBreached(**frame, **said, reason=f"{target}_breached")
                return

    def _fire(
        self, running: Running, frame: dict[str, Any], at: Instant, rules: Rules, now: Instant
    ) -> Iterator[ev.Event]:
        """Every step that is due by `at`, each as an event of its own: equal instants must not hide one another."""
        first = running.written + 1
        pending = list(running.steps)
        for nth, step in enumerate([step for step in running.steps if step.due_at <= at], start=first):
            again = following(step, now)
            pending.remove(step)
            pending += [again] if again else []
            team, reachable = rules.team_of(step.escalate_to)
            yield ev.EscalationFired(
                **frame,
                id=ids.escalation_id(self.partition, *_cause(frame), str(nth)),
                reason="repeated" if step.repeat else "not_acknowledged",
                step=step,
                team=team,
                contacts=reachable.contacts,
                lateness_seconds=round(max(0.0, (now - step.due_at).total_seconds()), 3),
                next_step=again,
                upcoming=next_of(pending),
            )

    # ---- what all events share ---------------------------------------------------------------------------------------

    def _frame(self, event: ev.IncidentEvent, offset: int, rules: Rules, now: Instant) -> dict[str, Any]:
        return {
            "recorded_at": now,
            "cause": ev.event_id(event),
            "rules_version": rules.version,
            "incident_id": event.incident_id,
            "incident_version": event.version,
            "incident_offset": offset,
            "header": event.header,
        }

    def _id(self, frame: dict[str, Any], running: Running | None, nth: int) -> str:
        """Id of the `nth` event from now on: (incident, version it rests on, count) occurs once."""
        written = running.written if running else 0
        return ids.escalation_id(self.partition, *_cause(frame), str(written + nth))


def _stands(promise: Promise | None) -> bool:
    return promise is not None and not promise.breached


def _cause(frame: dict[str, Any]) -> tuple[str, str]:
    return frame["incident_id"], str(frame["incident_version"])


def end_of(event: ev.IncidentEvent) -> str:
    """How the incident has ended: `merged`, `closed`, `resolved`; empty while it has not."""
    if isinstance(event, ev.Closed) and event.merged_into:
        return "merged"
    status = event.header.status
    return status.value if status in (Status.RESOLVED, Status.CLOSED) else ""
