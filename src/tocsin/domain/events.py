"""Every event of the log, past tense, one struct each. `TYPE` is the middle of its `ce_type`.

A value is the struct as a flat JSON object without a type tag. `cause` names what brought it about (the place of a raw
alert, a command id, `deadline:<kind>:<instant>`, an event id) and is also its `ce_causationid`.
Instants that something waits for end in `_due_at`: a deadline is never computed from rules again.
"""

from typing import Any, ClassVar, Final

import msgspec

from tocsin.domain.alert import AlertFacts
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.severity import Severity

SYSTEM: Final = "tocsin"
"""Actor of what nobody asked for."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all events carry."""

    TYPE: ClassVar[str] = ""
    recorded_at: Instant
    reason: str = ""
    actor: str = SYSTEM
    cause: str = ""
    rules_version: int = -1


# ---- incidents.events.v1: incident.* -------------------------------------------------------------------------------


class IncidentEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One change of one incident. Event id = `<incident id>.<version>`; the header is the incident after it."""

    incident_id: str
    version: int
    header: IncidentHeader


class Opened(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.opened"
    ordinal: int
    """The k of number = k * P + p + 1 of its UTC day."""
    group: str
    group_key: str = ""
    partition_key: str = ""
    event_time: Instant | None = None
    alert: AlertFacts | None = None
    """None when a person declared it, or when members move in from another incident."""
    previous: str | None = None
    recurrence_of: str | None = None
    pinned: bool = False
    rule: str = "default"
    """Name of the correlation rule that grouped it."""
    gap_seconds: float = 600.0
    """The window's gap, frozen at the opening."""


