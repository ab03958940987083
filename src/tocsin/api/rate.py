"""How many requests one token may make: a bucket each, filled at a steady rate.

One client in a loop must not take the intake from the others. Refusals are 503 with `Retry-After`, not 429:
Alertmanager does not send again what was answered with 4xx, and a page would be lost.
"""

from typing import Final

PER_SECOND: Final = 500.0
"""Requests a second and token; each may hold thousands of alerts. Above it one client takes most of a core."""
BURST: Final = 2000.0
"""Requests at once after a silence: what a monitoring that was cut off has kept for us."""
BUCKETS_MAX: Final = 10_000
"""Of names that are not in the settings, such as links: some 1 MB. Beyond it those that were not used longest begin
anew, full."""


class Rates:
    """The buckets of all tokens, or of whatever else is counted by name."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str, now: float) -> bool:
        """Whether `name` may make one more request at `now` (seconds of a clock that never goes back)."""
        left, at = self._buckets.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)  # the last one of the order now
        if len(self._buckets) > BUCKETS_MAX:
            del self._buckets[next(iter(self._buckets))]
        return allowed
