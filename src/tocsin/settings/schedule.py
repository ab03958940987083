"""The settings of schedules and business calendars. Each part gives its `domain.rules` struct.

Times are those of the wall clock in the zone that is named beside them. Overrides and swaps are no settings of the
file: people make them while tocsin runs (`tocsin oncall override`).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.rules.schedule import HOLIDAYS_MAX, LAYERS_MAX, RESTRICTIONS_MAX, TURN_MAX, USERS_MAX
from tocsin.domain.schedule import shifts
from tocsin.domain.schedule.check import backup_loop
from tocsin.domain.wall import MINUTES_OF_A_DAY, instant_of, minutes_of, reading, reading_of, zone
from tocsin.settings import source as src
from tocsin.settings.part import Part
from tocsin.settings.problem import Problem, suggestion
from tocsin.settings.values import Name, OneOrMore, Zone

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GROUPS: Final = {"weekdays": range(5), "weekend": range(5, 7), "every day": range(7)}
LOOKED_AT: Final = timedelta(weeks=4)
"""Whole weeks, so that what is said of one is true of all but those in which clocks change."""
HOURS_OF_A_WEEK: Final = 7 * 24
_NUMBER: Final = {word: number for number, day in enumerate(DAYS) for word in (day[:3], day, str(number))}


def days_of(value: Any) -> tuple[int, ...]:
    """Numbers of days (0 = Monday) of `mon`, `monday`, `mon-fri`, `weekdays`, `weekend`, `0`, or a list of these.

    Raises:
        ValueError: a word is none of them.
    """
    words = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else [str(value)]
    found = sorted({day for word in words for day in _days(str(word).strip().lower())})
    return tuple(found) if len(found) < len(DAYS) else ()


def _days(word: str) -> Iterator[int]:
    if word in GROUPS:
        yield from GROUPS[word]
        return
    first, dash, last = (part.strip() for part in word.partition("-"))
    if first not in _NUMBER or (dash and last not in _NUMBER):
        wrong = first if first not in _NUMBER else last
        known = [*_NUMBER, *GROUPS]
        raise ValueError(f"{wrong!r} is no day{suggestion(wrong, known) or '; write mon, mon-fri or weekend'}")
    begin, end = _NUMBER[first], _NUMBER[last] if dash else _NUMBER[first]
    yield from (day % len(DAYS) for day in range(begin, end + 1 if end >= begin else end + len(DAYS) + 1))


def _time(value: Any) -> str:
    # YAML 1.1 reads 17:30 as 17 * 60 + 30, the very minutes of the day.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MINUTES_OF_A_DAY:
        return f"{value // 60:02}:{value % 60:02}"
    text = str(value)
    text = f"0{text}" if text[1:2] == ":" else text
    minutes_of(text)
    return text


def _reading(value: Any) -> str:
    text = str(value).strip()
    reading(text)
    return text


def _reading_or_none(value: Any) -> Any:
    return _reading(value) if value else ""


Days = Annotated[tuple[int, ...], BeforeValidator(days_of)]
TimeOfDay = Annotated[str, BeforeValidator(_time)]


def _begins(value: str) -> str:
    if minutes_of(value) == MINUTES_OF_A_DAY:
        raise ValueError("'24:00' ends a day; write 00:00 of the next one")
    return value


class RestrictionPart(Part):
    days: Days = Field(default=(), description="Days it begins on: mon, mon-fri, weekend, or a list; empty = all.")
    start: Annotated[TimeOfDay, AfterValidator(_begins)] = Field(
        default="00:00", description="Time of the wall clock, HH:MM."
    )
    end: TimeOfDay = Field(
        default="24:00", description="Time of the wall clock, HH:MM; at or before the start = on the next day."
    )

    def struct(self) -> domain.Restriction:
        return domain.Restriction(days=self.days, start=self.start, end=self.end)


class CalendarPart(Part):
    time_zone: Zone = Field(default="UTC", description="IANA name, such as Europe/London.")
    hours: tuple[RestrictionPart, ...] = Field(
        default=(), max_length=RESTRICTIONS_MAX, description="When it is open; empty = always but on holidays."
    )
    holidays: tuple[date, ...] = Field(
        default=(), max_length=HOLIDAYS_MAX, description="Days on which it is closed: [2026-12-25]."
    )

    def struct(self) -> domain.Calendar:
        return domain.Calendar(
            time_zone=self.time_zone, hours=tuple(one.struct() for one in self.hours), holidays=self.holidays
        )


class LayerPart(Part):
    name: str = Field(default="", max_length=64, description="Name of the layer, for people.")
    users: OneOrMore[Name] = Field(
        min_length=1, max_length=USERS_MAX, description="Who takes turns, in this order; one user may come twice."
    )
    starts_at: Annotated[str, BeforeValidator(_reading)] = Field(
        description="When the first turn begins, by the wall clock: 2026-01-05T09:00. Turns change at this time."
    )
    length: int = Field(default=1, ge=1, le=TURN_MAX, description="Length of a turn, in units.")
    unit: Literal["hour", "day", "week"] = Field(
        default="week", description="hour, day or week; days and weeks follow the wall clock, hours are real hours."
    )
    restrictions: tuple[RestrictionPart, ...] = Field(
        default=(), max_length=RESTRICTIONS_MAX, description="On duty only in these parts of the week; empty = always."
    )
    until: Annotated[str, BeforeValidator(_reading_or_none)] = Field(
        default="", description="When the rotation ends, by the wall clock; empty = never."
    )

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> "LayerPart":
        if self.until and reading(self.until) <= reading(self.starts_at):
            raise ValueError(f"until {self.until} must lie after starts_at {self.starts_at}")
        return self

    def struct(self) -> domain.Layer:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return domain.Layer(**(values | {"restrictions": tuple(one.struct() for one in self.restrictions)}))


class SchedulePart(Part):
    time_zone: Zone = Field(default="UTC", description="IANA name, such as Europe/London; its wall clock counts.")
    layers: tuple[LayerPart, ...] = Field(
        default=(),
        max_length=LAYERS_MAX,
        description="Rotations over one another; the last one that has somebody on duty counts.",
    )
    backup: str = Field(default="", description="Schedule that is asked when nobody here is on duty.")
    description: str = Field(default="", max_length=1000, description="What it is for, for people.")

    def struct(self) -> domain.Schedule:
        return domain.Schedule(
            time_zone=self.time_zone,
            layers=tuple(layer.struct() for layer in self.layers),
            backup=self.backup,
            description=self.description,
        )


def gaps(rules: domain.Rules) -> Iterator[str]:
    """A sentence for each schedule that somebody is meant to be on duty in, but not always, and that has no backup.

    Looked at for `LOOKED_AT` from the begin of its last rotation on, without overrides and absences.
    """
    plain = msgspec.structs.replace(rules, users={}, overrides={})
    for name, schedule in rules.schedules.items():
        if not schedule.layers or schedule.backup:
            continue
        begin = max(instant_of(reading(layer.starts_at), zone(schedule.time_zone)) for layer in schedule.layers)
        found = list(shifts(name, plain, begin, begin + LOOKED_AT))
        alone = sum((one.end - one.start for one in found if not one.user), timedelta(0))
        if alone:
            first = next(one for one in found if not one.user)
            start, end = (f"{reading_of(at, zone(schedule.time_zone)):%a %H:%M}" for at in (first.start, first.end))
            hours = f"{alone / LOOKED_AT * HOURS_OF_A_WEEK:g} of {HOURS_OF_A_WEEK} hours of a week"
            yield f"schedule {name!r} has nobody on duty for {hours}, such as {start} to {end}, and no backup"


def problems(source: src.Source) -> Iterator[Problem]:
    """Backups that lead back to where they started, at the backup of each schedule of the circle."""
    tree = source.tree.get("schedules")
    named = tree.items() if isinstance(tree, dict) else ()
    backups = {str(name): _backup(part) for name, part in named}
    for name in backups:
        if loop := backup_loop(name, backups):
            place = source.place(("schedules", name, "backup"))
            yield Problem(place, f"the backup leads back to the schedule itself: {' -> '.join(loop)}")


def _backup(part: Any) -> str:
    found = part.get("backup") if isinstance(part, dict) else ""
    return found if isinstance(found, str) else ""
