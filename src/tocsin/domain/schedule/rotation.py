"""Whose turn it is in one layer.

In: a layer, a zone, an instant. Out: the turn that covers it. Invariants: the turns from `starts_at` to `until` tile
time, whatever the clocks do; turns of days and weeks begin at the same time of the wall clock, turns of hours are
real hours. Restrictions are not looked at here.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from tocsin.domain.instant import Instant
from tocsin.domain.rules.schedule import Layer
from tocsin.domain.wall import instant_of, reading, reading_of

_UNITS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


class Turn(NamedTuple):
    """`number` counts from 0; its user is `users[number % len(users)]`."""

    number: int
    start: Instant
    end: Instant


class Rotation:
    """A layer with its texts read."""

    __slots__ = ("_begin", "_hourly", "_length", "_place", "layer", "since", "until")

    def __init__(self, layer: Layer, place: tzinfo) -> None:
        self.layer = layer
        self._place = place
        self._begin: datetime = reading(layer.starts_at)
        self._length = _UNITS[layer.unit] * layer.length
        self._hourly = layer.unit == "hour"
        self.since = instant_of(self._begin, place)
        self.until = instant_of(reading(layer.until), place) if layer.until else None

    def turn_at(self, at: Instant) -> Turn | None:
        """The turn at `at`; None before the first and after the last."""
        if at < self.since or (self.until is not None and at >= self.until):
            return None
        if self._hourly:
            number = (at - self.since) // self._length
        else:
            number = (reading_of(at, self._place) - self._begin) // self._length
            # Where clocks change the wall clock is not quite the number of the turn: it may show a time twice.
            while self._start(number + 1) <= at:
                number += 1
            while self._start(number) > at:
                number -= 1
        end = self._start(number + 1)
        return Turn(number, self._start(number), end if self.until is None else min(end, self.until))

    def _start(self, number: int) -> Instant:
        if self._hourly:
            return self.since + self._length * number
        return instant_of(self._begin + self._length * number, self._place)
