"""The next deadline as a function of the state: a heap in which old entries are dropped or moved on as they surface.

An agenda is rebuilt by `evolve` like all state. Per (subject, kind) there is one instant; setting it again moves it,
setting None removes it.
"""

import heapq
from collections.abc import Iterable

import msgspec

from tocsin.domain.instant import Instant


class Deadline(msgspec.Struct, frozen=True, order=True, gc=False):
    """One instant that was promised in an event. An input of `decide` once it is reached."""

    at: Instant
    kind: str
    subject: str


class Agenda:
    """Deadlines by (kind, subject), earliest first; equal instants in order of kind and subject."""

    __slots__ = ("_at", "_heap")

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], Instant] = {}
        self._heap: list[tuple[Instant, str, str]] = []

    def put(self, kind: str, subject: str, at: Instant | None) -> None:
        """Set, move or (None) remove the deadline `kind` of `subject`."""
        key = (kind, subject)
        if at is None:
            self._at.pop(key, None)
        else:
            known = self._at.get(key)
            self._at[key] = at
            # What moves on is found by its old entry: an expiry that each repeat puts off would fill the heap.
            if known is None or at < known:
                heapq.heappush(self._heap, (at, kind, subject))

    def fill(self, entries: Iterable[tuple[Instant, str, str]]) -> None:
        """Take (instant, kind, subject) of many deadlines at once; the agenda is empty before."""
        self._heap = list(entries)
        self._at = {(kind, subject): at for at, kind, subject in self._heap}
        heapq.heapify(self._heap)

    def next(self) -> Deadline | None:
        """The earliest deadline, or None."""
        heap = self._heap
        while heap:
            at, kind, subject = heap[0]
            now = self._at.get((kind, subject))
            if now == at:
                return Deadline(at, kind, subject)
            while heap and heap[0] == (at, kind, subject):
                heapq.heappop(heap)
            if now is not None and now > at:
                heapq.heappush(heap, (now, kind, subject))
        return None

    def items(self) -> dict[tuple[str, str], Instant]:
        """Every deadline that stands, for comparison of states."""
        return dict(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Agenda) and self._at == other._at

    __hash__ = None  # type: ignore[assignment]


class Earliest:
    """The earliest deadline of each subject, for subjects that know their later ones themselves: equal instants in
    order of kind and subject, as in an `Agenda` that holds all of them."""

    __slots__ = ("_first", "_heap")

    def __init__(self) -> None:
        self._first: dict[str, tuple[Instant, str, str]] = {}
        self._heap: list[tuple[Instant, str, str]] = []

    def put(self, subject: str, entries: Iterable[tuple[Instant, str, str]]) -> None:
        """Everything that is due for `subject`, as (instant, kind, subject); nothing removes it."""
        first = min(entries, default=None)
        if first is None:
            self._first.pop(subject, None)
        elif self._first.get(subject) != first:
            self._first[subject] = first
            heapq.heappush(self._heap, first)

    def fill(self, entries: Iterable[tuple[Instant, str, str]]) -> None:
        """Take the first of many subjects at once; it is empty before."""
        self._heap = list(entries)
        self._first = {entry[2]: entry for entry in self._heap}
        heapq.heapify(self._heap)

    def next(self) -> Deadline | None:
        """The earliest of all, or None."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if self._first.get(entry[2]) is entry:
                return Deadline(*entry)
            heapq.heappop(heap)
        return None

    def __len__(self) -> int:
        return len(self._first)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Earliest) and self._first == other._first

    __hash__ = None  # type: ignore[assignment]
