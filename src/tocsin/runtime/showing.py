"""Keeps `incidents.state.v1` what the incidents are: one record for each that has changed, soon after its commit.

In: commits that count; moments at which everything the state knows is in the journal. Out: the incident as it is, or a
tombstone when it is retired. Invariants: only what is in the journal is shown; a record says up to which offset of the
journal it holds (`tocsin_as_of`), and below which offset nothing is left to be shown (`tocsin_shown`): there the next
owner goes on; appends are expected at the end, and what somebody else has written there is shown anew (PROTOCOL §7).
It reads nothing from the topic that tocsin would believe.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple

from tocsin.domain.events import Event, Tallied
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broken, Conflict, Doubt, Draft, Record, Unavailable
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.world import World
from tocsin.stage import Freezable, Showing
from tocsin.topics import STATE, Topic
from tocsin.wire.events import CLAIM, SEQUENCE, counts, decode, header, source_of
from tocsin.wire.state import SHOWN, SHOWN_FROM, draft_of, encode_state

__all__ = ["ShowingFeed"]

BATCH_MAX: Final = 200
"""Incidents of one append: encoding them takes some two milliseconds, between two turns of the owner."""
LOOK_BACK: Final = 1000
"""Records at the end of the topic that a new owner looks at: written by others at last, if by anybody."""


@dataclass(slots=True)
class _Due:
    """A change that is not shown yet."""

    offset: int
    """The journal says it from here on."""
    at: float


class _Shown(NamedTuple):
    """What goes into one record, wherever it will lie."""

    key: str
    value: bytes | None


class _Batch(NamedTuple):
    """What is shown beside one turn of the owner."""

    items: list[_Shown]
    as_of: int
    shown: int
    """What `tocsin_shown` says once all of them are in the log."""
    claim: int


class ShowingFeed:
    """The public side of one owner. `load` once, `committed` after each commit, `turn` whenever nothing is pending."""

    def __init__(self, stage: Showing[Any], journal: Topic, partition: int, world: World) -> None:
        assert isinstance(stage, Freezable)
        self._stage = stage
        self._part = stage.shown_part
        self._touched = stage.touched
        self._journal = journal
        self._partition = partition
        self._world = world
        self._source = source_of(world.instance, STATE.name, partition)
        self._due: dict[str, _Due] = {}
        """By key, in the order of their offsets."""
        self._heap: list[tuple[float, str]] = []
        self._backlog: list[str] = []
        """Everything that is still to be shown because nobody knows what was."""
        self._begin = 0
        self._end = 0
        self._floor = 0
        """`tocsin_shown` of the last record."""
        self._claim = b""
        self._gone = False
        """Somebody has dropped the topic's records: everything is to be shown anew."""
        self._look_at = 0.0
        self._rest_until = 0.0
        self._task: asyncio.Task[None] | None = None

    # ---- load --------------------------------------------------------------------------------------------------------

    async def load(self, state: Any, end: int) -> None:
        """See what was shown, and remember what was not. `end`: of the journal, as far as `state` goes."""
        broker, partition = self._world.broker, self._partition
        self._begin = await self._patiently(lambda: broker.begin(STATE.name, partition))
        self._end = await self._patiently(lambda: broker.end(STATE.name, partition))
        try:
            tail = await self._read(max(self._begin, self._end - LOOK_BACK), self._end)
        except Broken:
            await self._patiently(lambda: broker.end(STATE.name, partition))  # the log as such still works
            await self._patiently(lambda: broker.trim(STATE.name, partition, self._end))
            self._begin, tail = self._end, []
        own = [record for record in tail if counts(record.headers, record.offset)]
        # Whoever wrote the last one may not have noticed yet that somebody has dropped what was there before.
        sound = bool(own) and int(own[-1].header(SHOWN_FROM) or b"0") == self._begin
        shown = self._floor = int(own[-1].header(SHOWN) or b"0") if sound else 0
        if not shown:
            self._backlog = list(self._stage.keys(state))
        else:
            await self._missed(state, shown, end)
        self._mark((_key(record) for record in tail if not counts(record.headers, record.offset)), end, 0.0)
        self._look_at = self._world.clock.monotonic() + self._world.pace.look

    async def _missed(self, state: Any, start: int, end: int) -> None:
        """Mark what the journal says between `start` and `end`."""
        reader, journal = JournalReader(self._world), self._journal.name
        begin = await self._patiently(lambda: self._world.broker.begin(journal, self._partition))
        if begin > start:
            self._backlog = list(self._stage.keys(state))
            return
        while start < end:
            records, following = await reader.read(journal, self._partition, start)
            if following <= start:
                return
            for record in records:
                if record.offset < end:
                    self.committed(state, (decode(record.headers, record.value),), record.offset)
            start = following

    # ---- what the owner tells ----------------------------------------------------------------------------------------

    def committed(self, state: Any, events: Iterable[Event], offset: int) -> None:
        """`events` count, from `offset` of the journal on."""
        pace, now = self._world.pace, self._world.clock.monotonic()
        for event in events:
            within = pace.counts_within if isinstance(event, Tallied) else pace.shown_within
            self._mark([key for part, key in self._touched(state, event) if part == self._part], offset, now + within)

    def _mark(self, keys: Iterable[str], offset: int, at: float) -> None:
        for key in keys:
            due = self._due.get(key)
            if due is None:
                self._due[key] = _Due(offset, at)
            elif at < due.at:
                due.at = at
            else:
                continue
            heapq.heappush(self._heap, (at, key))

    @property
    def waiting(self) -> int:
        """Incidents whose newest state is not shown."""
        return len(self._due) + len(self._backlog)

    def idle_for(self) -> float:
        """Seconds until `turn` has something to do."""
        if self._task is not None:
            return 0.0 if self._task.done() else inf
        now = self._world.clock.monotonic()
        at = self._look_at
        if self._backlog:
            at = now
        elif self._heap:
            at = min(at, self._heap[0][0])
        return max(0.0, max(at, self._rest_until) - now)

    def turn(self, state: Any, end: int, claim: int, wake: Callable[[], None], *, all_at_once: bool = False) -> bool:
        """Show what is due, beside the work; `state` is the fold of the journal below `end`. True if it began to."""
        self._raise()
        clock = self._world.clock
        now = clock.monotonic()
        if self._task is not None or (now < self._rest_until and not all_at_once):
            return False
        if self._gone:
            self._gone, self._floor, self._backlog = False, 0, list(self._stage.keys(state))
        keys = self._taken(inf if all_at_once else now)
        if not keys and now < self._look_at:
            return False
        items = [self._shown(state, key) for key in keys]
        self._rest_until = now + (clock.monotonic() - now) * self._world.pace.rest
        first = 0 if self._backlog else next(iter(self._due.values())).offset if self._due else end
        batch = _Batch(items, end, min(first, end), claim)
        self._claim = b"%020d" % claim
        self._task = asyncio.get_running_loop().create_task(self._work(batch, wake))
        self._world.metrics.set("tocsin_shown_waiting", self.waiting, str(self._partition))
        return True

    async def settle(self, state: Any, end: int, claim: int) -> None:
        """Show everything that waits, now; at a clean stop."""
        while True:
            if self._task is not None:
                await asyncio.shield(self._task)
            if not self.waiting or self._backlog:
                self._raise()
                return
            self.turn(state, end, claim, lambda: None, all_at_once=True)

    def drop(self) -> None:
        """The partition is not ours any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    # ---- showing -----------------------------------------------------------------------------------------------------

    def _taken(self, until: float) -> list[str]:
        keys: list[str] = []
        while self._heap and self._heap[0][0] <= until and len(keys) < BATCH_MAX:
            at, key = heapq.heappop(self._heap)
            due = self._due.get(key)
            if due is not None and due.at == at:
                del self._due[key]
                keys.append(key)
        while self._backlog and len(keys) < BATCH_MAX:
            keys.append(self._backlog.pop())
        return keys

    def _shown(self, state: Any, key: str) -> _Shown:
        shown = self._stage.show(state, key)
        return _Shown(key, None if shown is None else encode_state(shown))

    def _raise(self) -> None:
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            if not task.cancelled():
                task.result()

    async def _work(self, batch: _Batch, wake: Callable[[], None]) -> None:
        items = batch.items
        while items:
            drafts = self._drafts(batch, items)
            await self._append(drafts, batch.as_of)
            items = items[len(drafts) :]
        if self._world.clock.monotonic() >= self._look_at:
            await self._look(batch.as_of)
        wake()

    def _drafts(self, batch: _Batch, items: Sequence[_Shown]) -> list[Draft]:
        """As many of `items` as one append takes. Only the last record of a batch says what was shown."""
        drafts: list[Draft] = []
        size = 0
        for number, (key, value) in enumerate(items):
            shown = batch.shown if number == len(items) - 1 else min(batch.shown, self._floor)
            draft = draft_of(
                key,
                value,
                source=self._source,
                place=self._end + number,
                claim=batch.claim,
                as_of=batch.as_of,
                shown=shown,
                begin=self._begin,
            )
            size += draft.size
            if drafts and size > BATCH_BYTES_MAX:
                break
            drafts.append(draft)
        return drafts

    async def _append(self, drafts: list[Draft], as_of: int) -> None:
        world, part, attempt = self._world, f"append {STATE.name}/{self._partition}", 0
        while True:
            try:
                if await world.broker.append(STATE.name, self._partition, drafts, self._end) == self._end:
                    self._end += len(drafts)
                    break
            except Unavailable as error:
                attempt += 1
                await world.wait_after(part, attempt, error)
                continue
            except (Conflict, Doubt):
                pass
            if await self._is_there(drafts, as_of):
                break
            drafts = [_moved(draft, self._end + number) for number, draft in enumerate(drafts)]
        world.problems.drop(part)
        self._floor = int(header(drafts[-1].headers, SHOWN) or b"0")

    async def _is_there(self, drafts: Sequence[Draft], as_of: int) -> bool:
        """Whether `drafts` lie at the expected end after all. What others have written meanwhile is shown again."""
        expected = self._end
        found = await self._foreign(as_of, drafts)
        return found and self._end >= expected + len(drafts)

    async def _look(self, as_of: int) -> None:
        """See whether others have written, or everything is gone."""
        broker, partition = self._world.broker, self._partition
        self._look_at = self._world.clock.monotonic() + self._world.pace.look
        begin = await self._patiently(lambda: broker.begin(STATE.name, partition))
        if begin > self._begin:
            self._begin, self._gone = begin, True
        await self._foreign(as_of, ())

    async def _foreign(self, as_of: int, drafts: Sequence[Draft]) -> bool:
        """Mark the keys of records behind the known end that are not `drafts`; the end becomes the real one. Whether
        `drafts` are among them, where they were expected."""
        broker, partition, expected = self._world.broker, self._partition, self._end
        end = await self._patiently(lambda: broker.end(STATE.name, partition))
        own = 0
        for record in await self._read(expected, end):
            number = record.offset - expected
            if number < len(drafts) and (record.key, record.headers) == (drafts[number].key, drafts[number].headers):
                own += 1
            elif (record.header("ce_source"), record.header(CLAIM)) != (self._source.encode(), self._claim):
                self._mark((_key(record),), as_of, 0.0)
        self._end = max(end, expected)
        return bool(drafts) and own == len(drafts)

    async def _read(self, low: int, high: int) -> list[Record]:
        found: list[Record] = []
        while low < high:
            records = await self._patiently(partial(self._world.broker.read, STATE.name, self._partition, low))
            if not records:
                break
            found += [record for record in records if record.offset < high]
            low = records[-1].offset + 1
        return found

    async def _patiently(self, call: Callable[[], Any]) -> Any:
        return await self._world.patiently(f"read {STATE.name}/{self._partition}", call)


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _moved(draft: Draft, place: int) -> Draft:
    """The same record for another offset."""
    return draft._replace(headers=tuple((n, b"%020d" % place if n == SEQUENCE else v) for n, v in draft.headers))
