"""The channels and how much each is given, shared by all partitions of the process.

In: the channels, who has pages waiting, how sends end. Out: how many sends may be attempted now, when that may change
by itself, and what is to be seen of each channel. Invariants: a channel has at most `in_flight_max` sends; pages go
before everything else, in whatever partition they wait; nothing is attempted over a channel whose breaker is open but
one message at a time (`breaker.py`).

A channel that has been down for `notify.fallback_after` lets its pages go elsewhere where the rules name a fallback:
they are attempted and refused at once with a detail that begins with `BREAKER_OPEN`, and notify plans them anew.
"""

from collections import Counter as Count
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Final

from tocsin.notify.channel import Channel, Sent
from tocsin.runtime.breaker import WORDS, Breaker
from tocsin.runtime.clock import Clock
from tocsin.wire.events import rfc3339

__all__ = ["BREAKER_OPEN", "Lanes"]

UNKNOWN_ROOM: Final = 100
"""Room over a channel that is not configured: each of them is refused at once."""
BREAKER_OPEN: Final = "breaker open"
"""How the detail of a refusal begins that is no answer of the receiver: the page is to go another way."""


class Lanes:
    """The channels and how many sends each has."""

    def __init__(self, channels: Mapping[str, Channel], per_second: Mapping[str, float] | None = None) -> None:
        """`per_second`: sends a second that the receiver of a channel takes; none = as many as it likes."""
        limits = per_second or {}
        self.channels = dict(channels)
        self.breakers = {name: Breaker(limits.get(name, 0.0)) for name in channels}
        self.taken: Count[str] = Count()
        self.sending: Count[str] = Count()
        self.outcomes: Count[tuple[str, str]] = Count()
        """(channel, outcome) of every send of this process."""
        self._freed: list[Callable[[], None]] = []
        self._paging: dict[object, frozenset[str]] = {}
        """Who has pages waiting, and for which channels: nobody else's messages go before those."""

    def room(self, name: str, who: object, at: float) -> int:
        """How many more sends over `name` may be attempted by `who` now; while others have pages waiting for it, one at
        a time and only a page."""
        channel = self.channels.get(name)
        if channel is None:
            return UNKNOWN_ROOM
        room = self.breakers[name].room(at, max(0, channel.in_flight_max - self.taken[name]))
        if room and any(name in channels for other, channels in self._paging.items() if other is not who):
            return min(room, 1) if name in self._paging.get(who, ()) else 0
        return room

    def waits(self, name: str, at: float) -> float:
        """Seconds until time alone may give room; infinite when a send has to end first."""
        channel = self.channels.get(name)
        if channel is None:
            return 0.0
        return inf if self.taken[name] >= channel.in_flight_max else self.breakers[name].waits(at)

    def pages(self, who: object, channels: frozenset[str]) -> None:
        """For which channels pages of `who` wait now. When that ends for one of them, the others may go on."""
        before = self._paging.pop(who, frozenset())
        if channels:
            self._paging[who] = channels
        if before - channels:
            self._wake_all()

    def may_send(self, name: str) -> bool:
        channel = self.channels.get(name)
        return channel is None or self.sending[name] < channel.in_flight_max

    def when_freed(self, call: Callable[[], None]) -> None:
        """`call` whenever a send has ended: somebody may wait for its place."""
        self._freed.append(call)

    def no_longer(self, call: Callable[[], None]) -> None:
        if call in self._freed:
            self._freed.remove(call)

    def take(self, name: str, clock: Clock) -> None:
        """A place for an attempt that has just been decided, or was before a crash."""
        self.taken[name] += 1
        if (breaker := self.breakers.get(name)) and not breaker.is_well:
            breaker.begins(clock.monotonic(), clock.now())

    def free(self, name: str) -> None:
        """The place of one that has ended."""
        self.taken[name] -= 1
        self._wake_all()

    def give_up(self, name: str, clock: Clock) -> None:
        """The place of one of which nothing will be heard."""
        self.taken[name] -= 1
        if breaker := self.breakers.get(name):
            breaker.abandoned(clock.monotonic(), clock.now())
        self._wake_all()

    def ended(self, name: str, sent: Sent, clock: Clock) -> None:
        """How a send ended, for the breaker and for who looks."""
        self.outcomes[name, "failed" if sent.outcome == "denied" else sent.outcome] += 1
        breaker = self.breakers.get(name)
        if breaker and not (breaker.is_well and sent.outcome == "delivered"):
            breaker.ended(sent, clock.monotonic(), clock.now())

    def down_for(self, name: str, at: float) -> float:
        """Seconds for which nothing has been delivered over `name` though it was tried and now is not: 0 = it is
        well."""
        breaker = self.breakers.get(name)
        if breaker is None or breaker.down_at is None or breaker.state == "closed":
            return 0.0
        return max(0.0, at - breaker.down_at)

    def _wake_all(self) -> None:
        for call in list(self._freed):
            call()

    # ---- to be looked at ---------------------------------------------------------------------------------------------

    def shown(self, clock: Clock) -> list[dict[str, Any]]:
        """Each channel as this process knows it: `name, type, state, since, last_error, last_error_at, in_flight,
        delivered, failed, refused, per_second`."""
        return [self._shown(name, clock) for name in sorted(self.channels)]

    def _shown(self, name: str, clock: Clock) -> dict[str, Any]:
        breaker = self.breakers[name]
        return {
            "name": name,
            "type": self.channels[name].kind,
            "state": breaker.looked_at(clock.monotonic(), clock.now()),
            "since": rfc3339(breaker.since) if breaker.since else None,
            "last_error": breaker.error,
            "last_error_at": rfc3339(breaker.error_at) if breaker.error_at else None,
            "in_flight": self.sending[name],
            "per_second": breaker.per_second,
            **{outcome: self.outcomes[name, outcome] for outcome in ("delivered", "failed", "refused")},
        }

    def states(self, clock: Clock) -> Iterable[tuple[str, str, bool]]:
        """(channel, state, whether it is in it), for every channel and state."""
        for name, breaker in self.breakers.items():
            state = breaker.looked_at(clock.monotonic(), clock.now())
            yield from ((name, word, word == state) for word in WORDS)

    def notes(self, clock: Clock) -> list[str]:
        """One line for each channel that is not well."""
        lines = []
        for one in self.shown(clock):
            if one["state"] != "closed":
                lines.append(f"channel {one['name']}: {one['state']} since {one['since']}: {one['last_error']}")
        return lines
