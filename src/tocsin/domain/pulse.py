"""How an incident comes and goes: sightings below a threshold, come-backs that make it flap. Pure.

In: instants that events carried, and a rule. Out: whether the incident is quiet for it, and until when. Invariant: what
is kept has a limit, so that an incident that never rests does not grow.
"""

from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.rules.correlation import COUNT_MAX, Flapping, Threshold

CAME_BACK_MAX: Final = 50
"""Come-backs that are remembered: with pauses of 15 minutes half a day."""


class Pulse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an incident remembers of its coming and going; most have none."""

    seen: tuple[Instant, ...] = ()
    """Sightings as they were received, in order, while their number is below the threshold; empty = nothing is
    counted (any more)."""
    came_back: tuple[Instant, ...] = ()
    """When alerts opened it again."""


def seen_with(seen: tuple[Instant, ...], at: Instant, within: timedelta) -> tuple[Instant, ...]:
    """`seen` with one more sighting, without those that are too old to count with any later one."""
    together = sorted((*seen, at))
    newest = together[-1]
    return tuple(one for one in together if newest - one <= within)[-COUNT_MAX:]


def is_reached(seen: tuple[Instant, ...], threshold: Threshold) -> bool:
    """Whether `count` of the sightings lie within `within`."""
    steps = zip(seen, seen[threshold.count - 1 :], strict=False)
    return any(last - first <= threshold.within for first, last in steps)


def calm_at(came_back: tuple[Instant, ...], flapping: Flapping, now: Instant) -> Instant | None:
    """When an incident that flaps will have been calm for long enough; None = it does not flap at `now`."""
    flaps = False
    for number, at in enumerate(came_back):
        if number and at - came_back[number - 1] >= flapping.calm:
            flaps = False
        first = number - flapping.times + 1
        if first >= 0 and at - came_back[first] <= flapping.within:
            flaps = True
    calm = came_back[-1] + flapping.calm if flaps else None
    return calm if calm is not None and calm > now else None
