"""When somebody is on call, and when a business is open, as data. Wall clock and IANA zone, never an offset."""

from datetime import date

import msgspec

from tocsin.domain.instant import Instant


class Restriction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of each week: `days` (0 = Monday; empty = every day), from `start` to `end` by the wall clock.

    `HH:MM`; `end` at or before `start` is on the next day; `24:00` is the end of the day.
    """

    days: tuple[int, ...] = ()
    start: str = "00:00"
    end: str = "24:00"


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    time_zone: str = "UTC"
    hours: tuple[Restriction, ...] = ()
    """Open in any of them; empty = always but on holidays."""
    holidays: tuple[date, ...] = ()


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


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Layers over one another: the last one that has somebody on duty counts."""

    time_zone: str = "UTC"
    layers: tuple[Layer, ...]
    backup: str = ""
    """Schedule that is asked when nobody here is on duty."""
    description: str = ""


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
