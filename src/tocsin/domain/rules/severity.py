"""Severity schemes, as data: how people call the severities, and what a scheme promises for each of its levels."""

from datetime import timedelta

import msgspec

from tocsin.domain.severity import Severity


class SchemeLevel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One level of a scheme: its word, the severity it stands for, its targets."""

    word: str
    severity: Severity
    respond: timedelta | None = None
    recover: timedelta | None = None
    update: timedelta | None = None
    meaning: str = ""


class Scheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    levels: tuple[SchemeLevel, ...]


class SeverityRules(msgspec.Struct, frozen=True, kw_only=True):
    scheme: str = "named"
    """The scheme in which severities are shown: `named`, `p0-p3`, `p1-p4`, `sev1-4`, or one of `schemes`."""
    schemes: dict[str, Scheme] = {}
    matrix: dict[str, dict[str, Severity]] = {}
    """Impact -> urgency -> severity."""
    root_cause_required: tuple[Severity, ...] = ()
    """Severities whose incidents cannot be closed without a root cause."""
