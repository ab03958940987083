"""incidents.events.v1, `incident.*`: what happens to one incident."""

from tocsin.domain.alert import AlertFacts
from tocsin.domain.events.event import Event
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.severity import Severity


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


class Suppressed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """From now on nobody is told; `header.suppressed_by` names the cause. Again when the cause becomes another one."""

    TYPE = "incident.suppressed"


class Unsuppressed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The cause has gone. Who still has to hear of the incident hears of it now."""

    TYPE = "incident.unsuppressed"
    was: str
    """The cause."""


class Retired(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Seven days after closing: out of the state; the log and the views keep it."""

    TYPE = "incident.retired"
    forget_due_at: Instant | None = None
    """Until then its group remembers it, for `recurrence_of` and for the answer to late commands."""
