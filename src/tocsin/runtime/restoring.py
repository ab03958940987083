"""Finds the newest checkpoint that is whole and still fits the journal, and makes a state of it.

In: `checkpoints.v1` and one journal partition. Out: what the journal amounts to up to the checkpoint, or None: then the
whole journal is folded. Invariants: nothing is believed that cannot be checked; a checkpoint that does not fit is
counted and said, and the one before it is tried; it never raises for what it finds in `checkpoints.v1`, damage of the
log there included, since everything in it can be made again.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tocsin.runtime.broker import Broken
from tocsin.runtime.folding import Folded
from tocsin.runtime.positions import Positions
from tocsin.runtime.world import World
from tocsin.stage import Decider, Freezable
from tocsin.topics import CHECKPOINTS
from tocsin.wire.checkpoint import Closing, Digest, closes, decode_chunks, decode_closing, key_of
from tocsin.wire.position import record_fingerprint
from tocsin.wire.record import Record

__all__ = ["Restored", "restore"]

log: Final = logging.getLogger("tocsin.checkpoints")

WINDOW: Final = 64
"""Records looked at in one step while searching from the end: closing records lie behind some hundred chunks."""
READ_BYTES_MAX: Final = 16 * 1024 * 1024
IN_THREAD_BYTES: Final = 1024 * 1024
"""From so much on a state is made in a thread, so that the loop goes on answering."""


class _Unfit(Exception):
    """This checkpoint is not to be used. `word` for the metric."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


@dataclass(slots=True)
class Restored:
    """What was found. `folded` is None when nothing fits."""

    folded: Folded | None = None
    closing: Closing | None = None
    generation: int = -1
    """The newest that anything was found of; the next is written above it."""


async def restore(stage: Decider[Any], world: World) -> Restored:
    """The newest state of `stage` that can be trusted."""
    restored = Restored()
    if not isinstance(stage, Freezable):
        return restored
    where = f"{CHECKPOINTS.name}/{stage.partition}"
    try:
        async for record in _closings(world, stage):
            try:
                closing = decode_closing(record.value)
                restored.generation = max(restored.generation, closing.generation)
                await _check(world, stage, closing)
                chunks = await _chunks(world, stage, closing, record.offset)
                restored.folded, restored.closing = await _thawed(stage, closing, chunks), closing
                return restored
            except ValueError as error:
                _unfit(world, stage, _Unfit("damaged", str(error)))
            except _Unfit as error:
                _unfit(world, stage, error)
    except Broken as error:
        if not await _readable(world, stage):
            raise
        _unfit(world, stage, _Unfit("damaged", f"{where}: {error}"))
    return restored


def _unfit(world: World, stage: Decider[Any], error: _Unfit) -> None:
    log.warning("%s/%d: a checkpoint is passed over: %s", stage.name, stage.partition, error)
    world.metrics.add("tocsin_checkpoints_passed_over_total", 1, stage.name, error.word)


async def _readable(world: World, stage: Decider[Any]) -> bool:
    """Whether the log as such still works: only the derived topic may be damaged."""
    try:
        await world.broker.end(stage.journal.name, stage.partition)
    except Broken:
        return False
    return True


async def _closings(world: World, stage: Decider[Any]) -> AsyncIterator[Record]:
    """Closing records of `stage`, the newest first."""
    broker, partition = world.broker, stage.partition
    where = f"read {CHECKPOINTS.name}/{partition}"
    begin = await world.patiently(where, lambda: broker.begin(CHECKPOINTS.name, partition))
    high = await world.patiently(where, lambda: broker.end(CHECKPOINTS.name, partition))
    while high > begin:
        low = max(begin, high - WINDOW)
        for record in reversed(await _between(world, partition, low, high)):
            if closes(record.key, stage.name, partition):
                yield record
        high = low


async def _between(world: World, partition: int, low: int, high: int) -> list[Record]:
    """The records from `low` to below `high` that compaction has left."""
    broker = world.broker
    found: list[Record] = []
    while low < high:
        records = await world.patiently(
            f"read {CHECKPOINTS.name}/{partition}",
            partial(broker.read, CHECKPOINTS.name, partition, low, bytes_max=READ_BYTES_MAX),
        )
        if not records:
            break
        found += [record for record in records if record.offset < high]
        low = records[-1].offset + 1
    return found


async def _check(world: World, stage: Decider[Any], closing: Closing) -> None:
    """Whether the journal is still the one that the checkpoint was made of."""
    assert isinstance(stage, Freezable)
    broker, journal, partition = world.broker, stage.journal.name, stage.partition
    if closing.layout != stage.layout:
        raise _Unfit("version", f"its layout is {closing.layout}, this version reads {stage.layout}")
    if await world.patiently(journal, lambda: broker.incarnation(journal)) != closing.incarnation:
        raise _Unfit("journal", f"{journal} was made anew since")
    begin = await world.patiently(journal, lambda: broker.begin(journal, partition))
    end = await world.patiently(journal, lambda: broker.end(journal, partition))
    if not begin <= closing.next <= end:
        raise _Unfit("journal", f"it ends at {closing.next}, {journal}/{partition} reaches from {begin} to {end}")
    if begin < closing.next:
        at = closing.next - 1
        (record, *_) = await world.patiently(journal, lambda: broker.read(journal, partition, at, records_max=1))
        if record_fingerprint(record.key, record.value) != closing.fingerprint:
            raise _Unfit("journal", f"record {at} of {journal}/{partition} is not the one it was made after")


async def _chunks(world: World, stage: Decider[Any], closing: Closing, end: int) -> Sequence[bytes]:
    """The values of its chunks, in order."""
    wanted = {key_of(stage.name, stage.partition, closing.generation, n): n for n in range(closing.chunks)}
    found: dict[int, bytes] = {}
    for record in await _between(world, stage.partition, closing.first, end):
        number = wanted.get(record.key or b"")
        if number is not None and record.value is not None:
            found[number] = record.value
    if len(found) != closing.chunks:
        raise _Unfit("incomplete", f"{len(found)} of {closing.chunks} chunks are there")
    digest = Digest()
    for number, value in found.items():
        digest.add(closing.generation, number, value)
    if digest.value() != closing.digest:
        raise _Unfit("damaged", "its chunks are not those that were written")
    return [found[number] for number in range(closing.chunks)]


async def _thawed(stage: Decider[Any], closing: Closing, chunks: Sequence[bytes]) -> Folded:
    assert isinstance(stage, Freezable)
    if sum(map(len, chunks)) >= IN_THREAD_BYTES:
        state, entries = await asyncio.to_thread(_thaw, stage, chunks)
    else:
        state, entries = _thaw(stage, chunks)
    if entries != closing.entries:
        raise _Unfit("damaged", f"{entries} of {closing.entries} entries")
    positions = Positions()
    positions.fold(closing.position)
    return Folded(state, positions, closing.latest, closing.next)


def _thaw(stage: Freezable[Any], chunks: Sequence[bytes]) -> tuple[Any, int]:
    # Nothing of it is garbage: a collection would only walk over what has just been made.
    was = gc.isenabled()
    gc.disable()
    try:
        return stage.thaw(decode_chunks(chunks))
    finally:
        if was:
            gc.enable()
