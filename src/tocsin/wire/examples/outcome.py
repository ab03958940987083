"""Examples of what follows from an incident: escalation and delivery events, housekeeping of the journals, settings."""

from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.directory import Recipient, Skipped
from tocsin.domain.rules import Matcher, Target
from tocsin.domain.severity import Severity
from tocsin.wire.examples.story import ALERT_ID, COMMAND_ID, DELIVERY, FINGERPRINT, HEADER, INCIDENT, OFFSET, at

STEP: Final = ev.EscalationStep(
    level=1,
    escalate_to="senior_engineers",
    due_at=at(300),
    notification_channels=("ops-webhook",),
    repeat_seconds=600,
    repeats_left=2,
)

DIGEST: Final = ids.delivery_id(0, DELIVERY, "digest", "ops-webhook", "channel:ops-webhook")

LEVEL: Final = ev.EscalationStep(
    level=2,
    escalate_to="schedule:dba, user:ana",
    due_at=at(600),
    terms=ev.StepTerms(
        targets=(Target(kind="schedule", name="dba"), Target(kind="user", name="ana")),
        condition=Matcher(severity=(Severity.CRITICAL,)),
        only_in_hours=True,
        fallback="senior_engineers",
        rounds_left=1,
        round_seconds=1800,
        round_due_at=at(600),
    ),
)


def journal_events() -> tuple[ev.Event, ...]:
    return (
        ev.Claimed(recorded_at=at(-3600), member="tocsin-1", generation=0),
        ev.Positioned(recorded_at=at(70)),
        ev.Rebased(recorded_at=at(-7200), reason="source_recreated", actor="ada", cause=COMMAND_ID),
        ev.Tallied(recorded_at=at(61), reason="repeat", tallies=(ev.Tally(ALERT_ID, 12, at(0), at(60)),)),
        ev.Tombstoned(
            recorded_at=at(10),
            reason="resolve_before_fire",
            cause="alerts.raw.v1/0/90/0",
            fingerprint=FINGERPRINT,
            resolved_at=at(9),
            forget_due_at=at(610),
        ),
        ev.ChangeRecorded(
            recorded_at=at(-900),
            reason="reported",
            actor="pipeline",
            cause="change:deploy-17",
            rules_version=7,
            change_id=ids.change_id(0, "change:deploy-17"),
            title="orders-db 14.6 rolled out",
            at=at(-960),
            service="orders-db",
            author="ada",
            link="https://ci.example/17",
            labels={"version": "14.6"},
        ),
        ev.Sent(recorded_at=at(5600.1), reason="sent", command_id=COMMAND_ID),
        ev.Swept(
            recorded_at=at(400),
            reason="goes_on",
            cause="rules:7",
            rules_version=7,
            rules="5f0c1d7a9be24c3d8e6f7a10",
            cursor=INCIDENT,
            next_due_at=at(400),
        ),
        ev.Muted(
            recorded_at=at(400.2),
            reason="silenced",
            cause=f"{INCIDENT}.12",
            incident_id=INCIDENT,
            incident_version=12,
            suppressed_by="silence:3f2a",
            since=at(400.1),
            owed=True,
        ),
        ev.Followed(
            recorded_at=at(392),
            reason="acknowledged",
            incident_id=INCIDENT,
            incident_version=11,
            answered=True,
        ),
    )


def _rest(kind: str, subject: str, seconds: float) -> dict[str, Any]:
    """What all events of an escalation have."""
    return {
        "recorded_at": at(seconds),
        "rules_version": 6,
        "id": ids.escalation_id(0, INCIDENT, kind, subject),
        "incident_id": INCIDENT,
        "incident_version": 1,
        "incident_offset": OFFSET,
        "header": HEADER,
    }


def escalations() -> tuple[ev.EscalationEvent, ...]:
    return (*_planned(), *_promised())


