"""Examples of `incidents.events.v1`: changes of one incident and answers to commands."""

from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.wire.examples.story import (
    ALERT_ID,
    COMMAND_ID,
    FACTS,
    FINGERPRINT,
    HEADER,
    INCIDENT,
    OTHER,
    SECOND_ALERT_ID,
    SECOND_FACTS,
    at,
)

ACKNOWLEDGED: Final[dict[str, Any]] = {
    "status": Status.ACKNOWLEDGED,
    "acknowledged_at": at(392),
    "acknowledged_by": "ada",
    "alerts": 2,
    "firing": 2,
    "occurrences": 14,
}


def _change(
    kind: type[ev.IncidentEvent],
    version: int,
    seconds: float,
    reason: str,
    *,
    header: dict[str, Any],
    **own: Any,
) -> ev.IncidentEvent:
    """One change of the incident of the story; `header` = what differs from the opening header."""
    return kind(
        recorded_at=at(seconds),
        reason=reason,
        rules_version=6,
        incident_id=INCIDENT,
        version=version,
        header=replace(HEADER, version=version, **header),
        **own,
    )


BY_PERSON: Final[dict[str, Any]] = {"actor": "ada", "cause": COMMAND_ID}
BY_ALERT: Final[dict[str, Any]] = {"cause": "alerts.raw.v1/0/91/2"}
TWO: Final = {"alerts": 2, "firing": 2, "occurrences": 2}
RESOLVED: Final = {**ACKNOWLEDGED, "status": Status.RESOLVED, "firing": 0}

INCIDENT_EVENTS: Final[tuple[ev.IncidentEvent, ...]] = (
    _change(
        ev.Opened,
        1,
        0,
        "opened_new_group",
        header={},
        cause="alerts.raw.v1/0/88/0",
        ordinal=6,
        group=ids.short_hash("service:eu-1/orders-db", "alertname=DiskWillFillIn4Hours"),
        group_key="cluster=eu-1,alertname=DiskWillFillIn4Hours",
        partition_key="service:eu-1/orders-db",
        event_time=at(-67.25),
        alert=FACTS,
        recurrence_of=OTHER,
    ),
    _change(ev.AlertAttached, 2, 31, "joined_open_group", header=TWO, alert=SECOND_FACTS, **BY_ALERT),
    _change(ev.LateAmended, 3, 35, "late_amended", header=TWO, alert=SECOND_FACTS, **BY_ALERT),
    _change(
        ev.AlertResolved,
        4,
        900,
        "alert_resolved",
        header={**ACKNOWLEDGED, "firing": 1},
        fingerprint=FINGERPRINT,
        alert_ids=(ALERT_ID,),
        resolved_at=at(895),
        resolve_due_at=at(960),
        **BY_ALERT,
    ),
    _change(
        ev.AlertMoved,
        6,
        40,
        "alert_moved",
        header=TWO,
        moved_from=OTHER,
        alert_ids=(SECOND_ALERT_ID,),
        fingerprints=(SECOND_FACTS.fingerprint,),
        **BY_ALERT,
    ),
    _change(
        ev.AlertsLeft,
        6,
        40,
        "alert_moved",
        header={},
        moved_to=OTHER,
        fingerprints=(SECOND_FACTS.fingerprint,),
        **BY_ALERT,
    ),
    _change(
        ev.Merged,
        7,
        42,
        "bridged",
        header=TWO,
        absorbed=OTHER,
        fingerprints=(SECOND_FACTS.fingerprint,),
        **BY_ALERT,
    ),
    _change(ev.Linked, 8, 42, "bridged", header=TWO, linked_to=OTHER, **BY_ALERT),
    _change(ev.SeverityRaised, 9, 31, "severity_raised", header=TWO, was=Severity.HIGH, **BY_ALERT),
    _change(ev.Reannounced, 10, 500, "new_target", header=ACKNOWLEDGED, **BY_ALERT),
    _change(
        ev.Acknowledged,
        11,
        392,
        "acknowledged",
        header=ACKNOWLEDGED,
        expires_due_at=at(14792),
        note="looking at it",
        **BY_PERSON,
    ),
    _change(
        ev.AcknowledgementExpired,
        12,
        14792,
        "acknowledgement_expired",
        header=TWO,
        cause="deadline:acknowledgement:2026-11-21T07:18:39.250Z",
    ),
    _change(
        ev.Investigating,
        12,
        400,
        "investigating",
        header={**ACKNOWLEDGED, "status": Status.INVESTIGATING},
        expires_due_at=at(14800),
        **BY_PERSON,
    ),
    _change(
        ev.Mitigated,
        13,
        800,
        "mitigated",
        header={**ACKNOWLEDGED, "status": Status.MITIGATED},
        note="old backups removed",
        **BY_PERSON,
    ),
    _change(
        ev.Resolved,
        14,
        960,
        "all_alerts_resolved",
        header=RESOLVED,
        close_due_at=at(960 + 86400),
        cause="deadline:resolve:2026-11-21T03:28:07.250Z",
    ),
    _change(ev.Reopened, 15, 1200, "fired_again", header=TWO, **BY_ALERT),
    _change(
        ev.Closed,
        16,
        87360,
        "closed_after_delay",
        header={**RESOLVED, "status": Status.CLOSED},
        retire_due_at=at(87360 + 604800),
        cause="deadline:close:2026-11-22T03:28:07.250Z",
    ),
    _change(
        ev.Assigned,
        17,
        450,
        "assigned",
        header={**ACKNOWLEDGED, "assignee": "grace"},
        note="her area",
        **BY_PERSON,
    ),
    _change(
        ev.Noted,
        18,
        460,
        "noted",
        header=ACKNOWLEDGED,
        note="The backup of 02:00 was not removed.",
        **BY_PERSON,
    ),
    _change(
        ev.Suppressed,
        19,
        500,
        "suppressed",
        header={**ACKNOWLEDGED, "suppressed_by": "silence:sil_3f2a", "suppressed_until": at(4100)},
    ),
    _change(ev.Unsuppressed, 20, 4100, "unsuppressed", header=ACKNOWLEDGED, was="silence:sil_3f2a"),
    _change(
        ev.Retired,
        21,
        87360 + 604800,
        "retired",
        header={**RESOLVED, "status": Status.CLOSED},
        cause="deadline:retire:2026-11-29T03:28:07.250Z",
    ),
)
"""Each is an example for itself: their versions do not make one history."""


def answers() -> tuple[ev.CommandEvent, ...]:
    answer: dict[str, Any] = {
        "actor": "ada",
        "cause": COMMAND_ID,
        "command_id": COMMAND_ID,
        "incident_id": INCIDENT,
    }
    return (
        ev.CommandApplied(
            recorded_at=at(392),
            reason="acknowledged",
            verb="acknowledge",
            events=(f"{INCIDENT}.11",),
            **answer,
        ),
        ev.CommandUnchanged(recorded_at=at(393), reason="already_acknowledged", verb="acknowledge", **answer),
        ev.CommandRejected(
            recorded_at=at(394),
            reason="illegal_transition",
            verb="reopen",
            message="reopen is not possible while acknowledged; possible: close, investigate, mitigate, resolve",
            **answer,
        ),
    )
