"""How alerts are read and grouped, as data."""

from datetime import timedelta

import msgspec

from tocsin.domain.severity import Severity


class IngestRules(msgspec.Struct, frozen=True, kw_only=True):
    ignore_labels: tuple[str, ...] = ("replica", "prometheus_replica", "receive_replica")
    """Labels that do not identify an alert, so that a pair of Prometheus servers is one source."""
    severities: dict[str, Severity] = {}
    """Own source words, before the built-in table."""
    partition_by: tuple[str, ...] = ()
    """Labels that choose the partition; empty = the built-in order. Fixed for the life of the topics."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident stays quiet until `count` sightings fell within `within`."""

    count: int
    within: timedelta


class Flapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident that came back `times` within `within` is quiet until it was calm for `calm`."""

    times: int = 4
    within: timedelta = timedelta(minutes=30)
    calm: timedelta = timedelta(minutes=15)


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
