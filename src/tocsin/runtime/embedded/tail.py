"""The newest records of one partition, in memory, without a hole.

In: records in the order of their offsets, with their sizes. Out: reads with limits, in logarithmic time. What
was dropped at the front is the caller's business: a read below `first` is refused. It does no I/O.
"""

from bisect import bisect_right
from collections.abc import Sequence

from tocsin.wire.record import Record

__all__ = ["Tail"]


class Tail:
    """Records `first`..`end` - 1 of a partition."""

    __slots__ = ("_before", "_records", "first")

    def __init__(self, first: int) -> None:
        self.first = first
        self._records: list[Record] = []
        self._before = [0]
        """The bytes before each record, counted from an arbitrary zero; one longer than the records."""

    @property
    def end(self) -> int:
        """The offset that the next record must have."""
        return self.first + len(self._records)

    @property
    def size(self) -> int:
        """Bytes of keys, values and headers."""
        return self._before[-1] - self._before[0]

    def extend(self, records: Sequence[Record], sizes: Sequence[int]) -> None:
        """Add `records`, which continue at `end`, and their `sizes` in bytes."""
        assert records[0].offset == self.end, f"{records[0].offset} does not continue {self.end}"
        self._records.extend(records)
        total = self._before[-1]
        for size in sizes:
            total += size
            self._before.append(total)

    def read(self, offset: int, records_max: int, bytes_max: int) -> list[Record]:
        """Records from `offset` (>= `first`) on: at most `records_max` and `bytes_max`, but one if there is one."""
        assert offset >= self.first, f"{offset} is below {self.first}"
        at = offset - self.first
        if at >= len(self._records):
            return []
        fits = bisect_right(self._before, self._before[at] + bytes_max, at, len(self._before)) - 1
        return self._records[at : min(at + records_max, max(fits, at + 1))]

    def drop(self, before: int) -> None:
        """Forget the records below `before`; beyond the end it begins there, empty."""
        if before >= self.end:
            self.first, self._records, self._before = before, [], [0]
        elif before > self.first:
            gone = before - self.first
            del self._records[:gone]
            del self._before[:gone]
            self.first = before

    def shrink(self, bytes_max: int) -> None:
        """Forget the oldest records until `bytes_max` remain.

        It acts at twice the limit only: moving a long list at every append would cost more than it saves.
        """
        if self.size > 2 * bytes_max:
            self.drop(self.first + bisect_right(self._before, self._before[-1] - bytes_max))
