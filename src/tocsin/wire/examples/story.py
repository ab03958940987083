"""What the examples share: fixed instants, ids, one incident and its two alerts. Pure values; it makes no event."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from tocsin.domain import ids
from tocsin.domain.alert import AlertFacts, Episode
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity

START: Final = datetime(2026, 11, 21, 3, 12, 7, 250000, tzinfo=UTC)
INCARNATION: Final = "9f2c4e61d07a83b5"
OFFSET: Final = 4117
"""Where the opening event stands in its journal."""


def at(seconds: float) -> Instant:
    """The instant `seconds` into the story."""
    return START + timedelta(seconds=seconds)


LABELS: Final = {
    "alertname": "DiskWillFillIn4Hours",
    "cluster": "eu-1",
    "instance": "db-3:9100",
    "job": "node",
    "service": "orders-db",
    "severity": "critical",
}
FINGERPRINT: Final = ids.fingerprint(LABELS)
ALERT_ID: Final = ids.alert_id(0, INCARNATION, 88, 0)
SECOND_ALERT_ID: Final = ids.alert_id(0, INCARNATION, 91, 2)
INCIDENT: Final = ids.incident_id(0, INCARNATION, "0", "88", "0")
OTHER: Final = ids.incident_id(0, INCARNATION, "0", "75", "1")
COMMAND_ID: Final = "cmd_5e1f0a44c27b"
DELIVERY: Final = ids.delivery_id(0, f"{INCIDENT}.1", "incident.opened", "ops-webhook", "channel:ops-webhook")

HEADER: Final = IncidentHeader(
    id=INCIDENT,
    number="INC-2026-11-21-007",
    version=1,
    title="Disk of orders-db will be full in 4 hours",
    severity=Severity.CRITICAL,
    status=Status.OPEN,
    opened_at=START,
    category="database",
    service="orders-db",
    team="database_team",
    source="alertmanager",
    alerts=1,
    firing=1,
    occurrences=1,
    labels={"alertname": "DiskWillFillIn4Hours", "cluster": "eu-1"},
    links={"runbook": "https://runbooks.example/disk-full"},
)

FACTS: Final = AlertFacts(
    alert_id=ALERT_ID,
    fingerprint=FINGERPRINT,
    episode=Episode.STARTS_AT,
    title="Disk of orders-db will be full in 4 hours",
    severity=Severity.CRITICAL,
    start=at(-67.25),
    last=at(-0.25),
    starts_at=at(-67.25),
    category="database",
    service="orders-db",
    source="alertmanager",
    labels=LABELS,
    annotations={"description": "11 GB are left on /var/lib/postgresql"},
    links={"runbook": "https://runbooks.example/disk-full"},
    raw="alerts.raw.v1/0/88/0",
)
SECOND_FACTS: Final = replace(
    FACTS,
    alert_id=SECOND_ALERT_ID,
    fingerprint=ids.fingerprint({**LABELS, "instance": "db-4:9100"}),
    labels={**LABELS, "instance": "db-4:9100"},
    start=at(21),
    last=at(31),
    starts_at=at(21),
    raw="alerts.raw.v1/0/91/2",
)
