"""How the state of correlate changes by one event of its journal. The rebuild runs the same code as the live owner.

Tallies are collected while other events go out, and are written before them; so a tally may be applied before or
after the other events of its commit with the same result (a property test holds that).
"""

from typing import Final

from tocsin.correlate.outbox import absorb_of, refusal_of
from tocsin.correlate.state import OUTCOME_KEPT, Group, State
from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.incident import Incident, apply
from tocsin.domain.instant import day_of
from tocsin.domain.lifecycle import CLOSED


def evolve(state: State, event: ev.Event) -> None:
    """Change `state` as `event` says, and forget what has run out by then."""
    state.forget_until(event.recorded_at)
    _change(state, event)
    state.forget_until(event.recorded_at)


def _change(state: State, event: ev.Event) -> None:
    if isinstance(event, ev.Tallied):
        _tallied(state, event)
        return
    if isinstance(event, ev.AlertResolved):
        _silence(state, event)
    if isinstance(event, ev.Retired):
        _retire(state, event)
    if isinstance(event, ev.IncidentEvent):
        before = state.incidents.get(event.incident_id)
        was = before.header if before is not None else None
        state.carried(was, event.header)
    apply(state, event)
    if isinstance(event, ev.IncidentEvent):
        incident = state.incidents.get(event.incident_id)
        if incident is not None:
            if was is not None and (was.status is CLOSED) is not (event.header.status is CLOSED):
                state.closed_or_not(incident)
            _follow(state, incident, event)
            if (
                not isinstance(event, ev.Opened)  # most have none yet
                or event.header.suppressed_until is not None
                or event.close_due_at is not None
            ):
                _keep_deadlines(state, incident)
    elif isinstance(event, ev.CommandEvent):
        state.outcomes[event.command_id] = event
        state.forget_at(event.recorded_at + OUTCOME_KEPT, "outcome", event.command_id)
        if event.verb == "absorb" and isinstance(event, ev.CommandRejected):
            _send(state, refusal_of(event))
    elif isinstance(event, ev.Sent):
        state.outbox.pop(event.command_id, None)
    elif isinstance(event, ev.Tombstoned):
        state.ended_nothing(event.fingerprint, event.resolved_at)
    elif isinstance(event, ev.Swept):
        if not event.partition_key:
            state.swept_by = event.rules
        state.sweep(event.partition_key, event.cursor, event.next_due_at)


def _send(state: State, command: Command | None) -> None:
    if command is not None:
        state.outbox[command.command_id] = command


def _tallied(state: State, event: ev.Tallied) -> None:
    known, made = state.alerts.get, state.rosters.made
    members = [known(tally.alert_id) for tally in event.tallies]
    began = [member and member.spans[0].start for member in members]
    apply(state, event)
    for tally, member, start in zip(event.tallies, members, began, strict=True):
        if member is None:
            continue
        if tally.expires_at is not None and member.firing:
            state.agenda.put("expire", member.alert_id, member.expires_at)
        if tally.resolved_at is not None:
            state.ended_nothing(member.fingerprint, tally.resolved_at)
        roster, spans = made(member.incident_id), member.spans
        if roster is not None and roster.reach is not None:
            unmoved = len(spans) == 1 and spans[0].start == start
            if not (unmoved and roster.reach.take(spans[0].start, spans[0].end, new=False)):
                roster.reach = None


def _silence(state: State, event: ev.AlertResolved) -> None:
    for alert_id in event.alert_ids:
        member = state.alerts.get(alert_id)
        if member is not None and member.firing:
            state.rosters[member.incident_id].settle(member)
            state.agenda.put("expire", alert_id, None)
            if state.sources is not None:
                state.sources.end(alert_id)


def _retire(state: State, event: ev.Retired) -> None:
    incident = state.incidents.get(event.incident_id)
    for kind, _ in DEADLINES_OF:
        state.agenda.put(kind, event.incident_id, None)
    state.retired.add(event.incident_id)
    if incident is not None and event.forget_due_at is not None:
        state.forget_at(event.forget_due_at, "retired", event.incident_id)
        state.forget_at(event.forget_due_at, "group", incident.group)


def _follow(state: State, incident: Incident, event: ev.IncidentEvent) -> None:
    """Keep the group and the numbers in step."""
    if isinstance(event, ev.Opened):
        state.numbers[event.header.number] = incident.id
        state.day = day_of(event.recorded_at)
        state.ordinal = event.ordinal + 1
        state.opened(incident)
        group = state.groups.get(incident.group)
        if group is None:
            group = state.groups[incident.group] = Group(incident.group)
        group.sessions.append(incident.id)
        group.last, group.ended_at = incident.id, None
        return
    group = state.groups[incident.group]
    if isinstance(event, ev.Closed):
        if incident.id in group.sessions:
            group.sessions.remove(incident.id)
        survivor = state.incidents.get(incident.merged_into) if incident.merged_into is not None else None
        if incident.merged_into is not None and survivor is None:
            _send(state, absorb_of(event, incident.merged_into))
        if survivor is not None and survivor.group == incident.group and group.last == incident.id:
            group.last, group.ended_at = survivor.id, survivor.resolved_at
            return
    if isinstance(event, ev.Resolved | ev.Closed) and group.last == incident.id:
        group.ended_at = group.ended_at or event.recorded_at
    elif group.last == incident.id and incident.resolved_at is None:
        group.ended_at = None


DEADLINES_OF: Final = (
    ("resolve", "resolve_due_at"),
    ("acknowledgement", "acknowledgement_expires_at"),
    ("close", "close_due_at"),
    ("retire", "retire_due_at"),
    ("snooze", "snooze_due_at"),
    ("watch", "watch_due_at"),
    ("loud", "loud_due_at"),
)
"""Kind of a deadline of an incident, and the field that it stands in."""


def _keep_deadlines(state: State, incident: Incident) -> None:
    put = state.agenda.put
    put("resolve", incident.id, incident.resolve_due_at)
    put("acknowledgement", incident.id, incident.acknowledgement_expires_at)
    put("close", incident.id, incident.close_due_at)
    put("retire", incident.id, incident.retire_due_at)
    if incident.details is not None:
        put("snooze", incident.id, incident.snooze_due_at)
        put("watch", incident.id, incident.watch_due_at)
    put("loud", incident.id, incident.loud_due_at)
