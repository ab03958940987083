"""incidents.events.v1, `incident.*`: what happens to one incident."""

import msgspec

from tocsin.domain.alert import AlertFacts
from tocsin.domain.details import FollowUp, Record, Roles
from tocsin.domain.events.event import Event
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules.playbook import PlaybookStep
from tocsin.domain.severity import Severity


class IncidentEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One change of one incident. Event id = `<incident id>.<version>`; the header is the incident after it."""

    incident_id: str
    version: int
    header: IncidentHeader
    origin: str = ""
    """The channel over which it was asked for: it is not told there again."""


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
    close_due_at: Instant | None = None
    """When it closes by itself whatever happens: a test page does."""
    assigned_because: str = ""
    """Why: `by_service`, `by_category`, `by_severity`, `by_skill: …`, `by_load: …`, `by_command`."""
    seen: tuple[Instant, ...] = ()
    """Sightings so far, where its rule has a threshold that they are below."""


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
    """Again for each target that has to answer for itself."""

    TYPE = "incident.acknowledged"
    expires_due_at: Instant | None = None
    note: str = ""
    target: str = ""
    """On behalf of whom, where that was said: `user:ana`, `team:dba`."""
    answered: tuple[str, ...] = ()
    """Every target on behalf of which somebody has acknowledged since the opening, this one included."""


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
    """The incident that goes on with it; its members are there, unless that is in another partition."""
    retire_due_at: Instant | None = None
    note: str = ""
    voided: bool = False
    """It was none: lists leave it out."""


class Assigned(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.assigned"
    note: str = ""


class Noted(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.noted"
    note: str


class Suppressed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """From now on nobody is told; `header.suppressed_by` names the cause. Again when the cause becomes another one."""

    TYPE = "incident.suppressed"
    snooze_due_at: Instant | None = None
    """When it ends, where a person asked for quiet until then."""
    seen: tuple[Instant, ...] = ()
    """Sightings that count, as long as they are below the threshold of its rule."""
    note: str = ""


class Unsuppressed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The cause has gone. Who still has to hear of the incident hears of it now."""

    TYPE = "incident.unsuppressed"
    was: str
    """The cause."""
    note: str = ""


Value = str | int | float | bool | tuple[str, ...] | None


class FieldChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A field before and after. Nothing = it was, or is, not said."""

    was: Value = None
    now: Value = None


class Changed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person said what is known: fields of the header, of the impact (`impact.users_affected`) or of the record."""

    TYPE = "incident.changed"
    changes: dict[str, FieldChange]
    close_due_at: Instant | None = None
    """Set when it was held back from closing until now (`closing_held`)."""
    note: str = ""


class SeverityLowered(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Only a person lowers it; the next alert that is worse raises it again."""

    TYPE = "incident.severity_lowered"
    was: Severity
    note: str = ""


class RolesChanged(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.roles_changed"
    was: Roles
    now: Roles
    note: str = ""


class FollowUpChanged(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A follow-up was added or done."""

    TYPE = "incident.follow_up_changed"
    follow_up: FollowUp
    note: str = ""


class Recorded(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Evidence, a decision or a validation step."""

    TYPE = "incident.recorded"
    record: Record


class Unlinked(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.unlinked"
    linked_to: str


class Absorbed(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An incident of another partition was merged into this one: it was closed there, and its alerts stay there."""

    TYPE = "incident.absorbed"
    absorbed: str
    number: str = ""
    title: str = ""
    alerts: int = 0


class WatchStarted(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """After a fix: a new alert before `watch_due_at` opens the incident again."""

    TYPE = "incident.watch_started"
    watch_due_at: Instant
    close_due_at: Instant | None = None
    """Put off, when it would have closed before."""
    note: str = ""


class WatchEnded(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "incident.watch_ended"
    note: str = ""


class ClosingHeld(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """It would have closed by itself now, but its severity asks for a root cause and it has none."""

    TYPE = "incident.closing_held"


class EscalationRequested(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person wants the next level called now, or `level`, or `target`."""

    TYPE = "incident.escalation_requested"
    level: int | None = None
    target: str = ""
    note: str = ""


class ResendRequested(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person wants a message sent once more, whatever became of it."""

    TYPE = "incident.resend_requested"
    delivery: str
    """Delivery id."""
    channel: str = ""
    recipient: str = ""
    """Where it went, for one that notify does not remember."""
    note: str = ""


class UpdateRequested(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asks those who work on it how it stands."""

    TYPE = "incident.update_requested"
    text: str = ""
    audience: str = ""


class UpdatedPeople(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody told `audience` how it stands: the next update is due one cadence later."""

    TYPE = "incident.updated_people"
    text: str
    audience: str = ""


class PlaybookStarted(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody begins to work through a playbook; its steps are as they were then."""

    TYPE = "incident.playbook_started"
    playbook: str
    title: str
    steps: tuple[PlaybookStep, ...]
    note: str = ""


class PlaybookStepDone(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """How a step went: `outcome` is `done`, `skipped` or `failed`. Again when it is corrected."""

    TYPE = "incident.playbook_step_done"
    playbook: str
    step: int
    """Its number, from 1."""
    outcome: str
    note: str = ""


class PlaybookFinished(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Each step has its outcome; written after the last one."""

    TYPE = "incident.playbook_finished"
    playbook: str
    done: int
    skipped: int
    failed: int


class Retired(IncidentEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Seven days after closing: out of the state; the log and the views keep it."""

    TYPE = "incident.retired"
    forget_due_at: Instant | None = None
    """Until then its group remembers it, for `recurrence_of` and for the answer to late commands."""
