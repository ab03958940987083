"""What notify knows: the unfinished deliveries, and the incidents that somebody has answered.

In: nothing but notify's own events (`evolve.py`). Out: per channel what is to be sent next and from when on; what is
being sent. Invariants: a delivery waits in exactly one line of its channel, or is being sent, or is not here; a
finished one is not here. It does not know incidents that nobody has answered: for those everything may be planned.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tocsin.domain.instant import Instant


class Delivery(msgspec.Struct, kw_only=True):
    """One unfinished delivery."""

    id: str
    incident_id: str
    channel: str
    step: str
    recipient: str
    page: bool
    contacts: dict[str, tuple[str, ...]]
    context: dict[str, Any]
    order: int
    """Place in the order of planning."""
    ready_at: Instant
    """`send_due_at`, after a failure `next_attempt_at`."""
    written: int = 1
    """Number of its last event."""
    attempt: int = 0
    """Attempts so far, the running one included."""
    attempted_at: Instant | None = None
    """Since when an attempt runs; None while it waits."""
    unwanted: str = ""
    """Why it is not sent again should this attempt fail or be lost: the incident was answered meanwhile."""

    @property
    def sending(self) -> bool:
        return self.attempted_at is not None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An incident for which nobody needs to be called."""

    word: str
    """`acknowledged`, `resolved`, `closed` or `merged`."""
    version: int
    """Of the incident event that said so."""


class Muted(msgspec.Struct):
    """An incident that is suppressed."""

    cause: str
    since: Instant
    version: int
    """Of the incident event that said so."""
    owed: bool = False
    """A call was held back: somebody has to hear of the incident when it is over."""
    calls: list[Delivery] = []
    """Escalations that were taken back: they are made up for one by one, to whom they were for."""


class Line:
    """Deliveries in the order in which they are ready, those ready together in the order of planning. Old entries of
    the heap are skipped when they surface."""

    __slots__ = ("_heap", "_ready")

    def __init__(self) -> None:
        self._ready: dict[str, Instant] = {}
        self._heap: list[tuple[Instant, int, str]] = []

    def put(self, delivery: Delivery, at: Instant) -> None:
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

    def line(self, delivery: Delivery) -> Line:
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


@dataclass(slots=True)
class Ledger:
    """The state of one partition."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)
    of_incident: dict[str, dict[str, None]] = field(default_factory=dict)
    """Incident id to the ids of its deliveries, in the order of planning."""
    lanes: dict[str, Lane] = field(default_factory=dict)
    """By channel; a lane stays when it is empty."""
    sending: dict[str, None] = field(default_factory=dict)
    """Attempted and unfinished."""
    answered: dict[str, Answer] = field(default_factory=dict)
    """By incident id, until the incident is retired."""
    muted: dict[str, Muted] = field(default_factory=dict)
    """By incident id, until the suppression is over or the incident is retired."""
    planned: int = 0
    """Deliveries planned so far."""

    def of(self, incident_id: str) -> Iterator[Delivery]:
        """The unfinished deliveries of an incident; the caller may finish them meanwhile."""
        for delivery_id in list(self.of_incident.get(incident_id, ())):
            if delivery := self.deliveries.get(delivery_id):
                yield delivery

    def waiting(self, incident_id: str) -> Iterator[Delivery]:
        """Those of them that nobody sends at the moment."""
        return (delivery for delivery in self.of(incident_id) if not delivery.sending)

    def lane(self, channel: str) -> Lane:
        return self.lanes.setdefault(channel, Lane())

    def drop(self, delivery: Delivery) -> None:
        """It is finished."""
        self.lanes[delivery.channel].drop(delivery.id)
        self.sending.pop(delivery.id, None)
        del self.deliveries[delivery.id]
        of_incident = self.of_incident[delivery.incident_id]
        del of_incident[delivery.id]
        if not of_incident:
            del self.of_incident[delivery.incident_id]
