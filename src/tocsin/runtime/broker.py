"""The port to the log. Everything that tocsin promises rests on these few calls (PROTOCOL.md); one contract suite runs
them over every implementation (`tests/contract/test_brokers.py`).

Offsets of a partition rise by one from 0 without holes and are never used again, also after a trim. A record,
once read, is never different. Calls may be concurrent; appends to one partition take effect one after the other.

In a compacted topic (`Topic.compacted`) records may go missing whose key has a newer one, and tombstones (records
without a value) after a day; when is the broker's choice. The newest record of each key and the last record of the
partition stay, offsets too: there, and only there, a reader meets holes.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tocsin.domain.errors import TocsinError
from tocsin.wire.record import Draft, Headers, Record

__all__ = [
    "BATCH_BYTES_MAX",
    "Broken",
    "Broker",
    "Conflict",
    "Doubt",
    "Draft",
    "Headers",
    "Record",
    "Unavailable",
]

BATCH_BYTES_MAX: Final = 900 * 1024
"""One append: below Kafka's usual 1 MiB with room for the protocol's own bytes."""


class Conflict(TocsinError):
    """The partition does not end where the writer expected: somebody else has written. Nothing of it counts."""


class Doubt(TocsinError):
    """It is unknown whether the append took effect. Read back before anything else is appended (RECORDS §2)."""


class Unavailable(TocsinError):
    """The call had no effect and may be tried again later (a retry)."""


class Broken(TocsinError):
    """The log cannot be trusted or used any more (disk full, fsync error, checksum): stop, say why, lose nothing."""


def batch_sizes(drafts: Sequence[Draft]) -> list[int]:
    """The bytes of each of `drafts`; every implementation takes and refuses the same batches.

    Raises:
        ValueError: no drafts, or more than `BATCH_BYTES_MAX` bytes together.
    """
    sizes = [draft.size for draft in drafts]
    if not sizes:
        raise ValueError("an append needs at least one record")
    if sum(sizes) > BATCH_BYTES_MAX:
        raise ValueError(f"{sum(sizes)} bytes in one append; at most {BATCH_BYTES_MAX} are allowed")
    return sizes


class Broker(Protocol):
    """A partitioned, durable, append-only log.

    Every method may raise `Unavailable` (no effect, try again) or `Broken` (stop). An unknown topic or partition is a
    `LookupError` that names it.
    """

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` has; known after the start."""

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        """Append all `drafts` or none, durably, and return the offset of the first.

        With `expected` the append takes effect only if that is the partition's end; None appends at the end.

        Raises:
            Conflict: the end is not `expected`.
            Doubt: the outcome is unknown.
            ValueError: no drafts, or more than `BATCH_BYTES_MAX` bytes together.
        """

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 4 * 1024 * 1024
    ) -> Sequence[Record]:
        """Records from `offset` on, in order, without a hole (see above for compacted topics); at least one if there
        is one, whatever its size. Empty at the end. Below the begin it starts at the begin."""

    async def begin(self, topic: str, partition: int) -> int:
        """The lowest offset that can still be read (= `end` when there is none)."""

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""

    async def wait(self, beyond: Mapping[tuple[str, int], int], timeout: float) -> None:  # noqa: ASYNC109 - the port waits itself
        """Return as soon as one of the partitions has an end above the given offset, at the latest after `timeout`
        seconds."""

    async def commit(self, group: str, positions: Mapping[tuple[str, int], tuple[int, str]]) -> None:
        """Store (next offset, metadata) per (topic, partition) for `group`, all or none."""

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What `commit` stored last, or None."""

    async def incarnation(self, topic: str) -> str:
        """A text that differs when the topic was deleted and created anew."""

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Forget records below `before`. The offsets stay used."""

    async def close(self) -> None:
        """Give everything back. Idempotent."""
