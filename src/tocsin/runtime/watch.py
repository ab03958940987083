"""Looks whether what should move moves: the loop, the delivery, the heartbeat, the positions.

In: signs of life of the groups, places of the readers. Out: gauges, lines in `/-/ready`, and in the end `Stuck`,
which ends the process: somebody who believes that it works while it does not is worse off than with one that is
restarted. What is slow because the log is away is named by whoever waits for it, and is no reason to end.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from tocsin.domain.errors import TocsinError
from tocsin.runtime.arrivals import Place
from tocsin.runtime.clock import Stepping
from tocsin.runtime.world import World

__all__ = ["EVERY", "Signs", "Stuck", "Watch"]

EVERY: Final = 1.0
"""Seconds between two looks."""
LOOP_LATE: Final = 1.0
"""Seconds that the loop may come back late before it is a problem: no page may wait longer for its turn."""
SILENT: Final = 15.0
"""Seconds without a word from the log, records or none, before it is a problem."""
SILENT_FOR_EVER: Final = 120.0
"""Seconds after which the delivery is taken for dead: nothing of it waits longer than some time-outs of requests."""
STANDS: Final = 60.0
"""Seconds that a position may stand while records wait before it is a problem."""
STANDS_FOR_EVER: Final = 600.0
"""Seconds after which whoever works there is taken for dead, if nobody has said why it waits."""


class Stuck(TocsinError):
    """A part of the process has stopped without a word."""


class Signs(NamedTuple):
    """What a group was last heard of."""

    fetch_age: float
    """Seconds since the log last answered a fetch, with records or without; 0 while there is nothing to fetch."""
    heartbeat_age: float
    """Seconds since the group confirmed this member."""
    session: float
    """Seconds without a heartbeat after which others take over."""
    trouble: str = ""
    """Why the log refuses to deliver, and what to do; empty when it does not."""


class Watch:
    """One per process. `look` every `EVERY` seconds; `lagging` whenever lags have been measured."""

    def __init__(self, world: World, signs: Callable[[], Mapping[str, Signs]]) -> None:
        self._world = world
        self._signs = signs
        self._stood: dict[tuple[str, Place], tuple[int, float]] = {}
        """(stage, place) -> position, and since when it stands there with something to read."""
        self._before = world.clock.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set.

        Raises:
            Stuck: a part has to be taken for dead.
        """
        self._before = self._world.clock.monotonic()
        while not await self._world.clock.wait(stop, EVERY):
            self.look()

    def look(self) -> None:
        """One look.

        Raises:
            Stuck: the delivery of a group has to be taken for dead.
        """
        now, problems, metrics = self._world.clock.monotonic(), self._world.problems, self._world.metrics
        late = max(0.0, now - self._before - EVERY)
        self._before = now
        metrics.set("tocsin_event_loop_lag_seconds", late)
        problems.tell("event loop", late > LOOP_LATE, f"came back {late:.1f} s late")
        self._look_at_clock()
        for group, signs in self._signs().items():
            metrics.set("tocsin_fetch_age_seconds", signs.fetch_age, group)
            metrics.set("tocsin_heartbeat_age_seconds", signs.heartbeat_age, group)
            problems.tell(f"{group} refused", bool(signs.trouble), signs.trouble)
            silent = f"nothing heard from the log for {signs.fetch_age:.0f} s"
            if signs.fetch_age > SILENT_FOR_EVER:
                raise Stuck(f"{group}: {silent}; the delivery is dead")
            problems.tell(f"{group} delivery", signs.fetch_age > SILENT, silent)
            alone = f"not confirmed for {signs.heartbeat_age:.0f} s; others may have taken over, so nothing is sent"
            problems.tell(f"{group} membership", signs.heartbeat_age > signs.session, alone)

    def _look_at_clock(self) -> None:
        clock = self._world.clock
        if isinstance(clock, Stepping):
            step = clock.step
            self._world.metrics.set("tocsin_clock_step_seconds", step)
            text = f"the machine's clock has stepped by {step:+.0f} s; it is followed slowly, once it has kept to that"
            self._world.problems.tell("clock", step != 0, text)

    def only(self, places: Collection[tuple[str, Place]]) -> None:
        """This process reads these (stage, place) from now on: what was known of others is forgotten, and shown no
        more. A partition that comes back later begins anew."""
        for stage, place in [known for known in self._stood if known not in places]:
            del self._stood[stage, place]
            self._world.problems.drop(f"{stage} {place[0]}/{place[1]}")
            self._world.metrics.left(stage, *place)

    def lagging(self, stage: str, lags: Iterable[tuple[Place, int, int]]) -> None:
        """`stage` is at these (place, next offset, records not read).

        Raises:
            Stuck: it stands still, and nobody has said why.
        """
        now, problems = self._world.clock.monotonic(), self._world.problems
        oldest: dict[int, float] = {}
        for place, offset, waiting in lags:
            known = self._stood.get((stage, place))
            if not waiting or known is None or known[0] != offset:
                known = self._stood[stage, place] = (offset, now)
            age = now - known[1] if waiting else 0.0
            oldest[place[1]] = max(age, oldest.get(place[1], 0.0))
            part = f"{stage} {place[0]}/{place[1]}"
            stands = f"has stood at {offset} for {age:.0f} s while {waiting} records wait"
            if age > STANDS_FOR_EVER and not problems.others(part):
                raise Stuck(f"{part} {stands}")
            problems.tell(part, age > STANDS, stands)
        for partition, age in oldest.items():
            self._world.metrics.set("tocsin_position_age_seconds", age, stage, str(partition))
