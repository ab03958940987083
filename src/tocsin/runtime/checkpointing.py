"""Writes the state of one owner to `checkpoints.v1`, beside the work and without holding it up.

In: commits that count, and moments at which everything the state knows is in the journal. Out: chunks, then the closing
record. Invariants: a checkpoint is the state at one such moment, with the positions of that moment; slices are encoded
one at a time with pauses between, and only the last step, which is short, needs the moment; one checkpoint a process
at a time; a failed one leaves the two before it. It does not read checkpoints (`restoring.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from tocsin.domain.events import Event
from tocsin.domain.instant import Instant
from tocsin.runtime.broker import BATCH_BYTES_MAX, Doubt, Draft
from tocsin.runtime.restoring import Restored
from tocsin.runtime.world import World
from tocsin.stage import Freezable
from tocsin.topics import CHECKPOINTS, Topic
from tocsin.wire.checkpoint import FORMAT, Closing, Digest, encode_chunk, encode_closing, key_of
from tocsin.wire.frozen import Freezing
from tocsin.wire.position import Position, record_fingerprint

__all__ = ["Checkpointing", "Moment"]

log: Final = logging.getLogger("tocsin.checkpoints")

BATCH_BYTES: Final = BATCH_BYTES_MAX // 2
"""Chunks gathered for one append; the last may be as large as the largest slice."""


class Moment:
    """The owner at a moment at which all that it knows is in the journal."""

    def __init__(self, state: Any, position: Position, latest: Instant, end: int) -> None:
        self.state = state
        self.position = position
        self.latest = latest
        self.end = end


class _Run:
    """One checkpoint that is being written."""

    def __init__(self, freezing: Freezing, generation: int) -> None:
        self.freezing = freezing
        self.generation = generation
        self.swept = asyncio.Event()
        """Few enough entries are left for the seal, or it has failed."""
        self.ended = asyncio.Event()
        self.sealed = asyncio.Event()
        self.moment: Moment | None = None
        self.digest = Digest()
        self.chunks = 0
        self.first: int | None = None
        self.size = 0
        self.waiting: list[Draft] = []

    def end(self) -> None:
        self.ended.set()
        self.swept.set()


class Checkpointing:
    """The checkpoints of one owner. `committed` after each commit, `turn` whenever nothing is pending."""

    def __init__(self, stage: Freezable[Any], journal: Topic, name: str, partition: int, world: World) -> None:
        self._stage = stage
        self._journal = journal
        self._name = name
        self._partition = partition
        self._world = world
        self._generation = -1
        self._next = 0
        self._entries = 0
        self._written: float = world.clock.monotonic()
        self._run: _Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        """The process ends: no more pauses."""

    def loaded(self, restored: Restored) -> None:
        """Where the next checkpoint goes on."""
        self._generation = restored.generation
        if restored.closing is not None:
            self._next, self._entries = restored.closing.next, restored.closing.entries
            age = (self._world.now() - restored.closing.written_at).total_seconds()
            self._world.metrics.set("tocsin_checkpoint_age_seconds", max(0.0, age), *self._labels)

    @property
    def _labels(self) -> tuple[str, str]:
        return self._name, str(self._partition)

    # ---- what the owner tells ----------------------------------------------------------------------------------------

    def committed(self, state: Any, events: Iterable[Event]) -> None:
        """`events` count."""
        if self._run is not None and not self._run.sealed.is_set():
            for event in events:
                for part, key in self._stage.touched(state, event):
                    self._run.freezing.touch(part, key)

    def wants(self, end: int) -> bool:
        """Whether a checkpoint is due or waits for a moment; `end` of the journal."""
        self._raise()
        if self._run is not None:
            return self._run.swept.is_set() and not self._run.sealed.is_set()
        seconds = self._world.clock.monotonic() - self._written
        return self._world.pace.is_due(end - self._next, self._entries, seconds) and not self._world.writing.locked()

    def turn(self, moment: Moment, wake: Callable[[], None]) -> None:
        """Go on with the checkpoint that `wants` to."""
        if self._run is None:
            self._begin(moment, wake)
        elif self._run.swept.is_set() and not self._run.sealed.is_set():
            self._seal(self._run, moment)

    async def finish(self, moment: Moment, seconds: float) -> None:
        """At a clean stop: one more checkpoint if it is small, within `seconds`; after `drop`."""
        grown = moment.end - self._next
        if not grown or self._entries + grown > self._world.pace.release_entries_max:
            return
        run = self._begin(moment, lambda: None)
        self._hurried.set()
        if await self._world.clock.wait(run.swept, seconds) and not run.ended.is_set():
            self._seal(run, moment)
            await self._world.clock.wait(run.ended, seconds)
        if self._task is not None and not self._task.done():
            log.info("%s/%s: the last checkpoint is left unfinished", *self._labels)
            self.drop()
        self._raise()

    def leave(self) -> None:
        """Leave what is being written unfinished: the owner rests. What ended it before is raised."""
        self._raise()
        self.drop()

    def drop(self) -> None:
        """Leave what is being written unfinished: the partition is not ours any more, or rests."""
        if self._task is not None:
            self._task.cancel()
        self._run = self._task = None

    # ---- one checkpoint ----------------------------------------------------------------------------------------------

    def _begin(self, moment: Moment, wake: Callable[[], None]) -> _Run:
        run = self._run = _Run(self._stage.freeze(moment.state), self._generation + 1)
        self._task = asyncio.get_running_loop().create_task(self._write(run, wake))
        self._task.add_done_callback(lambda _: run.end())
        return run

    def _seal(self, run: _Run, moment: Moment) -> None:
        run.freezing.seal()
        run.moment = moment
        run.sealed.set()

    def _raise(self) -> None:
        """A checkpoint that cannot be written is a problem of its own; a bug or a broken log is everybody's."""
        if self._task is not None and self._task.done():
            task, self._task, self._run = self._task, None, None
            if not task.cancelled():
                task.result()

    async def _write(self, run: _Run, wake: Callable[[], None]) -> None:
        async with self._world.writing:
            started = self._world.clock.monotonic()
            try:
                await self._slices(run, run.freezing.sweep)
                run.swept.set()
                wake()
                await run.sealed.wait()
                await self._slices(run, run.freezing.rest)
                await self._flush(run)
                await self._close(run)
            except Doubt as error:
                # Whether it is there or not, the digest would say; the one before it is still whole.
                log.info("%s/%d: a checkpoint is given up: %s", *self._labels, error)
                self._written = started
                return
        moment = run.moment
        assert moment is not None
        self._generation, self._next, self._entries = run.generation, moment.end, run.freezing.entries
        self._written = self._world.clock.monotonic()
        metrics = self._world.metrics
        metrics.set("tocsin_checkpoint_age_seconds", 0, *self._labels)
        metrics.set("tocsin_checkpoint_bytes", run.size, *self._labels)
        metrics.set("tocsin_checkpoint_seconds", self._written - started, *self._labels)
        wake()

    def show_age(self) -> None:
        """Set the gauge of the age."""
        if self._generation >= 0:
            age = self._world.clock.monotonic() - self._written
            self._world.metrics.set("tocsin_checkpoint_age_seconds", age, *self._labels)

    async def _slices(self, run: _Run, following: Callable[[], bytes | None]) -> None:
        clock = self._world.clock
        while True:
            started = clock.monotonic()
            slice_ = following()
            if slice_ is None:
                return
            self._add(run, encode_chunk(slice_))
            spent = clock.monotonic() - started
            if sum(draft.size for draft in run.waiting) >= BATCH_BYTES:
                await self._flush(run)
            await clock.wait(self._hurried, spent * self._world.pace.rest)
            if self._hurried.is_set():
                await asyncio.sleep(0)

    def _add(self, run: _Run, value: bytes) -> None:
        run.digest.add(run.generation, run.chunks, value)
        run.waiting.append(Draft(key_of(self._name, self._partition, run.generation, run.chunks), value))
        run.chunks += 1
        run.size += len(value)

    async def _flush(self, run: _Run) -> None:
        if run.waiting:
            drafts, run.waiting = run.waiting, []
            first = await self._append(drafts)
            run.first = first if run.first is None else run.first

    async def _append(self, drafts: list[Draft]) -> int:
        world = self._world
        return await world.patiently(
            f"append {CHECKPOINTS.name}/{self._partition}",
            lambda: world.broker.append(CHECKPOINTS.name, self._partition, drafts),
        )

    async def _close(self, run: _Run) -> None:
        moment, world = run.moment, self._world
        assert moment is not None
        journal, partition = self._journal.name, self._partition
        incarnation = await world.patiently(journal, lambda: world.broker.incarnation(journal))
        fingerprint = ""
        if moment.end:
            read = lambda: world.broker.read(journal, partition, moment.end - 1, records_max=1)  # noqa: E731
            record = (await world.patiently(journal, read))[0]
            fingerprint = record_fingerprint(record.key, record.value)
        closing = Closing(
            format=FORMAT,
            layout=self._stage.layout,
            generation=run.generation,
            incarnation=incarnation,
            next=moment.end,
            fingerprint=fingerprint,
            position=moment.position,
            latest=moment.latest,
            entries=run.freezing.entries,
            chunks=run.chunks,
            first=run.first or 0,
            digest=run.digest.value(),
            written_at=world.now(),
        )
        run.size += len(value := encode_closing(closing))
        await self._append([Draft(key_of(self._name, partition, run.generation, None), value)])