def _planned() -> tuple[ev.EscalationEvent, ...]:
    return (
        ev.EscalationScheduled(
            reason="policy_started",
            cause=f"{INCIDENT}.1",
            steps=(STEP,),
            acknowledge_due_at=at(300),
            acknowledge_risk_due_at=at(240),
            resolve_risk_due_at=at(1440),
            resolve_due_at=at(1800),
            **_rest("scheduled", "1", 0.004),
        ),
        ev.EscalationFired(
            reason="not_acknowledged",
            cause="deadline:step:2026-11-21T03:17:07.250Z",
            step=STEP,
            team="senior_engineers",
            contacts={"email": ("senior-engineers@example.org",)},
            lateness_seconds=0.012,
            next_step=replace(STEP, due_at=at(900), repeats_left=1, repeat=1),
            upcoming=replace(STEP, level=2, escalate_to="management", due_at=at(600)),
            targets=(
                Recipient(
                    recipient="team:senior_engineers",
                    contacts={"email": ("senior-engineers@example.org",)},
                    why="contacts of the team",
                ),
            ),
            skipped=(Skipped(recipient="user:ana", why="away until 2026-12-01T00:00+00:00"),),
            **_rest("fired", "1.0", 300.012),
        ),
        ev.EscalationSkipped(
            reason="out_of_hours",
            cause="deadline:step:2026-11-21T03:22:07.250Z",
            step=LEVEL,
            next_step=replace(LEVEL, due_at=at(20000)),
            **_rest("skipped", "2.0", 600),
        ),
        ev.EscalationPaused(
            reason="suppressed",
            cause=f"{INCIDENT}.12",
            by="silence:sil_7ksd2m4q",
            paused_at=at(350),
            **_rest("paused", "12", 350.002),
        ),
        ev.EscalationResumed(
            reason="unsuppressed",
            cause=f"{INCIDENT}.13",
            paused_at=at(350),
            steps=(replace(STEP, due_at=at(960)),),
            resolve_due_at=at(1800),
            update_due_at=at(2100),
            update_risk_due_at=at(1740),
            **_rest("resumed", "13", 410.002),
        ),
    )


def _promised() -> tuple[ev.EscalationEvent, ...]:
    promise: dict[str, Any] = {"target": "acknowledge", "target_due_at": at(300), "cause": f"{INCIDENT}.1"}
    return (
        ev.EscalationAwaited(
            reason="each_must_acknowledge",
            cause=f"{INCIDENT}.10",
            missing=("user:bob",),
            **_rest("awaited", "10", 390),
        ),
        ev.EscalationStopped(reason="acknowledged", cause=f"{INCIDENT}.11", **_rest("stopped", "11", 392.003)),
        ev.SlaAtRisk(reason="at_risk", **promise, **_rest("at_risk", "acknowledge", 240)),
        ev.SlaBreached(reason="breached", **promise, **_rest("breached", "acknowledge", 300)),
        ev.SlaRenewed(
            reason="updated",
            target="update",
            target_due_at=at(3000),
            risk_due_at=at(2600),
            cause=f"{INCIDENT}.14",
            **_rest("renewed", "update", 1200),
        ),
    )


def deliveries() -> tuple[ev.DeliveryEvent, ...]:
    def step(n: int, seconds: float, **own: Any) -> dict[str, Any]:
        return {
            "recorded_at": at(seconds),
            "delivery_id": DELIVERY,
            "n": n,
            "incident_id": INCIDENT,
            "channel": "ops-webhook",
            **own,
        }

    return (
        ev.DeliveryPlanned(
            **step(1, 0.005, reason="incident.opened", cause=f"{INCIDENT}.1"),
            step="incident.opened",
            page=True,
            recipient="channel:ops-webhook",
            send_due_at=at(0),
            context={"type": "incident.opened", "reason": "opened_new_group", "number": HEADER.number},
            counts=True,
            joined=ev.Joined(digest=DIGEST, why="over_limit"),
        ),
        ev.DeliveryAttempted(**step(2, 0.009), attempt=1),
        ev.DeliveryDelivered(**step(3, 0.052, reason="delivered"), attempt=1, receipt="204", duration_seconds=0.043),
        ev.DeliveryFailed(
            **step(3, 5.01, reason="failed"), attempt=1, error="503 Service Unavailable", next_attempt_at=at(6.4)
        ),
        ev.DeliveryGaveUp(**step(18, 900, reason="attempts_max"), attempt=8, error="503 Service Unavailable"),
        ev.DeliveryWithdrawn(**step(2, 392.004, reason="acknowledged", cause=f"{INCIDENT}.11")),
        ev.DeliverySuppressed(**step(2, 0.006, reason="silence", cause="sil_7ksd2m4q")),
        ev.DeliveryBundled(**step(2, 300, reason="in_digest", cause=f"{DIGEST}.1"), digest=DIGEST),
    )


PUBLISHED: Final = ev.SettingsPublished(
    recorded_at=at(-3600),
    reason="file_changed",
    previous=4,
    key="people/directory",
    document={
        "teams": {"senior_engineers": {"contacts": {"email": ["senior-engineers@example.org"]}}},
        "catch_all": "everyone",
    },
)
