"""Sends what the notify journal says is attempted and unfinished, and hands back how each attempt ended.

In: the effects of a state whose commit counts. Out: `DeliveryResult`s, which become events before anything else
follows from them. A channel never has more than its `in_flight_max` sends at once, over all partitions; an attempt
is recorded only when there is room, so that nothing waits as `attempted` (PROTOCOL §6). It never retries: that is
decided in notify.
"""

import asyncio
import logging
from collections import Counter as Count
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Channel, Sent
from tocsin.runtime.world import World
from tocsin.stage import DeliveryResult, Effect, Want

__all__ = ["RELEASE_GRACE", "Effects", "Lanes"]

log: Final = logging.getLogger("tocsin.effects")

RELEASE_GRACE: Final = 5.0
"""Seconds that running sends get when the partition is given back (PROTOCOL §6)."""
SEND_GRACE: Final = 5.0
"""Seconds beyond a channel's own time-out: a channel that does not keep its word is cut off, and it counts as
failed."""
DETAIL_MAX: Final = 300
UNKNOWN_ROOM: Final = 100
"""Room over a channel that is not configured: each of them is refused at once."""


class Lanes:
    """The channels and how many sends each has, shared by all partitions of the process."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = dict(channels)
        self.taken: Count[str] = Count()
        self.sending: Count[str] = Count()
        self._freed: list[Callable[[], None]] = []
        self._paging: dict[object, frozenset[str]] = {}
        """Who has pages waiting, and for which channels: nobody else's messages go before those."""

    def room(self, name: str, who: object) -> int:
        """How many more sends over `name` may be attempted by `who` now; while others have pages waiting for it, one at
        a time and only a page."""
        channel = self.channels.get(name)
        if channel is None:
            return UNKNOWN_ROOM
        room = max(0, channel.in_flight_max - self.taken[name])
        if any(name in channels for other, channels in self._paging.items() if other is not who):
            return min(room, 1) if name in self._paging.get(who, ()) else 0
        return room

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

    def free(self, name: str) -> None:
        self.taken[name] -= 1
        self._wake_all()

    def _wake_all(self) -> None:
        for call in list(self._freed):
            call()


class Effects:
    """The sends of one notify owner. `wake` is called when a result is there or a lane has become free."""

    def __init__(self, world: World, lanes: Lanes, held: Callable[[float], bool], wake: Callable[[], None]) -> None:
        """`held`: whether the partition is ours for so many seconds more, asked immediately before each send."""
        self._world = world
        self._lanes = lanes
        self._held = held
        self._wake = wake
        self._known: set[tuple[str, int]] = set()
        self._waiting: list[tuple[Effect, bool]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[DeliveryResult] = []
        self._quiet = asyncio.Event()
        self._closed = False
        lanes.when_freed(self._lane_freed)

    def room(self, channel: str) -> int:
        """How many attempts over `channel` may be recorded now."""
        return 0 if self._closed else self._lanes.room(channel, self)

    def heed(self, wants: Sequence[Want], now: Instant) -> None:
        """Before room is asked for: where a page waits, other partitions let it go first."""
        paging = (want.channel for want in wants if want.page_at is not None and want.page_at <= now)
        self._lanes.pages(self, frozenset() if self._closed else frozenset(paging))

    def resume(self, effects: Sequence[Effect]) -> None:
        """After a load: everything unfinished may have been sent before."""
        self._take_up(effects, possible_duplicate=True)

    def reserve(self, effects: Sequence[Effect]) -> None:
        """Keep places for the attempts that have just been decided; `start` sends them once their commit counts."""
        self._take_up(effects, possible_duplicate=False)

    def _take_up(self, effects: Sequence[Effect], *, possible_duplicate: bool) -> None:
        keys = {(effect.delivery_id, effect.attempt) for effect in effects}
        self._known &= keys
        for effect in effects:
            key = (effect.delivery_id, effect.attempt)
            if key not in self._known:
                self._known.add(key)
                self._waiting.append((effect, possible_duplicate))
                self._lanes.taken[effect.channel] += 1

    def start(self) -> None:
        """Send what was reserved, as far as the lanes allow. Call only when the journal knows every attempt."""
        if self._closed:
            return
        still: list[tuple[Effect, bool]] = []
        for effect, possible_duplicate in self._waiting:
            if not self._lanes.may_send(effect.channel) or not self._held(self._longest(effect.channel)):
                still.append((effect, possible_duplicate))
                continue
            self._lanes.sending[effect.channel] += 1
            task = asyncio.get_running_loop().create_task(self._send(effect, possible_duplicate))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        self._waiting = still

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._quiet.set()

    async def _send(self, effect: Effect, possible_duplicate: bool) -> None:
        started = self._world.clock.monotonic()
        if not self._closed and not self._held(self._longest(effect.channel)):
            self._lanes.sending[effect.channel] -= 1
            self._waiting.append((effect, possible_duplicate))
            return
        try:
            if self._closed:
                return  # it stays attempted in the journal, for whoever has the partition then
            sent = await self._call(effect, possible_duplicate)
            self._results.append(
                DeliveryResult(
                    delivery_id=effect.delivery_id,
                    attempt=effect.attempt,
                    outcome=sent.outcome,
                    detail=sent.detail[:DETAIL_MAX],
                    retry_after_seconds=sent.retry_after_seconds,
                    duration_seconds=self._world.clock.monotonic() - started,
                    possible_duplicate=possible_duplicate,
                    jitter=self._world.random.random(),
                )
            )
        finally:
            self._lanes.sending[effect.channel] -= 1
            self._lanes.free(effect.channel)

    def _longest(self, name: str) -> float:
        """Seconds that one send over channel `name` takes at most."""
        channel = self._lanes.channels.get(name)
        return channel.timeout_seconds + SEND_GRACE if channel else 0.0

    async def _call(self, effect: Effect, possible_duplicate: bool) -> Sent:
        channel = self._lanes.channels.get(effect.channel)
        if channel is None:
            return Sent("refused", "channel not configured")
        try:
            async with asyncio.timeout(channel.timeout_seconds + SEND_GRACE):
                return await channel.send(effect, possible_duplicate=possible_duplicate)
        except TimeoutError:
            return Sent("failed", f"no answer within {channel.timeout_seconds + SEND_GRACE:g} s")
        except Exception as error:  # a channel's bug must not stop the other channels; the error may quote a secret
            log.error("channel %s failed with %s", channel.name, type(error).__name__)
            return Sent("failed", f"the channel failed with {type(error).__name__}")

    def _lane_freed(self) -> None:
        self._wake()  # the owner's next turn starts what waits, once its journal knows everything

    def results(self) -> list[DeliveryResult]:
        """The attempts that have ended since the last call."""
        results, self._results = self._results, []
        return results

    @property
    def has_results(self) -> bool:
        return bool(self._results)

    @property
    def waiting(self) -> bool:
        """Whether an attempt is recorded that has not begun: its lane is taken, or the partition may not be ours."""
        return bool(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a send runs."""
        return bool(self._tasks)

    async def stop(self, grace: float = RELEASE_GRACE) -> None:
        """No new sends; those that run get `grace` seconds. What has not ended stays attempted in the journal."""
        self._closed = True
        if self._tasks:
            self._quiet.clear()
            await self._world.clock.wait(self._quiet, grace)
        self.drop()

    def drop(self) -> None:
        """End everything at once: the partition is lost."""
        self._closed = True
        self._lanes.no_longer(self._lane_freed)
        self._lanes.pages(self, frozenset())
        for effect, _ in self._waiting:
            self._lanes.taken[effect.channel] -= 1
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()
