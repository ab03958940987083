"""escalations.events.v1, `escalation.*` and `sla.*`: who is called when nobody answers."""

import msgspec

from tocsin.domain.events.event import Event
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant


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
    contacts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
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
