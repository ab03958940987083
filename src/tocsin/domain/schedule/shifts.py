"""The final schedule over a stretch of time: layers, overrides, absences and backups worked in.

In: the name of a schedule, the rules, two instants. Out: shifts that tile the stretch, without gap or overlap; time
in which nobody is on duty is a shift without a user. Invariant: the shift that covers an instant names who
`on_call_at` names.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.schedule.duty import Duty, Found

if TYPE_CHECKING:
    from tocsin.domain.rules import Rules

MARGINS: Final = tuple(timedelta(days=days) for days in (8, 60, 420))
"""How far outside of a stretch the begin and end of its first and last shift are looked for."""


class Shift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One user's duty in a piece; `user` is empty when nobody is on duty. `by` and `source` as in `OnCall`."""

    user: str
    start: Instant
    end: Instant
    by: str = ""
    source: str = ""
    instead_of: str = ""


def shifts(name: str, rules: "Rules", start: Instant, end: Instant) -> Iterator[Shift]:
    """The shifts from `start` to `end`, the first and last cut there. Nothing if `end` is not after `start`."""
    duty = Duty(name, rules.schedules, rules.overrides, rules.users)
    at, begin, current = start, start, Found()
    while at < end:
        found = duty.at(at)
        if at == start:
            current = found
        elif _what(found) != _what(current):
            yield _shift(current, begin, at)
            begin, current = at, found
        if found.until is None or found.until >= end:
            break
        at = found.until
    if begin < end:
        yield _shift(current, begin, end)


def whole_shifts(name: str, rules: "Rules", start: Instant, end: Instant) -> list[Shift]:
    """The shifts that touch the stretch, uncut as far as `MARGINS` reach; only those with a user."""
    found: list[Shift] = []
    for margin in MARGINS:
        first, last = start - margin, end + margin
        found = list(shifts(name, rules, first, last))
        found = [one for one in found if one.end > start and one.start < end]
        if not found or (found[0].start > first and found[-1].end < last):
            break
    return [one for one in found if one.user]


def _what(found: Found) -> tuple[object, ...]:
    return (found.user, found.by, found.source, found.instead_of, found.turn if found.user else None)


def _shift(found: Found, start: Instant, end: Instant) -> Shift:
    return Shift(user=found.user, start=start, end=end, by=found.by, source=found.source, instead_of=found.instead_of)
