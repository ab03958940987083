"""What a schedule asks of people: load, handovers, and somebody's next shifts.

In: rules and a stretch of time. Out: plain records. Nights and weekends are those of each user's own zone (the
schedule's for users without one in the rules), so that a schedule around the world shows nobody nights that are
mornings. Durations are real time. It does not know what is open: who calls it adds that to a handover.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.rules.schedule import Calendar, Restriction
from tocsin.domain.schedule.calendar import open_between
from tocsin.domain.schedule.shifts import Shift, shifts, whole_shifts

if TYPE_CHECKING:
    from tocsin.domain.rules import Rules

NIGHT: Final = Restriction(start="22:00", end="06:00")
WEEKEND: Final = Restriction(days=(5, 6))
AHEAD: Final = timedelta(days=400)
"""How far the next shifts of somebody are looked for: a year and what a rotation of a month may add."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One user's share. Durations are in real time; `night` and `weekend` are parts of `total` and may overlap."""

    user: str
    """Empty = the time in which nobody is on duty."""
    total: timedelta
    night: timedelta
    weekend: timedelta
    shifts: int
    taken_over: timedelta
    """Part of `total` that was somebody else's turn: overrides and absences."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Duty passes from one user to another; one of them is empty where a gap begins or ends."""

    schedule: str
    at: Instant
    giving: str
    taking: str


def load(name: str, rules: "Rules", start: Instant, end: Instant) -> list[Load]:
    """Each user's share of the schedule `name` from `start` to `end`, the largest first, nobody's last."""
    own = rules.schedules[name].time_zone if name in rules.schedules else "UTC"
    shares: dict[str, list[Shift]] = {}
    for shift in shifts(name, rules, start, end):
        shares.setdefault(shift.user, []).append(shift)
    found = [_load(user, mine, _zone_of(user, rules, own)) for user, mine in shares.items()]
    return sorted(found, key=lambda one: (not one.user, -one.total, one.user))


def _zone_of(user: str, rules: "Rules", otherwise: str) -> str:
    return rules.users[user].time_zone if user in rules.users else otherwise


def _load(user: str, mine: list[Shift], zone: str) -> Load:
    def within(part: Restriction) -> timedelta:
        calendar = Calendar(time_zone=zone, hours=(part,))
        return sum((open_between(calendar, one.start, one.end) for one in mine), timedelta(0))

    return Load(
        user=user,
        total=sum((one.end - one.start for one in mine), timedelta(0)),
        night=within(NIGHT),
        weekend=within(WEEKEND),
        shifts=len(mine),
        taken_over=sum((one.end - one.start for one in mine if one.instead_of), timedelta(0)),
    )


def handovers(name: str, rules: "Rules", start: Instant, end: Instant) -> Iterator[Handover]:
    """Each change of who is on duty after `start` and before `end`, in order."""
    before: Shift | None = None
    for shift in shifts(name, rules, start, end):
        if before is not None and before.user != shift.user:
            yield Handover(schedule=name, at=shift.start, giving=before.user, taking=shift.user)
        before = shift


def next_handover(name: str, rules: "Rules", at: Instant) -> Handover | None:
    """The first change of who is on duty after `at`; None when there is none within `AHEAD`."""
    return next(handovers(name, rules, at, at + AHEAD), None)


def next_shifts(user: str, rules: "Rules", at: Instant, count: int) -> list[tuple[str, Shift]]:
    """The next `count` shifts of `user` in all schedules, (schedule, shift) by start; a running one comes whole.

    What a schedule has only as the backup of another is its own shift, and not listed again there.
    """
    found: list[tuple[str, Shift]] = []
    for name in sorted(rules.schedules):
        if not _may_serve(user, name, rules):
            continue
        mine = 0
        for shift in shifts(name, rules, at, at + AHEAD):
            if shift.user == user and shift.by != "backup":
                # The one that runs now was cut at `at`.
                whole = whole_shifts(name, rules, at, shift.end)[:1] if shift.start == at else [shift]
                found.append((name, whole[0]))
                mine += 1
                if mine == count:
                    break
    return sorted(found, key=lambda one: (one[1].start, one[0]))[:count]


def _may_serve(user: str, name: str, rules: "Rules") -> bool:
    return any(user in layer.users for layer in rules.schedules[name].layers) or any(
        one.schedule == name and one.user == user for one in rules.overrides.values()
    )
