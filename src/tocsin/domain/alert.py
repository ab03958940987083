"""One signal: what ingest passes on (`Sighting`), what is known of it (`AlertBody`), what an event says of it
(`AlertFacts`).
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.severity import Severity

CLAMP_PAST: Final = timedelta(minutes=10)
"""How far before `received_at` an event time may lie. Equal to the grace, so that nothing read in order is late."""
CLAMP_FUTURE: Final = timedelta(minutes=1)


class AlertStatus(StrEnum):
    """What one sighting says. `acknowledged` comes from PagerDuty clients and is treated as that command."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"


class Episode(StrEnum):
    """How one continuous firing is recognised: by the source's `startsAt`, by its key until resolved, or by the
    window.
    """

    STARTS_AT = "starts_at"
    KEYED = "keyed"
    WINDOW = "window"


class AlertBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the source said, normalised; travels once per fingerprint and batch and is decoded only when needed."""

    title: str
    severity: Severity = Severity.MEDIUM
    category: str = ""
    service: str = ""
    source: str = ""
    correlation_id: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    links: dict[str, str] = {}
    """Name to URL: `generator`, `runbook`, `dashboard`, ..."""
    group_labels: dict[str, str] | None = None
    """The group labels that the source itself grouped by (Alertmanager), if it said."""
    cut: tuple[str, ...] = ()
    """Names of the fields that were over a limit and were cut."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a normalized batch: one alert at one place of a raw record."""

    raw_topic: str
    raw_partition: int
    incarnation: str
    offset: int
    index: int
    """Place inside the raw record before any filtering."""
    received_at: Instant
    fingerprint: str
    status: AlertStatus
    episode: Episode
    starts_at: Instant | None = None
    """As the source says it, not clamped."""
    expires_at: Instant | None = None
    """When the source wants it to count as resolved by itself (`/api/v2/alerts`: `endsAt`, or 5 minutes)."""
    partition_key: str = ""
    """Empty for a row that can name only a key and so goes to every partition."""
    correlation_id: str = ""
    actor: str = ""
    body: bytes = b""
    """Encoded `AlertBody` (`wire.normalized.body_of`); empty when the row can name only a key."""

    @property
    def raw_source(self) -> str:
        """`<topic>/<partition>` of the raw record."""
        return f"{self.raw_topic}/{self.raw_partition}"

    @property
    def cause(self) -> str:
        """The place of the alert in the raw topic: `<topic>/<partition>/<offset>/<index>`."""
        return f"{self.raw_topic}/{self.raw_partition}/{self.offset}/{self.index}"


class RawMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last alert of a raw partition that was applied; orders by (offset, index) within one incarnation."""

    incarnation: str
    offset: int
    index: int
    received_at: Instant


def clamped(starts_at: Instant | None, received_at: Instant) -> Instant:
    """The event time of what began at `starts_at` and was received at `received_at`: within [received_at - 10 min,
    received_at + 1 min], `received_at` where the source names none. It never falls while `received_at` rises.
    """
    if starts_at is None:
        return received_at
    if starts_at <= received_at:
        earliest = received_at - CLAMP_PAST
        return starts_at if starts_at >= earliest else earliest
    return min(starts_at, received_at + CLAMP_FUTURE)


def event_time(sighting: Sighting) -> tuple[Instant, bool]:
    """The event time of a sighting, and whether the clamp changed what the source says."""
    at = clamped(sighting.starts_at, sighting.received_at)
    return at, sighting.starts_at is not None and at != sighting.starts_at


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an incident event says of one of its alerts: enough to show it and to rebuild the member."""

    alert_id: str
    fingerprint: str
    episode: Episode
    title: str
    severity: Severity
    start: Instant
    """Event time of the earliest sighting (clamped)."""
    last: Instant
    """`received_at` of the last sighting."""
    starts_at: Instant | None = None
    """As the source says it."""
    event_time_clamped: bool = False
    expires_at: Instant | None = None
    category: str = ""
    service: str = ""
    source: str = ""
    correlation_id: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    links: dict[str, str] = {}
    cut: tuple[str, ...] = ()
    raw: str = ""
    """`<topic>/<partition>/<offset>/<index>` of the first sighting."""
