"""Who is on call: one function of the rules and an instant.

In: the name of a schedule, the rules, an instant. Out: `OnCall`. A schedule that does not exist has nobody on call;
who asks falls back (`domain.directory`). The order of what counts stands in `domain.schedule.duty`.
"""

from typing import TYPE_CHECKING

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.schedule.duty import Duty, Skipped

if TYPE_CHECKING:
    from tocsin.domain.rules import Rules

__all__ = ["OnCall", "Skipped", "on_call_at"]


class OnCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is on call at one instant, and why."""

    schedule: str
    users: tuple[str, ...] = ()
    """On duty, who is reached first comes first; empty = nobody, which whoever asks must not leave at that."""
    by: str = ""
    """`layer`, `override` or `backup`; empty = nobody."""
    source: str = ""
    """The layer (its name, else its number from 1), the override's id, or the backup schedule."""
    instead_of: str = ""
    """Whose turn it would be without absence or override."""
    skipped: tuple[Skipped, ...] = ()
    """Who is not reached, and why."""
    until: Instant | None = None
    """The next instant at which the answer can change; None = never."""


def on_call_at(name: str, rules: "Rules", at: Instant) -> OnCall:
    """Who is on call in the schedule `name` at `at`. Never raises."""
    found = Duty(name, rules.schedules, rules.overrides, rules.users).at(at)
    return OnCall(
        schedule=name,
        users=(found.user,) if found.user else (),
        by=found.by,
        source=found.source,
        instead_of=found.instead_of,
        skipped=found.skipped,
        until=found.until,
    )
