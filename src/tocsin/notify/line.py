"""Queues of one channel: what is ready first goes first, pages before everything else.

In: deliveries with the instants from which on they may be sent. Out: the next one, and when there is one. Invariant: a
delivery stands in a line at most once. It does not know what a delivery says, nor whether the channel has room.
"""

import heapq
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from tocsin.domain.instant import Instant


class Queued(Protocol):
    """What a line has to know of a delivery."""

    id: str
    page: bool
    order: int


class Line:
    """Deliveries in the order in which they are ready, those ready together in the order of planning. Old entries of
    the heap are skipped when they surface."""

    __slots__ = ("_heap", "_ready")

    def __init__(self) -> None:
        self._ready: dict[str, Instant] = {}
        self._heap: list[tuple[Instant, int, str]] = []

    def put(self, delivery: Queued, at: Instant) -> None:
        self._ready[delivery.id] = at
        heapq.heappush(self._heap, (at, delivery.order, delivery.id))

    def drop(self, delivery_id: str) -> None:
        self._ready.pop(delivery_id, None)

    def first(self) -> tuple[Instant, str] | None:
        """(instant, delivery id) of the first, or None."""
        heap = self._heap
        while heap:
            at, _, delivery_id = heap[0]
            if self._ready.get(delivery_id) == at:
                return at, delivery_id
            heapq.heappop(heap)
        return None

    def waiting(self) -> list[tuple[str, Instant]]:
        """(delivery id, instant) of every one in it, in the order in which they were put there."""
        return list(self._ready.items())

    def oldest(self, n: int) -> list[str]:
        """The first `n` that were put there."""
        return list(islice(self._ready, n))

    def ready(self, now: Instant) -> list[str]:
        """Every delivery that is ready at `now`."""
        return [delivery_id for delivery_id, at in self._ready.items() if at <= now]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self._ready == other._ready

    __hash__ = None  # type: ignore[assignment]


@dataclass(slots=True)
class Lane:
    """What waits for one channel."""

    pages: Line = field(default_factory=Line)
    others: Line = field(default_factory=Line)
    lost: Line = field(default_factory=Line)
    """Attempts that are unwanted: from the instant on at which no send can run any more, they are withdrawn."""

    def line(self, delivery: Queued) -> Line:
        return self.pages if delivery.page else self.others

    def drop(self, delivery_id: str) -> None:
        for line in (self.pages, self.others, self.lost):
            line.drop(delivery_id)

    def next(self, now: Instant) -> str | None:
        """The delivery to send next: a page first, then by when they were ready."""
        for line in (self.pages, self.others):
            if (first := line.first()) and first[0] <= now:
                return first[1]
        return None

    def wants_at(self) -> Instant | None:
        """From when on there is something to do over this channel."""
        firsts = (line.first() for line in (self.pages, self.others, self.lost))
        return min((first[0] for first in firsts if first), default=None)

    def pages_at(self) -> Instant | None:
        """From when on a page waits."""
        first = self.pages.first()
        return first[0] if first else None
