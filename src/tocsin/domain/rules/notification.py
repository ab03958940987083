"""Who is told what, as data."""

from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.rules.condition import Matcher
from tocsin.domain.severity import Severity

TEAM: Final = "team"
"""The audience of whoever works on incidents."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channels an incident goes to. All routes that match count."""

    when: Matcher = Matcher()
    channels: tuple[str, ...]
    audience: str = TEAM
    """Who reads there: one of `domain.command.verb.AUDIENCES`. Others than the team hear updates addressed to them."""
    events: tuple[str, ...] = ()
    """Event types that it carries; empty = for the team those of `NotifyRules.events`, for others none."""


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
