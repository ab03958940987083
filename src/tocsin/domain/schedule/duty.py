"""Layers, overrides, absences and backups of one schedule put together: who is on duty at an instant, and until when.

In: the rules, compiled once for many questions. Out: `Found`. Invariants: `until` is after the instant asked for,
and nothing changes before it. The order of what counts:

1. the last layer whose turn is not restricted away, if its user is there; somebody who is away is replaced by the
   next of the same rotation who is not; when all of a rotation are away the layer below counts;
2. overrides over that, in the order in which they were made; one whose user is away has no effect;
3. the backup schedule, when nobody is on duty.

So nobody who is away is ever the answer; they stand in `skipped`. A backup that leads back to where the question came
from ends there: settings refuse such cycles.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.rules.directory import User
from tocsin.domain.rules.schedule import Override, Schedule
from tocsin.domain.schedule.rotation import Rotation
from tocsin.domain.schedule.weekly import boundary_after, covers
from tocsin.domain.wall import zone

_DAY: Final = timedelta(days=1)


class Skipped(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody whose duty it would be, and why not."""

    user: str
    reason: str
    """`away`."""
    by: str = ""
    """`layer` or `override`, as in the answer."""
    source: str = ""


class Found(NamedTuple):
    """What a schedule answers. `turn` tells two shifts of the same user apart."""

    user: str = ""
    by: str = ""
    source: str = ""
    instead_of: str = ""
    turn: Instant | None = None
    skipped: tuple[Skipped, ...] = ()
    until: Instant | None = None


class _Soonest:
    """The earliest of the instants after `at` that were noted."""

    __slots__ = ("at", "found")

    def __init__(self, at: Instant) -> None:
        self.at = at
        self.found: Instant | None = None

    def note(self, instant: Instant | None) -> None:
        if instant is not None and instant > self.at and (self.found is None or instant < self.found):
            self.found = instant


class _Overrides:
    """The overrides of one schedule. Only those of the day that is asked for are looked at one by one."""

    __slots__ = ("_all", "_begin", "_end", "_later", "_near")

    def __init__(self, schedule: str, overrides: Mapping[str, Override]) -> None:
        self._all = [(key, one) for key, one in overrides.items() if one.schedule == schedule]
        self._near: list[tuple[str, Override]] = []
        self._begin = self._end = EPOCH
        self._later: Instant | None = None
        """The first that starts after that day."""

    def at(self, at: Instant, soonest: _Soonest) -> Iterator[tuple[str, Override]]:
        """(id, override) of those that hold at `at`, in the order in which they were made."""
        if not self._begin <= at < self._end:
            self._begin, self._end = at, at + _DAY
            near = [(key, one) for key, one in self._all if one.end > at and one.start < self._end]
            self._near = sorted(near, key=lambda pair: (pair[1].made_at, pair[0]))
            self._later = min((one.start for _, one in self._all if one.start >= self._end), default=None)
        soonest.note(self._later)
        for key, one in self._near:
            soonest.note(one.start)
            soonest.note(one.end)
            if one.start <= at < one.end:
                yield key, one


class Duty:
    """One schedule, ready to be asked."""

    def __init__(
        self, name: str, schedules: Mapping[str, Schedule], overrides: Mapping[str, Override], users: Mapping[str, User]
    ) -> None:
        self.name = name
        schedule = schedules.get(name) or Schedule(layers=())
        self.place = zone(schedule.time_zone)
        self._users = users
        self._rotations = [Rotation(layer, self.place) for layer in schedule.layers]
        self._overrides = _Overrides(name, overrides)
        known = {one: schedules[one] for one in schedules if one != name}
        self.backup = Duty(schedule.backup, known, overrides, users) if schedule.backup in known else None

    def at(self, at: Instant) -> Found:
        """Who is on duty at `at`."""
        soonest = _Soonest(at)
        found, planned = self._by_layers(at, soonest)
        for key, override in self._overrides.at(at, soonest):
            if override.replaces and override.replaces not in (found.user, planned):
                continue
            if self._is_away(override.user, at, soonest):
                found = found._replace(skipped=(*found.skipped, Skipped(override.user, "away", "override", key)))
                continue
            instead_of = planned if planned != override.user else ""
            found = Found(override.user, "override", key, instead_of, override.start, ())
            planned = override.user
        if not found.user and self.backup is not None:
            there = self.backup.at(at)
            soonest.note(there.until)
            source = there.source if there.by in ("", "backup") else self.backup.name
            by = "backup" if there.user else ""
            found = there._replace(by=by, source=source, skipped=(*found.skipped, *there.skipped))
        return found._replace(until=soonest.found)

    def _by_layers(self, at: Instant, soonest: _Soonest) -> tuple[Found, str]:
        """The answer of the layers, and whose turn it is whether away or not."""
        planned = ""
        skipped: list[Skipped] = []
        for place in range(len(self._rotations) - 1, -1, -1):
            rotation = self._rotations[place]
            layer = rotation.layer
            soonest.note(rotation.since)
            turn = rotation.turn_at(at)
            if turn is None:
                continue
            soonest.note(turn.end)
            soonest.note(boundary_after(layer.restrictions, self.place, at))
            if not covers(layer.restrictions, self.place, at):
                continue
            source = layer.name or str(place + 1)
            first = turn.number % len(layer.users)
            order = tuple(dict.fromkeys((*layer.users[first:], *layer.users[:first])))
            planned = planned or order[0]
            for user in order:
                if not self._is_away(user, at, soonest):
                    instead_of = planned if user != planned else ""
                    return Found(user, "layer", source, instead_of, turn.start, tuple(skipped)), planned
                skipped.append(Skipped(user, "away", "layer", source))
        return Found(skipped=tuple(skipped)), planned

    def _is_away(self, user: str, at: Instant, soonest: _Soonest) -> bool:
        known = self._users.get(user)
        away = False
        for absence in known.away if known is not None else ():
            soonest.note(absence.start)
            soonest.note(absence.end)
            away = away or absence.start <= at < absence.end
        return away
