"""Records that nobody can use, for `alerts.rejected.v1`: the original bytes, why, and where they stood.

In: a value with its headers, a named reason, its place. Out: drafts, appended before the position moves past the
record. A crash in between rejects it twice; `tocsin_error_position` tells the two apart from two records.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.errors import Reject
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.runtime.world import World
from tocsin.topics import REJECTED
from tocsin.wire.record import Draft, Headers, Record

__all__ = ["append_shared", "reject", "reject_record", "rejected_draft"]

MESSAGE_MAX: Final = 1000
"""Characters of an error text: it may quote what the sender wrote."""
CHUNK_BYTES_MAX: Final = BATCH_BYTES_MAX
PREFIX: Final = "tocsin_error_"


def rejected_draft(
    *, value: bytes | None, headers: Headers, word: str, message: str, stage: str, source: str, position: str
) -> Draft:
    """One rejected record. What would not fit an append loses the original headers, then the end of its value."""
    added = {
        "reason": word,
        "message": message[:MESSAGE_MAX],
        "stage": stage,
        "source": source,
        "position": position,
    }
    own: Headers = tuple((PREFIX + name, text.encode("utf-8", "replace")) for name, text in added.items())
    kept: Headers = tuple(header for header in headers if not header[0].startswith(PREFIX))
    draft = Draft(None, value, own + kept)
    if draft.size <= CHUNK_BYTES_MAX:
        return draft
    cut = Draft(None, value, (*own, (PREFIX + "cut", b"headers")))
    if cut.size <= CHUNK_BYTES_MAX:
        return cut
    room = CHUNK_BYTES_MAX - Draft(None, None, own).size - 100
    return Draft(None, (value or b"")[:room], (*own, (PREFIX + "cut", b"headers, value")))


async def append_shared(world: World, topic: str, partition: int, drafts: Sequence[Draft]) -> None:
    """Append `drafts` in order, in as few appends as fit, each repeated until the log has it (perhaps twice).

    For topics whose readers recognise a repeat.
    """
    chunk: list[Draft] = []
    size = 0
    for draft in drafts:
        if chunk and size + draft.size > CHUNK_BYTES_MAX:
            await _append(world, topic, partition, chunk)
            chunk, size = [], 0
        chunk.append(draft)
        size += draft.size
    if chunk:
        await _append(world, topic, partition, chunk)


async def _append(world: World, topic: str, partition: int, drafts: Sequence[Draft]) -> None:
    await world.surely(f"append {topic}/{partition}", lambda: world.broker.append(topic, partition, drafts))


async def reject(world: World, partition: int, drafts: Sequence[Draft]) -> None:
    """Append to `alerts.rejected.v1`, into the partition of the source as far as there is one, and count."""
    where = partition % world.broker.partitions(REJECTED.name)
    await append_shared(world, REJECTED.name, where, drafts)
    for draft in drafts:
        word = next(value for name, value in draft.headers if name == PREFIX + "reason")
        world.metrics.add("tocsin_alerts_rejected_total", 1, word.decode())


async def reject_record(world: World, topic: str, partition: int, record: Record, error: Reject, stage: str) -> None:
    """Reject one whole record of `topic`/`partition` that `stage` was to work."""
    draft = rejected_draft(
        value=record.value,
        headers=record.headers,
        word=error.word,
        message=str(error),
        stage=stage,
        source=f"{topic}/{partition}",
        position=str(record.offset),
    )
    await reject(world, partition, [draft])
