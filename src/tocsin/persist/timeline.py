"""What the timeline says of an event: one short line for people. Pure.

In: an event of an incident. Out: text of at most `TEXT_MAX` characters. Foreign text is passed on as it is: who shows
it escapes it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.details import FollowUp
from tocsin.domain.header import cut_text
from tocsin.domain.instant import Instant

TEXT_MAX: Final = 300
"""A line, not a document; the event itself has everything."""


def _note(event: Any) -> str:
    return str(event.note)


def _title(event: Any) -> str:
    return str(event.header.title)


def _alert(event: Any) -> str:
    return str(event.alert.title)


def _some(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _promise(event: ev.SlaEvent) -> str:
    return f"{event.target} by {event.target_due_at:%Y-%m-%d %H:%M:%S} UTC"


def _passed_over(event: ev.EscalationSkipped) -> str:
    later = event.next_step
    until = f", until {later.due_at:%Y-%m-%d %H:%M:%S} UTC" if later else ""
    return f"level {event.step.level}, {event.step.escalate_to}: {event.reason.replace('_', ' ')}{until}"


def _delivery(event: Any) -> str:
    return f"{event.channel}: {event.error}"


def _time(instant: Instant) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _shown(value: ev.Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    return "nothing" if value in (None, "") else str(value)


def _changes(event: ev.Changed) -> str:
    lines = (f"{field}: {_shown(one.was)} to {_shown(one.now)}" for field, one in event.changes.items())
    return "; ".join(lines)


def _roles(event: ev.RolesChanged) -> str:
    now = msgspec.structs.asdict(event.now)
    return "; ".join(f"{role.replace('_', ' ')}: {_shown(who)}" for role, who in now.items() if who)


def _done(follow_up: FollowUp) -> str:
    return " done" if follow_up.done_at else ""


def _requested(event: ev.EscalationRequested) -> str:
    whom = f"level {event.level}" if event.level is not None else "the next level"
    return f"{event.target or whom}{f': {event.note}' if event.note else ''}"


def _step(event: ev.PlaybookStepDone) -> str:
    return f"{event.playbook}, step {event.step}: {event.outcome}{f', {event.note}' if event.note else ''}"


_TEXTS: Final[dict[type[ev.Event], Callable[[Any], str]]] = {
    ev.Opened: _title,
    ev.AlertAttached: _alert,
    ev.LateAmended: _alert,
    ev.AlertResolved: lambda event: f"{_some(len(event.alert_ids), 'alert')} resolved",
    ev.AlertMoved: lambda event: f"{_some(len(event.alert_ids), 'alert')} from {event.moved_from}",
    ev.AlertsLeft: lambda event: f"{_some(len(event.fingerprints), 'alert')} to {event.moved_to}",
    ev.Merged: lambda event: f"{event.absorbed} joined this incident",
    ev.Linked: lambda event: f"related to {event.linked_to}",
    ev.SeverityRaised: lambda event: f"{event.was.value} to {event.header.severity.value}",
    ev.Reannounced: _title,
    ev.Acknowledged: _note,
    ev.Investigating: _note,
    ev.Mitigated: _note,
    ev.Resolved: _note,
    ev.Reopened: _note,
    ev.Closed: lambda event: f"merged into {event.merged_into}" if event.merged_into else event.note,
    ev.Assigned: lambda event: event.note or event.header.assignee or event.header.team,
    ev.Noted: _note,
    ev.Suppressed: lambda event: event.header.suppressed_by,
    ev.Unsuppressed: lambda event: f"{event.was} is over",
    ev.Changed: _changes,
    ev.SeverityLowered: lambda event: f"{event.was.value} to {event.header.severity.value}",
    ev.RolesChanged: _roles,
    ev.PlaybookStarted: lambda event: f"{event.playbook}: {event.title}",
    ev.PlaybookStepDone: _step,
    ev.PlaybookFinished: lambda event: (
        f"{event.playbook}: {event.done} done, {event.skipped} skipped, {event.failed} failed"
    ),
    ev.FollowUpChanged: lambda event: f"{event.follow_up.id}{_done(event.follow_up)}: {event.follow_up.text}",
    ev.Recorded: lambda event: f"{event.record.kind}: {event.record.text}",
    ev.Unlinked: lambda event: f"no longer related to {event.linked_to}",
    ev.Absorbed: lambda event: f"{event.number or event.absorbed} goes on here: {event.title}",
    ev.WatchStarted: lambda event: f"until {_time(event.watch_due_at)}",
    ev.WatchEnded: _note,
    ev.ClosingHeld: lambda event: "it cannot close without a root cause",
    ev.EscalationRequested: _requested,
    ev.ResendRequested: lambda event: f"{event.delivery}{f': {event.note}' if event.note else ''}",
    ev.UpdateRequested: lambda event: event.text,
    ev.UpdatedPeople: lambda event: f"{event.audience}: {event.text}" if event.audience else event.text,
    ev.CommandApplied: lambda event: event.verb,
    ev.CommandUnchanged: lambda event: f"{event.verb}: nothing to change",
    ev.CommandRejected: lambda event: f"{event.verb}: {event.message}" if event.message else event.verb,
    ev.EscalationScheduled: lambda event: _some(len(event.steps), "step"),
    ev.EscalationFired: lambda event: f"level {event.step.level} to {event.team}",
    ev.EscalationSkipped: _passed_over,
    ev.EscalationPaused: lambda event: f"while {event.by} keeps it quiet",
    ev.EscalationResumed: lambda event: _some(len(event.steps), "step"),
    ev.EscalationAwaited: lambda event: f"{', '.join(event.missing)} still to acknowledge",
    ev.SlaAtRisk: _promise,
    ev.SlaBreached: _promise,
    ev.SlaRenewed: _promise,
    ev.DeliveryPlanned: lambda event: f"{event.channel} to {event.recipient}",
    ev.DeliveryAttempted: lambda event: f"{event.channel}, attempt {event.attempt}",
    ev.DeliveryDelivered: lambda event: f"{event.channel}, attempt {event.attempt}",
    ev.DeliveryFailed: _delivery,
    ev.DeliveryGaveUp: _delivery,
    ev.DeliveryWithdrawn: lambda event: event.channel,
    ev.DeliverySuppressed: lambda event: event.channel,
    ev.DeliveryBundled: lambda event: f"{event.channel}, in the digest {event.digest}",
}


def text_of(event: ev.Event) -> str:
    """The line for `event`; empty when its type says it all."""
    write = _TEXTS.get(type(event))
    return cut_text(write(event), TEXT_MAX) if write is not None else ""
