"""What is promised for an incident, as data."""

from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.rules.condition import Matcher
from tocsin.domain.severity import Severity


class SlaTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None = no promise."""

    acknowledge: timedelta | None = None
    resolve: timedelta | None = None
    update: timedelta | None = None
    """Between two updates."""


def _default() -> dict[Severity, SlaTarget]:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    return {
        Severity.EMERGENCY: SlaTarget(acknowledge=5 * minute, resolve=10 * minute),
        Severity.CRITICAL: SlaTarget(acknowledge=5 * minute, resolve=30 * minute),
        Severity.HIGH: SlaTarget(acknowledge=15 * minute, resolve=2 * hour),
        Severity.MEDIUM: SlaTarget(acknowledge=hour, resolve=8 * hour),
    }


DEFAULT_SLA: Final = _default()


class SlaRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Targets of the incidents that match, in the hours of a calendar."""

    name: str
    condition: Matcher = Matcher()
    targets: dict[Severity, SlaTarget]
    calendar: str = ""
    """Hours in which the promises run; empty = always."""
