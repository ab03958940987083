"""Alerts that have to come, as data: when one stays away, its source is dead, and that is an alert of its own."""

from datetime import timedelta

import msgspec

from tocsin.domain.rules.condition import LabelMatch
from tocsin.domain.severity import Severity


class Expected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Some alert that matches has to be seen at least every `within`. What matches calls nobody by itself."""

    matchers: tuple[LabelMatch, ...]
    within: timedelta = timedelta(minutes=5)
    severity: Severity = Severity.CRITICAL
    """Of the alert that says that it stays away."""
    service: str = ""
    """Of that alert; empty = `monitoring`."""
    description: str = ""
    """What to do then, for people."""
