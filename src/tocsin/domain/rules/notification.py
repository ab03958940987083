"""Who is told what, as data."""

from datetime import timedelta

import msgspec

from tocsin.domain.rules.condition import Matcher
from tocsin.domain.severity import Severity


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channels an incident goes to. All routes that match count."""

    when: Matcher = Matcher()
    channels: tuple[str, ...]


class NotifyRules(msgspec.Struct, frozen=True, kw_only=True):
    routes: tuple[Route, ...] = ()
    catch_all: tuple[str, ...] = ("console",)
    """Channels of an incident that no route matches."""
    events: tuple[str, ...] = (
        "incident.opened",
        "incident.reopened",
        "incident.severity_raised",
        "incident.reannounced",
        "incident.resolved",
        "escalation.fired",
    )
    hold: dict[Severity, timedelta] = {}
    """How long the first page of an incident waits, for lower severities."""
    attempts_max: int = 20
    """With the waits below half an hour on average: a mail server's restart must not cost a page."""
    retry_first: timedelta = timedelta(seconds=2)
    retry_longest: timedelta = timedelta(minutes=5)
