"""Every event of the log, past tense, one struct each. `TYPE` is the middle of its `ce_type`.

A value is the struct as a flat JSON object without a type tag. `cause` names what brought it about (the place of a raw
alert, a command id, `deadline:<kind>:<instant>`, an event id) and is also its `ce_causationid`.
Instants that something waits for end in `_due_at`: a deadline is never computed from rules again.
"""

from typing import Final

from tocsin.domain.events.change import ChangeRecorded
from tocsin.domain.events.command import CommandApplied, CommandEvent, CommandRejected, CommandUnchanged
from tocsin.domain.events.delivery import (
    DeliveryAttempted,
    DeliveryBundled,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryGaveUp,
    DeliveryPlanned,
    DeliverySuppressed,
    DeliveryWithdrawn,
    Joined,
)
from tocsin.domain.events.escalation import (
    EscalationAwaited,
    EscalationEvent,
    EscalationFired,
    EscalationPaused,
    EscalationPlan,
    EscalationResumed,
    EscalationScheduled,
    EscalationSkipped,
    EscalationStep,
    EscalationStopped,
    SlaAtRisk,
    SlaBreached,
    SlaEvent,
    SlaRenewed,
    StepTerms,
)
from tocsin.domain.events.event import SYSTEM, Event
from tocsin.domain.events.incident import (
    Absorbed,
    Acknowledged,
    AcknowledgementExpired,
    AlertAttached,
    AlertMoved,
    AlertResolved,
    AlertsLeft,
    Assigned,
    Changed,
    Closed,
    ClosingHeld,
    EscalationRequested,
    FieldChange,
    FollowUpChanged,
    IncidentEvent,
    Investigating,
    LateAmended,
    Linked,
    Merged,
    Mitigated,
    Noted,
    Opened,
    PlaybookFinished,
    PlaybookStarted,
    PlaybookStepDone,
    Reannounced,
    Recorded,
    Reopened,
    ResendRequested,
    Resolved,
    Retired,
    RolesChanged,
    SeverityLowered,
    SeverityRaised,
    Suppressed,
    Unlinked,
    Unsuppressed,
    UpdatedPeople,
    UpdateRequested,
    Value,
    WatchEnded,
    WatchStarted,
)
from tocsin.domain.events.journal import (
    Claimed,
    Followed,
    Muted,
    Positioned,
    Rebased,
    Sent,
    Swept,
    Tallied,
    Tally,
    Tombstoned,
)
from tocsin.domain.events.settings import SettingsPublished

__all__ = [
    "BY_TYPE",
    "SYSTEM",
    "Absorbed",
    "Acknowledged",
    "AcknowledgementExpired",
    "AlertAttached",
    "AlertMoved",
    "AlertResolved",
    "AlertsLeft",
    "Assigned",
    "ChangeRecorded",
    "Changed",
    "Claimed",
    "Closed",
    "ClosingHeld",
    "CommandApplied",
    "CommandEvent",
    "CommandRejected",
    "CommandUnchanged",
    "DeliveryAttempted",
    "DeliveryBundled",
    "DeliveryDelivered",
    "DeliveryEvent",
    "DeliveryFailed",
    "DeliveryGaveUp",
    "DeliveryPlanned",
    "DeliverySuppressed",
    "DeliveryWithdrawn",
    "EscalationAwaited",
    "EscalationEvent",
    "EscalationFired",
    "EscalationPaused",
    "EscalationPlan",
    "EscalationRequested",
    "EscalationResumed",
    "EscalationScheduled",
    "EscalationSkipped",
    "EscalationStep",
    "EscalationStopped",
    "Event",
    "FieldChange",
    "FollowUpChanged",
    "Followed",
    "IncidentEvent",
    "Investigating",
    "Joined",
    "LateAmended",
    "Linked",
    "Merged",
    "Mitigated",
    "Muted",
    "Noted",
    "Opened",
    "PlaybookFinished",
    "PlaybookStarted",
    "PlaybookStepDone",
    "Positioned",
    "Reannounced",
    "Rebased",
    "Recorded",
    "Reopened",
    "ResendRequested",
    "Resolved",
    "Retired",
    "RolesChanged",
    "Sent",
    "SettingsPublished",
    "SeverityLowered",
    "SeverityRaised",
    "SlaAtRisk",
    "SlaBreached",
    "SlaEvent",
    "SlaRenewed",
    "StepTerms",
    "Suppressed",
    "Swept",
    "Tallied",
    "Tally",
    "Tombstoned",
    "Unlinked",
    "Unsuppressed",
    "UpdateRequested",
    "UpdatedPeople",
    "Value",
    "WatchEnded",
    "WatchStarted",
    "event_id",
    "subject_of",
]


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
    if isinstance(event, ChangeRecorded):
        return event.change_id
    if isinstance(event, DeliveryEvent):
        return f"{event.delivery_id}.{event.n}"
    return ""


def subject_of(event: Event) -> str:
    """The incident an event is about, or empty."""
    return getattr(event, "incident_id", "") if not isinstance(event, Followed) else ""
