"""What escalate does: it plans whom to call when an incident opens, calls on a deadline, stops on an answer.

In: incident events and deadlines. Out: `escalation.scheduled|fired|skipped|paused|resumed|awaited|stopped`,
`sla.at_risk|breached|renewed`.
Invariants: nothing fires for an incident that is acknowledged, resolved or closed as far as the incident events were
read, but what insists (somebody asks for it, each target has to acknowledge, the promise to resolve is broken); no step
fires while the incident is suppressed; a deadline that is given twice brings about one event; the target of a step is
looked up when it fires and is never nobody.
It sends nothing: notify reads these events. The header in an event is the one of the incident event it rests on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import RawMark
from tocsin.domain.directory import standing_for
from tocsin.domain.escalation import planned_for, raised, replanned, shifted
from tocsin.domain.header import IncidentHeader, is_test
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.sla import (
    ACKNOWLEDGE,
    RESOLVE,
    TARGETS,
    UPDATE,
    Promise,
    continued,
    promises_for,
    renewed,
    terms_for,
    tightened,
)
from tocsin.escalate import freeze as freezing
from tocsin.escalate.calls import ALL, asked, due_steps
from tocsin.escalate.evolve import evolve
from tocsin.escalate.state import AT_RISK, BREACH, STEP, Escalations, Running
from tocsin.escalate.writing import NO_PROMISE, Writer, on_deadline, on_incident
from tocsin.stage import Effect, Fact, Input, Want
from tocsin.topics import ESCALATIONS, INCIDENTS, Topic
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
ONE_ANSWERS: Final = (ev.Acknowledged, ev.Investigating)
"""Answers of one person; where each target has to acknowledge, they are counted."""
FOLLOWED: Final = ("severity", "status", "category", "service", "team", "assignee", "title")
"""What a call, or the condition of a step, may say of an incident: a change of it is followed."""


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

    layout = 4

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
        writer = on_incident(self.partition, event, offset, rules, now)
        if word := end_of(event):
            if running:
                yield writer.write(ev.EscalationStopped, running, reason=word, resolved=True)
            return
        if running and running.paused_at is not None and not event.header.suppressed_by:
            waited = running.breach_waits and not isinstance(event, ONE_ANSWERS)
            yield _resumed(running, running.paused_at, event, writer, rules)
            if waited:
                yield from _unresolved(running, event.header, writer, rules, now)
        if isinstance(event, ev.EscalationRequested):
            yield from _requested(state, event, writer, rules, now)
        elif isinstance(event, ev.UpdatedPeople):
            yield from _updated(running, event, writer, rules)
        elif event.header.acknowledged_at is not None:
            yield from _acknowledged(running, event, writer, rules)
        elif not is_test(event.header):
            yield from _unanswered(running, event, writer, rules)
        running = state.running.get(event.incident_id)
        if running and running.paused_at is None and event.header.suppressed_by:
            promises = rules.escalate.sla_waits
            if running.steps or _stands(running.promises.get(RESOLVE)) or (promises and running.promises):
                yield writer.write(
                    ev.EscalationPaused,
                    running,
                    reason="suppressed",
                    by=event.header.suppressed_by,
                    paused_at=event.recorded_at,
                    promises=promises,
                )

    # ---- deadlines ---------------------------------------------------------------------------------------------------

    def _on_deadline(self, state: Escalations, deadline: Deadline, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        running = state.running.get(deadline.subject)
        if running is None:
            return
        writer = on_deadline(self.partition, deadline, running, rules, now)
        if deadline.kind == STEP:
            yield from due_steps(running, writer, deadline.at, rules, now)
            return
        for target, promise in running.promises.items():
            if promise.breached or running.promises_paused:
                continue
            said = {"target": target, "target_due_at": promise.due_at}
            if deadline.kind == AT_RISK[target] and promise.risk_due_at == deadline.at:
                yield writer.write(ev.SlaAtRisk, running, **said, reason=f"{target}_at_risk")
                return
            if deadline.kind == BREACH[target] and promise.due_at == deadline.at:
                yield _breached(running, target, promise, writer, rules, now)
                if target == RESOLVE and running.paused_at is None:
                    yield from _unresolved(running, running.header, writer, rules, now)
                return


# ---- what an incident event brings about -----------------------------------------------------------------------------


def _unanswered(
    running: Running | None, event: ev.IncidentEvent, writer: Writer, rules: Rules
) -> Iterator[ev.EscalationEvent]:
    """Nobody is at it: a plan begins, becomes shorter, or goes on."""
    header = event.header
    if running and isinstance(event, ARRIVALS) and header.severity.rank >= running.header.severity.rank:
        return
    if reason := STARTS.get(type(event)):
        scheduled = _started(running, event, writer, rules, reason)
        promised = scheduled.resolve_due_at or scheduled.acknowledge_due_at or scheduled.update_due_at
        if running or scheduled.steps or promised:
            yield scheduled
    elif isinstance(event, ev.SeverityLowered):
        promises = _loosened(running, promises_for(header, rules, event.recorded_at, acknowledged=False))
        policy, steps, level = _lowered(running, event, rules)
        if running or steps or promises:
            kept = {"policy": policy, "level": level, "paused_at": event.recorded_at}
            yield writer.plan(ev.EscalationScheduled, running, steps, promises, reason="severity_lowered", **kept)
    elif running and _followed(running, event):
        yield writer.plan(
            ev.EscalationScheduled,
            running,
            running.steps,
            running.promises,
            reason="incident_changed",
            policy=running.policy,
            level=running.level,
        )


def _started(
    running: Running | None, event: ev.IncidentEvent, writer: Writer, rules: Rules, reason: str
) -> ev.EscalationScheduled:
    since = event.recorded_at
    policy, steps = planned_for(event.header, rules, since)
    promises: Mapping[str, Promise] = promises_for(event.header, rules, since, acknowledged=False)
    level = 0
    if running and isinstance(event, RAISES):
        level = running.level
        waiting = running.steps
        standing: Mapping[str, Promise] = running.promises
        if running.paused_at is not None:
            waiting = shifted(waiting, since - running.paused_at)
            standing = _standing(running, running.paused_at, event, rules)
        same = policy and policy == running.policy
        steps = raised(steps, waiting, level) if same else replanned(steps, waiting)
        both = {target: tightened(standing.get(target), promises.get(target)) for target in TARGETS}
        promises = {target: promise for target, promise in both.items() if promise}
    elif running and isinstance(event, ev.AcknowledgementExpired):
        # Somebody has to answer anew; when it was to be resolved does not change by that.
        goes_on = running.promises if running.paused_at is None else _standing(running, running.paused_at, event, rules)
        promises = {**promises, **{one: goes_on[one] for one in (RESOLVE, UPDATE) if one in goes_on}}
    return writer.plan(
        ev.EscalationScheduled,
        running,
        steps,
        promises,
        reason=reason,
        policy=policy,
        level=level,
        paused_at=since if running and running.paused_at is not None else None,
    )


def _lowered(
    running: Running | None, event: ev.SeverityLowered, rules: Rules
) -> tuple[str, tuple[ev.EscalationStep, ...], int]:
    """Policy, steps and last level called once a person says that it is less bad: nobody is called a second time."""
    policy, steps = planned_for(event.header, rules, event.recorded_at)
    if running is None:
        return policy, steps, 0
    if policy and policy == running.policy:
        waiting = running.steps
        if running.paused_at is not None:
            waiting = shifted(waiting, event.recorded_at - running.paused_at)
        return policy, waiting, running.level
    return policy, tuple(step for step in steps if step.level > running.level), running.level


def _acknowledged(
    running: Running | None, event: ev.IncidentEvent, writer: Writer, rules: Rules
) -> Iterator[ev.EscalationEvent]:
    """Somebody is at it: the calls stop, unless each target has to acknowledge. The promise to resolve goes on, and
    becomes tighter when the severity rises."""
    if running and running.awaited and isinstance(event, ONE_ANSWERS):
        missing = tuple(one for one in running.awaited if not _answered(one, event, rules))
        if missing:
            if missing != running.awaited or not running.insists:
                yield writer.write(ev.EscalationAwaited, running, reason="each_must_acknowledge", missing=missing)
            return
    elif running and running.insists and not isinstance(event, ev.Mitigated):
        return
    if running and (running.steps or running.insists or _stands(running.promises.get(ACKNOWLEDGE))):
        yield writer.write(ev.EscalationStopped, running, reason="acknowledged")
    elif isinstance(event, (*RAISES, ev.SeverityLowered)):
        old = running.promises if running else NO_PROMISE
        new = promises_for(event.header, rules, event.recorded_at, acknowledged=True)
        if isinstance(event, ev.SeverityLowered):
            promises = _loosened(running, new)
        else:
            both = {target: tightened(old.get(target), new.get(target)) for target in (RESOLVE, UPDATE)}
            promises = {target: promise for target, promise in both.items() if promise}
        if promises != old:
            level = running.level if running else 0
            reason = "severity_lowered" if isinstance(event, ev.SeverityLowered) else "severity_raised"
            yield writer.plan(ev.EscalationScheduled, running, (), promises, reason=reason, level=level)


def _answered(recipient: str, event: ev.Acknowledged | ev.Investigating, rules: Rules) -> bool:
    """Whether `event` is the answer of `recipient`: on its behalf, or by somebody it stands for."""
    target = getattr(event, "target", "")
    said = {target, *getattr(event, "answered", ())}
    if recipient in said or recipient.partition(":")[2] in said:
        return True
    people = {one.removeprefix("user:") for one in said if one.startswith("user:")}
    if not target:
        people.add(event.actor.removeprefix("user:"))
    return not people.isdisjoint(standing_for(recipient, rules))


def _requested(
    state: Escalations, event: ev.EscalationRequested, writer: Writer, rules: Rules, now: Instant
) -> Iterator[ev.EscalationEvent]:
    """A person wants somebody called now: a level, a target, or whatever comes next."""
    running = state.running.get(event.incident_id)
    if running is None:
        yield writer.plan(ev.EscalationScheduled, None, (), NO_PROMISE, reason="escalation_requested")
        running = state.running[event.incident_id]
    level, target = event.level or 0, event.target
    yield from asked(running, writer, event.header, rules, now, reason="requested", level=level, target=target)


def _updated(
    running: Running | None, event: ev.UpdatedPeople, writer: Writer, rules: Rules
) -> Iterator[ev.EscalationEvent]:
    """People were told: the next update is due one cadence later."""
    promise = renewed(event.header, rules, event.recorded_at)
    if running and promise is not None:
        said = {"target": UPDATE, "target_due_at": promise.due_at, "risk_due_at": promise.risk_due_at}
        yield writer.write(ev.SlaRenewed, running, reason="updated", **said)


def _resumed(
    running: Running, paused_at: Instant, event: ev.IncidentEvent, writer: Writer, rules: Rules
) -> ev.EscalationResumed:
    steps = shifted(running.steps, event.recorded_at - paused_at)
    promises = _standing(running, paused_at, event, rules)
    return writer.plan(ev.EscalationResumed, running, steps, promises, reason="unsuppressed", paused_at=paused_at)


def _standing(running: Running, paused_at: Instant, event: ev.IncidentEvent, rules: Rules) -> Mapping[str, Promise]:
    """The promises after a pause: later, when they stood still, too."""
    if not running.promises_paused:
        return running.promises
    calendar = terms_for(event.header, rules, event.recorded_at).calendar
    return {
        target: continued(promise, paused_at, event.recorded_at, calendar)
        for target, promise in running.promises.items()
    }


def _loosened(running: Running | None, promises: dict[str, Promise]) -> dict[str, Promise]:
    """The promises of a severity that was lowered; what is broken stays broken."""
    old = running.promises if running else NO_PROMISE
    return promises | {target: promise for target, promise in old.items() if promise.breached}


def _followed(running: Running, event: ev.IncidentEvent) -> bool:
    """Whether `event` changes what a call or a condition of this escalation says."""
    old, new = running.header, event.header
    if any(getattr(old, name) != getattr(new, name) for name in FOLLOWED):
        return True
    return any(step.terms and step.terms.condition and step.terms.condition.expression for step in running.steps)


# ---- what a deadline brings about ------------------------------------------------------------------------------------


def _breached(
    running: Running, target: str, promise: Promise, writer: Writer, rules: Rules, now: Instant
) -> ev.SlaBreached:
    again = renewed(running.header, rules, promise.due_at) if target == UPDATE else None
    if again and again.due_at <= now and rules.escalate.catch_up != ALL:
        again = renewed(running.header, rules, now)
    return writer.write(
        ev.SlaBreached,
        running,
        target=target,
        target_due_at=promise.due_at,
        reason=f"{target}_breached",
        next_due_at=again.due_at if again else None,
        next_risk_due_at=again.risk_due_at if again else None,
    )


def _unresolved(
    running: Running, header: IncidentHeader, writer: Writer, rules: Rules, now: Instant
) -> Iterator[ev.EscalationFired]:
    """The promise to resolve is broken: the next level hears of it, though somebody has acknowledged."""
    if header.severity in rules.escalate.breach_escalates:
        target = rules.escalate.breach_target
        yield from asked(running, writer, header, rules, now, reason="sla_breached", target=target)


def _stands(promise: Promise | None) -> bool:
    return promise is not None and not promise.breached


def end_of(event: ev.IncidentEvent) -> str:
    """How the incident has ended: `merged`, `closed`, `resolved`; empty while it has not."""
    if isinstance(event, ev.Closed) and event.merged_into:
        return "merged"
    status = event.header.status
    return status.value if status in (Status.RESOLVED, Status.CLOSED) else ""
