"""The six named severities and the table that maps the words of sources to them."""

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Named severities, most urgent first."""

    EMERGENCY = "emergency"
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return _RANK[self]


_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}

DEFAULT: Final = Severity.MEDIUM
"""What an alert without a known severity word gets."""

WORDS: Final[dict[str, Severity]] = {
    **{severity.value: severity for severity in Severity},
    "disaster": Severity.EMERGENCY,
    "fatal": Severity.EMERGENCY,
    "p0": Severity.EMERGENCY,
    "page": Severity.CRITICAL,
    "crit": Severity.CRITICAL,
    "p1": Severity.CRITICAL,
    "sev1": Severity.CRITICAL,
    "error": Severity.HIGH,
    "err": Severity.HIGH,
    "major": Severity.HIGH,
    "p2": Severity.HIGH,
    "sev2": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "warn": Severity.MEDIUM,
    "average": Severity.MEDIUM,
    "p3": Severity.MEDIUM,
    "sev3": Severity.MEDIUM,
    "minor": Severity.LOW,
    "p4": Severity.LOW,
    "sev4": Severity.LOW,
    "notice": Severity.INFO,
    "information": Severity.INFO,
    "none": Severity.INFO,
    "p5": Severity.INFO,
}


def severity_of(word: str, own: dict[str, Severity] | None = None) -> Severity:
    """Severity for a source's word (case does not matter); `own` entries go before the built-in table."""
    lower = word.strip().lower()
    if own and lower in own:
        return own[lower]
    return WORDS.get(lower, DEFAULT)
