"""How alerts are read and grouped, as data."""

from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.severity import Severity


class IngestRules(msgspec.Struct, frozen=True, kw_only=True):
    ignore_labels: tuple[str, ...] = ("replica", "prometheus_replica", "receive_replica")
    """Labels that do not identify an alert, so that a pair of Prometheus servers is one source."""
    severities: dict[str, Severity] = {}
    """Own source words, before the built-in table."""
    partition_by: tuple[str, ...] = ()
    """Labels that choose the partition; empty = the built-in order. Fixed for the life of the topics."""


COUNT_MAX: Final = 100
"""Sightings of a threshold: they stand in an event each time, 30 bytes each."""
TIMES_MAX: Final = 20
"""Come-backs of a flapping incident: fifty are remembered."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident stays quiet until `count` sightings fell within `within`.

    Raises:
        ValueError: `count` is not within 1 and `COUNT_MAX`, or `within` is not above zero.
    """

    count: int
    within: timedelta

    def __post_init__(self) -> None:
        if not 1 <= self.count <= COUNT_MAX:
            raise ValueError(f"count must lie between 1 and {COUNT_MAX}")
        if self.within <= timedelta(0):
            raise ValueError("within must be above zero")


class Flapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident that came back `times` within `within` is quiet until it was calm for `calm`.

    Raises:
        ValueError: `times` is not within 1 and `TIMES_MAX`, or a duration is not above zero.
    """

    times: int = 4
    within: timedelta = timedelta(minutes=30)
    calm: timedelta = timedelta(minutes=15)

    def __post_init__(self) -> None:
        if not 1 <= self.times <= TIMES_MAX:
            raise ValueError(f"times must lie between 1 and {TIMES_MAX}")
        if min(self.within, self.calm) <= timedelta(0):
            raise ValueError("within and calm must be above zero")


class CorrelationRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the alerts that match are grouped and for how long. The first rule that matches counts."""

    name: str = "default"
    when: dict[str, str] = {}
    """Labels an alert must have."""
    group_by: tuple[str, ...] = ()
    """Labels of the group key; empty = the source's group labels, else cluster + service + alertname."""
    category: str = ""
    gap: timedelta = timedelta(minutes=10)
    length_max: timedelta = timedelta(hours=24)
    resolve_delay: timedelta = timedelta(minutes=1)
    reopen_within: timedelta = timedelta(minutes=30)
    acknowledgement_expires_after: timedelta = timedelta(hours=4)
    close_after: timedelta = timedelta(hours=24)
    retire_after: timedelta = timedelta(days=7)
    threshold: Threshold | None = None
    flapping: Flapping | None = None
