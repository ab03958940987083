"""Sends what the notify journal says is attempted and unfinished, and hands back how each attempt ended.

In: the effects of a state whose commit counts. Out: `DeliveryResult`s, which become events before anything else
follows from them. A channel never has more than its `in_flight_max` sends at once, over all partitions; an attempt
is recorded only when there is room, so that nothing waits as `attempted` (PROTOCOL §6). It never retries: that is
decided in notify.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.domain.rules import NotifyRules
from tocsin.notify.channel import NOT_THROUGH, Sent
from tocsin.runtime.lanes import BREAKER_OPEN, Lanes
from tocsin.runtime.world import World
from tocsin.stage import DeliveryResult, Effect, Want

__all__ = ["RELEASE_GRACE", "Effects"]

log: Final = logging.getLogger("tocsin.effects")

RELEASE_GRACE: Final = 5.0
"""Seconds that running sends get when the partition is given back (PROTOCOL §6)."""
SEND_GRACE: Final = 5.0
"""Seconds beyond a channel's own time-out: a channel that does not keep its word is cut off, and it counts as
failed."""
DETAIL_MAX: Final = 300
HANDLE_MAX: Final = 300


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
        self._diverted: set[tuple[str, int]] = set()
        """Attempts that are refused without a send: the channel is down, and the page may go another way."""
        self._elsewhere: frozenset[str] = frozenset()
        """Channels whose pages may go another way."""
        self._fallback_after = inf
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[DeliveryResult] = []
        self._quiet = asyncio.Event()
        self._closed = False
        self._paging: frozenset[str] = frozenset()
        lanes.when_freed(self._lane_freed)

    def room(self, channel: str) -> int:
        """How many attempts over `channel` may be recorded now."""
        if self._closed:
            return 0
        at = self._world.clock.monotonic()
        room = self._lanes.room(channel, self, at)
        return 1 if not room and channel in self._paging and self._diverts(channel, at) else room

    def heed(self, wants: Sequence[Want], now: Instant, rules: NotifyRules | None = None) -> None:
        """Before room is asked for: where a page waits, other partitions let it go first. `rules` in force name the
        channels whose pages may go another way."""
        paging = (want.channel for want in wants if want.page_at is not None and want.page_at <= now)
        self._paging = frozenset() if self._closed else frozenset(paging)
        self._lanes.pages(self, self._paging)
        if rules is not None:
            self._elsewhere = frozenset(rules.fallback)
            self._fallback_after = rules.fallback_after.total_seconds()

    def wakes_in(self, wants: Sequence[Want], now: Instant) -> float:
        """Seconds until time alone gives room to what waits without: a pace, a pause or a breaker allows more."""
        if self._closed or not wants:
            return inf
        at, first = self._world.clock.monotonic(), inf
        for want in wants:
            if self.room(want.channel):
                continue  # the owner sees that by itself
            if wait := self._lanes.waits(want.channel, at):
                first = min(first, max(wait, (want.at - now).total_seconds()))
            down = self._lanes.down_for(want.channel, at)
            if want.page_at is not None and down and want.channel in self._elsewhere:
                first = min(first, max(self._fallback_after - down, (want.page_at - now).total_seconds()))
        return max(0.0, first)

    def _diverts(self, channel: str, at: float) -> bool:
        """Whether pages over `channel` are to go another way now."""
        return channel in self._elsewhere and self._lanes.down_for(channel, at) >= self._fallback_after

    def _refuses(self, channel: str) -> bool:
        """Whether a page over `channel` goes another way without being tried here."""
        if channel not in self._elsewhere:
            return False
        at = self._world.clock.monotonic()
        return self._diverts(channel, at) and self._lanes.waits(channel, at) > 0

    def resume(self, effects: Sequence[Effect]) -> None:
        """After a load: everything unfinished may have been sent before."""
        self._take_up(effects, possible_duplicate=True)

    def reserve(self, effects: Sequence[Effect]) -> None:
        """Keep places for the attempts that have just been decided; `start` sends them once their commit counts."""
        self._take_up(effects, possible_duplicate=False)

    def _take_up(self, effects: Sequence[Effect], *, possible_duplicate: bool) -> None:
        keys = {(effect.delivery_id, effect.attempt) for effect in effects}
        self._known &= keys
        self._diverted &= keys
        for effect in effects:
            key = (effect.delivery_id, effect.attempt)
            if key in self._known:
                continue
            self._known.add(key)
            self._waiting.append((effect, possible_duplicate))
            if effect.page and not possible_duplicate and self._refuses(effect.channel):
                self._diverted.add(key)
                self._lanes.taken[effect.channel] += 1
            else:
                self._lanes.take(effect.channel, self._world.clock)

    def start(self) -> None:
        """Send what was reserved, as far as the lanes allow. Call only when the journal knows every attempt."""
        if self._closed:
            return
        still: list[tuple[Effect, bool]] = []
        for effect, possible_duplicate in self._waiting:
            if not self._may_begin(effect):
                still.append((effect, possible_duplicate))
                continue
            self._lanes.sending[effect.channel] += 1
            task = asyncio.get_running_loop().create_task(self._send(effect, possible_duplicate))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        self._waiting = still

    def _may_begin(self, effect: Effect) -> bool:
        free = self._lanes.may_send(effect.channel) or (effect.delivery_id, effect.attempt) in self._diverted
        return free and self._held(self._longest(effect.channel))

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
        heard = False
        try:
            if self._closed:
                return  # it stays attempted in the journal, for whoever has the partition then
            sent = await self._outcome(effect, possible_duplicate)
            heard = True
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
                    handle=sent.handle[:HANDLE_MAX],
                )
            )
        finally:
            self._lanes.sending[effect.channel] -= 1
            if heard:
                self._lanes.free(effect.channel)
            else:
                self._lanes.give_up(effect.channel, self._world.clock)

    async def _outcome(self, effect: Effect, possible_duplicate: bool) -> Sent:
        """What becomes of one send, the breaker's word included."""
        clock, channel = self._world.clock, effect.channel
        if (effect.delivery_id, effect.attempt) in self._diverted:
            return Sent("refused", f"{BREAKER_OPEN}: {self._lanes.breakers[channel].error}")
        sent = await self._call(effect, possible_duplicate)
        self._lanes.ended(channel, sent, clock)
        if sent.outcome in NOT_THROUGH and effect.page and self._diverts(channel, clock.monotonic()):
            return Sent("refused", f"{BREAKER_OPEN}: {sent.detail}")
        return sent

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
                repeated = possible_duplicate or bool(effect.context.get("possible_duplicate"))  # somebody asked for it
                return await channel.send(effect, possible_duplicate=repeated)
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
            self._lanes.give_up(effect.channel, self._world.clock)
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()
