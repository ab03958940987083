"""Severity schemes, as data: how people call the severities, and what a scheme promises for each of its levels."""

from datetime import timedelta

import msgspec

from tocsin.domain.severity import Severity


class SchemeLevel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One level of a scheme: its word, the severity it stands for, its targets. A target that is None is none."""

    word: str
    severity: Severity
    respond: timedelta | None = None
    recover: timedelta | None = None
    update: timedelta | None = None
    """Between two updates."""
    meaning: str = ""


class Scheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels, the most urgent first. A severity without a level of its own is shown as the nearest one."""

    levels: tuple[SchemeLevel, ...]


class SeverityRules(msgspec.Struct, frozen=True, kw_only=True):
    scheme: str = "named"
    """The scheme in which severities are shown: `named`, `p0-p3`, `p1-p4`, `sev1-4`, or one of `schemes`."""
    schemes: dict[str, Scheme] = {}
    """Own schemes; one with the name of a built-in scheme takes its place."""
    matrix: dict[str, dict[str, Severity]] = {}
    """Impact -> urgency -> severity; empty = high, medium, low by high, medium, low."""
    root_cause_required: tuple[Severity, ...] = ()
    """Severities whose incidents cannot be closed without a root cause."""
