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


COUNTED_MAX: Final = 1000
COUNTED_FOR: Final = timedelta(hours=1)
"""How many messages of one place are remembered, and for how long: no limit looks further."""


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much one place of a channel (its own address, or that of one recipient) is told one by one."""

    messages: int = 10
    """So many that are no pages within `per`; what goes beyond is said in digests. 0 = no limit."""
    pages: int = 25
    """So many pages within `per`; what goes beyond is paged in one message. 0 = no limit."""
    per: timedelta = timedelta(minutes=10)
    digest_every: timedelta = timedelta(minutes=5)
    """How long a digest waits for more."""
    page_digest_every: timedelta = timedelta(minutes=1)
    """The same for pages."""
    bundle: timedelta = timedelta()
    """How long any message that is no page waits for others, to go out with them; 0 = not at all."""

    def __post_init__(self) -> None:
        if not (0 <= self.messages <= COUNTED_MAX and 0 <= self.pages <= COUNTED_MAX):
            raise ValueError(f"messages and pages of a limit are 0 to {COUNTED_MAX}")
        if not timedelta() < self.per <= COUNTED_FOR:
            raise ValueError(f"per of a limit is at most {COUNTED_FOR}")


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
    current: tuple[str, ...] = ()
    """Channels that keep one thing an incident (a message, an alert, a ticket): it follows the status,
    whatever `events` says."""
    echoes: tuple[str, ...] = ()
    """Channels that people read: they hear of what was asked for over them, too. Other systems know it."""
    hold: dict[Severity, timedelta] = {}
    """How long the first page of an incident waits, for lower severities."""
    limits: dict[str, Limit] = {}
    """By channel; one that is not named says everything one by one."""
    fallback: dict[str, tuple[str, ...]] = {}
    """Channel -> where its messages go when it gives them up, in this order."""
    fallback_after: timedelta = timedelta(minutes=2)
    """How long a channel is down before its pages go another way."""
    attempts_max: int = 100
    """With the waits below about four hours on average: a mail server that is down for a night shift's begin must not
    cost a page."""
    retry_for: timedelta = timedelta(days=1)
    """After so long nothing is tried again: it would tell of yesterday."""
    retry_pages_for: timedelta = timedelta(hours=6)
    """The same for pages: by then others have been called."""
    retry_first: timedelta = timedelta(seconds=2)
    retry_longest: timedelta = timedelta(minutes=5)
