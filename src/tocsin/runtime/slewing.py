"""How far a wall clock is believed. Pure: readings in, instants out, all in microseconds.

In: readings of the wall clock and of one that only counts. Out: a time that follows the wall clock. Invariants
(PROTOCOL §5):

- it never goes back and never stands still: nothing that waits is forgotten, whatever the wall clock does;
- small differences are worked off at a bounded rate, so nothing is early by more than that;
- a step of more than `STEP` is followed only after the wall clock has kept to it for `AGREED`; until then time goes on
  as before. Forward it is then taken at once; back, time runs at half its speed until the wall clock has come up.

It does not know when the process slept or how the two clocks are read.
"""

from typing import Final

__all__ = ["AGREED", "BACK", "SLEW", "STEP", "Slewing"]

STEP: Final = 5_000_000
"""NTP steps above 0.128 s and slews below; a minute of slewing works off three seconds. More is a mistake of somebody,
until it lasts."""
AGREED: Final = 60_000_000
SLEW: Final = 0.05
"""Of the time that passes: 5 s are worked off in 100, and no deadline is early or late by more than a twentieth."""
BACK: Final = 0.5
"""An hour back is caught up in two: standing still until then would hold up every page."""


class Slewing:
    """`read` in the order of the readings."""

    def __init__(self, wall: int, uptime: int) -> None:
        self._last = wall
        self._uptime = uptime
        self._adopted = False
        """The wall clock is believed although it is more than `STEP` behind."""
        self._stepped: int | None = None
        """By how much the wall clock has stepped, as first seen."""
        self._since = 0
        self.step = 0
        """How far the wall clock is away, while that is more than `STEP`; else 0."""

    def read(self, wall: int, uptime: int) -> int:
        """The time at a reading."""
        passed = max(0, uptime - self._uptime)
        self._uptime += passed
        expected = self._last + passed
        away = wall - expected
        if abs(away) <= STEP:
            self._adopted, self._stepped, self.step = False, None, 0
            self._last = expected + _bounded(away, passed, SLEW)
        elif self._agreed(away):
            self.step = 0 if away > 0 else away
            self._adopted = away < 0
            self._last = wall if away > 0 else expected + _bounded(away, passed, BACK)
        else:
            self.step = away
            self._last = expected
        return self._last

    def _agreed(self, away: int) -> bool:
        """Whether a step of `away` has lasted long enough to be believed."""
        if self._adopted and away < 0:
            return True
        if self._stepped is None or abs(away - self._stepped) > STEP:
            self._stepped, self._since, self._adopted = away, self._uptime, False
            return False
        if self._uptime - self._since < AGREED:
            return False
        self._stepped = None
        return True


def _bounded(away: int, passed: int, rate: float) -> int:
    """What of `away` may be worked off while `passed` passes."""
    most = int(passed * rate)
    return max(-most, min(most, away))
