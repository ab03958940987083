"""When somebody is on call, and when a business is open, as data. Wall clock and IANA zone, never an offset.

A document that could not be understood is refused when it is read (ValueError, which msgspec reports as a document
that does not fit), so `domain.schedule` never meets one. Names that lead nowhere are `domain.schedule.check`'s.
"""

from datetime import date
from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.wall import minutes_of, reading

UNITS: Final = ("hour", "day", "week")
TURN_MAX: Final = 1000
"""Units of one turn: longer ones are a slip of the pen, and dates overflow."""
USERS_MAX: Final = 500
LAYERS_MAX: Final = 50
"""Each is looked at for every answer."""
RESTRICTIONS_MAX: Final = 100
HOLIDAYS_MAX: Final = 5000


class Restriction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of each week: `days` (0 = Monday; empty = every day), from `start` to `end` by the wall clock.

    `HH:MM`; `end` at or before `start` is on the next day; `24:00` is the end of the day.
    """

    days: tuple[int, ...] = ()
    start: str = "00:00"
    end: str = "24:00"

    def __post_init__(self) -> None:
        if minutes_of(self.start) == minutes_of("24:00"):
            raise ValueError("start '24:00' is 00:00 of the next day; write that")
        minutes_of(self.end)
        if wrong := [day for day in self.days if not 0 <= day <= 6]:
            raise ValueError(f"{wrong[0]} is not a day of the week; 0 is Monday, 6 is Sunday")


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    time_zone: str = "UTC"
    hours: tuple[Restriction, ...] = ()
    """Open in any of them; empty = always but on holidays."""
    holidays: tuple[date, ...] = ()
    """Whole days of the wall clock; hours of the day before end at midnight."""

    def __post_init__(self) -> None:
        _at_most("hours", self.hours, RESTRICTIONS_MAX)
        _at_most("holidays", self.holidays, HOLIDAYS_MAX)


class Layer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One rotation: the users take turns of `length`, the first from `starts_at` on."""

    name: str = ""
    users: tuple[str, ...]
    starts_at: str
    """Wall clock in the schedule's zone, `2026-01-05T09:00`."""
    length: int = 1
    unit: str = "week"
    """`hour`, `day` or `week`. Days and weeks are days of the wall clock; hours are real hours."""
    restrictions: tuple[Restriction, ...] = ()
    """On duty only in these; empty = always."""
    until: str = ""
    """Wall clock at which the rotation ends; empty = never."""

    def __post_init__(self) -> None:
        if not self.users:
            raise ValueError("users: a layer needs at least one")
        _at_most("users", self.users, USERS_MAX)
        _at_most("restrictions", self.restrictions, RESTRICTIONS_MAX)
        begin = reading(self.starts_at)
        if not 1 <= self.length <= TURN_MAX:
            raise ValueError(f"length: {self.length} is not between 1 and {TURN_MAX}")
        if self.unit not in UNITS:
            raise ValueError(f"unit: {self.unit!r} is not one of {', '.join(UNITS)}")
        if self.until and reading(self.until) <= begin:
            raise ValueError(f"until: {self.until} is not after starts_at {self.starts_at}")


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Layers over one another: the last one that has somebody on duty counts."""

    time_zone: str = "UTC"
    layers: tuple[Layer, ...]
    backup: str = ""
    """Schedule that is asked when nobody here is on duty."""
    description: str = ""

    def __post_init__(self) -> None:
        _at_most("layers", self.layers, LAYERS_MAX)


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody takes the duty of a schedule for a while; the override made last counts where two overlap."""

    schedule: str
    user: str
    start: Instant
    end: Instant
    made_at: Instant
    made_by: str = ""
    reason: str = ""
    replaces: str = ""
    """User whose shifts are taken; empty = whoever is on duty."""

    def __post_init__(self) -> None:
        for name in ("start", "end", "made_at"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name}: {getattr(self, name)} names no offset; write 2026-01-05T09:00:00Z")
        if self.end <= self.start:
            raise ValueError(f"end: {self.end} is not after start {self.start}")


def _at_most(name: str, given: tuple[object, ...], most: int) -> None:
    if len(given) > most:
        raise ValueError(f"{name}: {len(given)} are too many, at most {most}")
