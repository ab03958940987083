"""How one person wants to be called: over which channels, how long after the call, and not at night for small things.

In: who is called by an escalation step, the directory, an instant. Out: the same people with the channels and waits of
their own rules; until when a message for somebody waits. Invariants: whoever has no rule that matches is called as the
step says, so that a rule never silences anybody; nobody is called twice over one channel; what a person asked for, and
what is bad enough, waits for no quiet hours.
It plans nothing. A message that waits is taken back like any other when somebody answers.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.condition import holds
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Calendar, QuietHours, Rules, User
from tocsin.domain.rules.notification import TEAM
from tocsin.domain.schedule import calendar as calendars
from tocsin.notify.plan import Addressed
from tocsin.notify.quiet import REQUESTED

QUIET_MAX: Final = timedelta(hours=24)
"""Quiet hours that never end must not silence anybody for ever."""
USER: Final = "user:"


class Called(NamedTuple):
    """One message of a call."""

    to: Addressed
    audience: str
    after: timedelta


def as_wished(event: ev.EscalationEvent, told: Iterable[tuple[Addressed, str]], rules: Rules) -> list[Called]:
    """`told`, where people have rules of their own over their channels."""
    found: dict[tuple[str, str], Called] = {}
    for to, audience in told:
        wished = _wishes(event, to.recipient, rules) if audience == TEAM else {}
        for channel, after in (wished or {to.channel: timedelta()}).items():
            found.setdefault((channel, to.recipient), Called(to._replace(channel=channel), audience, after))
    return list(found.values())


def _wishes(event: ev.EscalationEvent, recipient: str, rules: Rules) -> dict[str, timedelta]:
    """Channel -> how long after the call, of all personal rules that match; the earliest counts."""
    user = _user(recipient, rules)
    if user is None or not user.notify:
        return {}
    found: dict[str, timedelta] = {}
    for rule in user.notify:
        if holds(rule.when, event.header, event.recorded_at):
            for channel in rule.channels:
                found[channel] = min(rule.after, found.get(channel, rule.after))
    return found


def quiet_until(event: ev.EscalationEvent, recipient: str, rules: Rules, now: Instant) -> Instant | None:
    """When the quiet hours end that a message about `event` for `recipient` waits for; None = it does not wait."""
    user = _user(recipient, rules)
    if user is None or user.quiet_hours is None:
        return None
    is_call = isinstance(event, ev.EscalationFired)
    if event.reason == REQUESTED or (is_call and event.header.severity.rank <= user.quiet_hours.below.rank):
        return None
    hours = _hours(user, user.quiet_hours, rules)
    if hours is None or not calendars.open_at(hours, now):
        return None
    return min(calendars.next_change(hours, now) or now + QUIET_MAX, now + QUIET_MAX)


def _user(recipient: str, rules: Rules) -> User | None:
    return rules.users.get(recipient.removeprefix(USER)) if recipient.startswith(USER) else None


def _hours(user: User, quiet: QuietHours, rules: Rules) -> Calendar | None:
    """The quiet hours as a calendar by the person's own clock."""
    if not quiet.calendar:
        return Calendar(time_zone=user.time_zone or "UTC", hours=quiet.hours) if quiet.hours else None
    named = rules.calendars.get(quiet.calendar)
    return replace(named, time_zone=user.time_zone) if named is not None and user.time_zone else named
