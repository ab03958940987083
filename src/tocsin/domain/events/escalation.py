"""escalations.events.v1, `escalation.*` and `sla.*`: who is called when nobody answers."""

import msgspec

from tocsin.domain.directory import Recipient, Skipped
from tocsin.domain.events.event import Event
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Matcher, Target


class StepTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a level of a named policy asks beyond a row: frozen, too, when the incident was opened."""

    targets: tuple[Target, ...] = ()
    condition: Matcher | None = None
    """Asked when the step is due; None = nothing is asked."""
    only_in_hours: bool = False
    every_target: bool = False
    fallback: str = ""
    round: int = 0
    """0 for the first time through the levels, then 1, 2, ..."""
    rounds_left: int = 0
    round_seconds: int = 0
    round_due_at: Instant | None = None
    """When the level was due for the first time in this round; only where rounds follow."""
    waiting_since: Instant | None = None
    """Since when it waits for working hours."""


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row or level, frozen when the incident was opened: at `due_at`, `escalate_to` is paged at `level`."""

    level: int
    escalate_to: str
    """The target as a word; several with a comma between them."""
    due_at: Instant
    notification_channels: tuple[str, ...] = ()
    repeat_seconds: int = 0
    repeats_left: int = 0
    repeat: int = 0
    """0 for the first time, then 1, 2, ..."""
    terms: StepTerms | None = None
    """None for a row of the rules."""


class EscalationEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Event id = `id` (`esc_…`). `incident_offset` is the journal offset of the incident event it rests on."""

    id: str
    incident_id: str
    incident_version: int
    incident_offset: int
    header: IncidentHeader


class EscalationPlan(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is still to come, with its instants. What stood before is void."""

    steps: tuple[EscalationStep, ...]
    acknowledge_due_at: Instant | None = None
    acknowledge_risk_due_at: Instant | None = None
    """When the promise counts as at risk; None = that has been said already."""
    resolve_due_at: Instant | None = None
    resolve_risk_due_at: Instant | None = None
    update_due_at: Instant | None = None
    update_risk_due_at: Instant | None = None


class EscalationScheduled(EscalationPlan, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.scheduled"
    policy: str = ""
    """Name of the policy; empty = the rows of the rules."""
    level: int = 0
    """The last level that was called before: 0 where the plan starts from the top."""
    paused_at: Instant | None = None
    """It stands still: the instants are as they would be if it went on at `paused_at`."""


class EscalationPaused(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The incident is suppressed: no step is due until `escalation.resumed`."""

    TYPE = "escalation.paused"
    by: str
    """What suppresses it, as in the header."""
    paused_at: Instant
    """When the incident became suppressed."""
    promises: bool = False
    """The promises stand still, too."""


class EscalationResumed(EscalationPlan, frozen=True, kw_only=True, omit_defaults=True):
    """It is suppressed no more: what was to come, later by as long as it stood still."""

    TYPE = "escalation.resumed"
    paused_at: Instant


class EscalationFired(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.fired"
    step: EscalationStep
    team: str
    """Whom the target stood for when the step fired, in words; never empty (catch-all)."""
    contacts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Of the first of `targets`."""
    targets: tuple[Recipient, ...] = ()
    """Who is called, with contacts, channels and why; empty in logs of before: `team` and `contacts` say it."""
    skipped: tuple[Skipped, ...] = ()
    """Who was passed over, and why."""
    lateness_seconds: float = 0.0
    missed: int = 0
    """Further instants of its rhythm that passed while nothing ran: this one call stands for them, too."""
    early_from: Instant | None = None
    """When it would have been due: somebody asked for it earlier, or a promise was broken."""
    insists: bool = False
    """An acknowledgement does not take it back: a promise is broken, somebody asks, or each target has to
    acknowledge."""
    next_step: EscalationStep | None = None
    """The same step again, when the rule repeats."""
    upcoming: EscalationStep | None = None
    """The earliest step that is still to come, of whatever level: what escalates next."""


class EscalationSkipped(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step was due and called nobody: `condition`, `out_of_hours` (then `next_step` is when they begin) or
    `too_late`."""

    TYPE = "escalation.skipped"
    step: EscalationStep
    lateness_seconds: float = 0.0
    next_step: EscalationStep | None = None


class EscalationStopped(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "escalation.stopped"
    resolved: bool = False
    """The incident has ended: the resolve promise is kept or void, too."""


class EscalationAwaited(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody has acknowledged, and each target has to: the plan goes on until `missing` have."""

    TYPE = "escalation.awaited"
    missing: tuple[str, ...]
    """Recipients, as in `targets` of the call."""


class SlaEvent(EscalationEvent, frozen=True, kw_only=True, omit_defaults=True):
    target: str
    """`acknowledge`, `resolve` or `update`."""
    target_due_at: Instant


class SlaAtRisk(SlaEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "sla.at_risk"


class SlaBreached(SlaEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "sla.breached"
    next_due_at: Instant | None = None
    """When the next update is due; promises of other kinds are broken once."""
    next_risk_due_at: Instant | None = None


class SlaRenewed(SlaEvent, frozen=True, kw_only=True, omit_defaults=True):
    """People were told: the next update is due at `target_due_at`."""

    TYPE = "sla.renewed"
    risk_due_at: Instant | None = None