class AlertAttached(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.alert_attached"
    alert: AlertFacts


class LateAmended(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An alert beyond the grace joined; nothing moves for it."""

    TYPE = "incident.late_amended"
    alert: AlertFacts


class AlertResolved(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Members stopped firing. With none firing, the incident resolves at `resolve_due_at`."""

    TYPE = "incident.alert_resolved"
    fingerprint: str
    alert_ids: tuple[str, ...]
    resolved_at: Instant
    resolve_due_at: Instant | None = None


class AlertMoved(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Members moved here from `moved_from` because an out-of-order alert changed where the windows are cut."""

    TYPE = "incident.alert_moved"
    moved_from: str
    alert_ids: tuple[str, ...]
    fingerprints: tuple[str, ...]


class AlertsLeft(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The other half of `alert_moved`: written first, on the incident that the members leave."""

    TYPE = "incident.alerts_left"
    moved_to: str
    fingerprints: tuple[str, ...]
    resolve_due_at: Instant | None = None
    """Set when none of those that stay fires."""


class Merged(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """All members of `absorbed` moved here. The absorbed incident has its own `closed` with `merged_into`, written
    next.
    """

    TYPE = "incident.merged"
    absorbed: str
    fingerprints: tuple[str, ...] = ()


class Linked(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.linked"
    linked_to: str


class SeverityRaised(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.severity_raised"
    was: Severity


class Reannounced(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Acknowledged, but no longer what was acknowledged: higher severity, a new service, ten times the alerts."""

    TYPE = "incident.reannounced"


class Acknowledged(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.acknowledged"
    expires_due_at: Instant | None = None
    note: str = ""


class AcknowledgementExpired(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.acknowledgement_expired"


class Investigating(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.investigating"
    expires_due_at: Instant | None = None
    note: str = ""


class Mitigated(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.mitigated"
    note: str = ""


class Resolved(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """By the alerts (`reason` all_alerts_resolved) or by a person; only a person's sets `acknowledged_at`."""

    TYPE = "incident.resolved"
    by_person: bool = False
    close_due_at: Instant | None = None
    note: str = ""


class Reopened(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.reopened"
    note: str = ""


class Closed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.closed"
    merged_into: str | None = None
    retire_due_at: Instant | None = None
    note: str = ""


class Assigned(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.assigned"
    note: str = ""


class Noted(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.noted"
    note: str


class Retired(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Seven days after closing: out of the state; the log and the views keep it."""

    TYPE = "incident.retired"
    forget_due_at: Instant | None = None
    """Until then its group remembers it, for `recurrence_of` and for the answer to late commands."""


# ---- answers to commands (event id = command id; no version) -------------------------------------------------------


class CommandEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one command, remembered for 24 h. Written after the events it brought about, in the same
    commit.
    """

    command_id: str
    verb: str
    incident_id: str = ""
    events: tuple[str, ...] = ()
    """Ids of the events that the command brought about."""
    message: str = ""


class CommandApplied(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.applied"


class CommandUnchanged(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.unchanged"


class CommandRejected(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.rejected"


# ---- any journal: journal.* (event id = `<journal>.<partition>.<offset>`; no subject) ------------------------------


class Claimed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The first commit of a new owner: whatever a former one still has in flight no longer fits."""

    TYPE = "journal.claimed"
    member: str
    generation: int = 0


class Positioned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing but a position: input was read and nothing had to be said."""

    TYPE = "journal.positioned"


class Rebased(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's decision on a source that was trimmed or created anew."""

    TYPE = "journal.rebased"


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """Repeats of one member: how many, and the stretch of time they cover."""

    alert_id: str
    count: int
    start: Instant
    last: Instant
    expires_at: Instant | None = None
    resolved_at: Instant | None = None
    """The latest resolve among them, when it was resolved already: an older sighting that is still on its way ends by
    it.
    """


class Tallied(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Repeats since the last tally. The record is the sum; evolving it equals evolving the repeats one by one."""

    TYPE = "journal.tallied"
    tallies: tuple[Tally, ...]


class Tombstoned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A resolve came for something unknown: a sighting of that fingerprint received until `resolved_at` counts as
    resolved.
    """

    TYPE = "journal.tombstoned"
    fingerprint: str
    resolved_at: Instant
    forget_due_at: Instant


class Followed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Notify's memory of an incident: whether a page may still be planned for it."""

    TYPE = "journal.followed"
    incident_id: str
    incident_version: int
    answered: bool
    gone: bool = False


# ---- escalations.events.v1 -------------------------------------------------------------------------------------------


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule, frozen when the incident was opened: at `due_at`, `escalate_to` is paged at `level`."""

    level: int
    escalate_to: str
    due_at: Instant
    notification_channels: tuple[str, ...] = ()
    repeat_seconds: int = 0
    repeats_left: int = 0
    repeat: int = 0
    """0 for the first time, then 1, 2, ..."""


class EscalationEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Event id = `id` (`esc_…`). `incident_offset` is the journal offset of the incident event it rests on."""

    id: str
    incident_id: str
    incident_version: int
    incident_offset: int
    header: IncidentHeader


class EscalationScheduled(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.scheduled"
    steps: tuple[EscalationStep, ...]
    acknowledge_due_at: Instant | None = None
    acknowledge_risk_due_at: Instant | None = None
    """When the promise counts as at risk; None = that has been said already."""
    resolve_due_at: Instant | None = None
    resolve_risk_due_at: Instant | None = None


class EscalationFired(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.fired"
    step: EscalationStep
    team: str
    """Whom the target stood for when the step fired; never empty (catch-all)."""
    contacts: dict[str, tuple[str, ...]] = {}
    lateness_seconds: float = 0.0
    next_step: EscalationStep | None = None
    """The same step again, when the rule repeats."""
    upcoming: EscalationStep | None = None
    """The earliest step that is still to come, of whatever level: what escalates next."""


class EscalationStopped(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.stopped"
    resolved: bool = False
    """The incident has ended: the resolve promise is kept or void, too."""


class SlaEvent(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    target: str
    """`acknowledge` or `resolve`."""
    target_due_at: Instant


class SlaAtRisk(SlaEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "sla.at_risk"


class SlaBreached(SlaEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "sla.breached"


# ---- notifications.events.v1 -----------------------------------------------------------------------------------------


class DeliveryEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One step in the life of one delivery. Event id = `<delivery id>.<n>`, n from 1 without gaps."""

    delivery_id: str
    n: int
    incident_id: str
    channel: str


class DeliveryPlanned(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.planned"
    step: str
    """The incident event's type, or `escalation.<level>[.<repeat>]`."""
    recipient: str
    """`user:…`, `team:…` or `channel:<name>`."""
    page: bool = False
    """Urgent: goes before everything else in its channel's queue."""
    contacts: dict[str, tuple[str, ...]] = {}
    """Kind of address (`email`, …) to addresses; a channel takes its own kind, else its default."""
    send_due_at: Instant
    context: dict[str, Any]
    """What a template may use: the event's type and reason, the header, what escalates next."""


class DeliveryAttempted(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.attempted"
    attempt: int


class DeliveryDelivered(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.delivered"
    attempt: int
    receipt: str = ""
    duration_seconds: float = 0.0
    possible_duplicate: bool = False


class DeliveryFailed(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.failed"
    attempt: int
    error: str
    next_attempt_at: Instant


class DeliveryGaveUp(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.gave_up"
    attempt: int
    error: str


class DeliveryWithdrawn(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.withdrawn"


class DeliverySuppressed(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.suppressed"


# ---- settings.events.v1 ----------------------------------------------------------------------------------------------


class SettingsPublished(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One whole document; `document` None = deleted. Record key = `key` (`kind/name`)."""

    TYPE = "settings.published"
    key: str
    document: Any = None
    origin: str = "file"


def _leaves(kind: type[Event]) -> list[type[Event]]:
    found = [kind] if kind.TYPE else []
    for child in kind.__subclasses__():
        found += _leaves(child)
    return found


BY_TYPE: Final[dict[str, type[Event]]] = {kind.TYPE: kind for kind in _leaves(Event)}
"""Every event struct by its type."""


def event_id(event: Event) -> str:
    """The id of an event; empty for `journal.` and `settings.` events, whose id comes from their place in the log."""
    if isinstance(event, IncidentEvent):
        return f"{event.incident_id}.{event.version}"
    if isinstance(event, CommandEvent):
        return event.command_id
    if isinstance(event, EscalationEvent):
        return event.id
    if isinstance(event, DeliveryEvent):
        return f"{event.delivery_id}.{event.n}"
    return ""


def subject_of(event: Event) -> str:
    """The incident an event is about, or empty."""
    return getattr(event, "incident_id", "") if not isinstance(event, Followed) else ""
