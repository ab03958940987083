"""What the next commit will say: events in the order in which they were evolved, with the repeats between them
summed.

In: the events of one input at a time. Out: the records of one commit. A tally stands exactly where its repeats were
evolved, in front of the events that came after them; so folding the records gives the state that the owner has. (A
tally in front of the event that attached its member would count nothing.) It neither decides nor appends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.events import Event, Tallied, Tally
from tocsin.domain.incident import GAP
from tocsin.domain.instant import Instant
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.wire.events import Encoded, encode

__all__ = ["TALLIES_MAX", "Pending"]

TALLY_BYTES: Final = 170
"""One tally in JSON: id 28, four instants 29 each, count 10, brackets and commas."""
TALLIES_MAX: Final = 200 * 1024 // TALLY_BYTES
"""A record of tallies stays below 200 KB (RECORDS §1)."""
RECORD_BYTES: Final = 420
"""Header names, fixed header values and the protocol's own bytes of one record, rounded up."""

Item = Encoded | Tallied


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    return max(one, other) if one and other else one or other


@dataclass(slots=True)
class _Stretch:
    """One entry of a sum: repeats of one member without a gap of ten minutes."""

    count: int
    start: Instant
    last: Instant
    expires_at: Instant | None
    resolved_at: Instant | None

    def joins(self, tally: Tally) -> bool:
        """Whether the stretches connect, so that `domain.incident.see` makes one of the two anyway."""
        return tally.start <= self.last + GAP and self.start <= tally.last + GAP

    def add(self, tally: Tally) -> None:
        self.count += tally.count
        if tally.start < self.start:
            self.start = tally.start
        if tally.last > self.last:
            self.last = tally.last
        self.expires_at = _later(self.expires_at, tally.expires_at)
        self.resolved_at = _later(self.resolved_at, tally.resolved_at)


@dataclass(slots=True)
class _Sum:
    """Tallies of one reason with no other event between them."""

    reason: str
    recorded_at: Instant
    rules_version: int
    by_alert: dict[str, list[_Stretch]] = field(default_factory=dict)
    stretches: int = 0

    def add(self, event: Tallied) -> int:
        """Add `event`; returns how many entries are new."""
        before = self.stretches
        self.recorded_at = max(self.recorded_at, event.recorded_at)
        self.rules_version = event.rules_version
        for tally in event.tallies:
            known = self.by_alert.setdefault(tally.alert_id, [])
            if known and known[-1].joins(tally):
                known[-1].add(tally)
            else:
                known.append(_Stretch(tally.count, tally.start, tally.last, tally.expires_at, tally.resolved_at))
                self.stretches += 1
        return self.stretches - before

    def events(self) -> list[Tallied]:
        """The sum, in records of at most `TALLIES_MAX` entries."""
        tallies = [
            Tally(alert_id, one.count, one.start, one.last, one.expires_at, one.resolved_at)
            for alert_id, stretches in self.by_alert.items()
            for one in stretches
        ]
        return [
            Tallied(
                recorded_at=self.recorded_at,
                reason=self.reason,
                rules_version=self.rules_version,
                tallies=tuple(tallies[start : start + TALLIES_MAX]),
            )
            for start in range(0, len(tallies), TALLIES_MAX)
        ]


class Pending:
    """Evolved and not yet in the log."""

    def __init__(self, source: str) -> None:
        self._fixed = RECORD_BYTES + len(source)
        self._items: list[Encoded | _Sum] = []
        self._size = 0
        self.events = 0
        """Events that are not tallies: these do not wait for company."""

    def __bool__(self) -> bool:
        return bool(self._items)

    def cost(self, item: Item) -> int:
        """Bytes that `item` may need in a commit."""
        if isinstance(item, Tallied):
            return 2 * self._fixed + len(item.tallies) * TALLY_BYTES
        return self._fixed + len(item.value) + 2 * len(item.key or b"") + len(item.id) + len(item.event.cause)

    def take(self, items: Sequence[Item], reserved: int) -> bool:
        """Take the events of one input, all of them, if they fit with `reserved` bytes left for the position; whether
        they do."""
        costs = [self.cost(item) for item in items]
        if self._size + sum(costs) + reserved > BATCH_BYTES_MAX:
            return False
        for item, cost in zip(items, costs, strict=True):
            if isinstance(item, Encoded):
                self._items.append(item)
                self._size += cost
                self.events += 1
            else:
                self._count(item)
        return True

    def _count(self, event: Tallied) -> None:
        last = self._items[-1] if self._items else None
        if not isinstance(last, _Sum) or last.reason != event.reason:
            last = _Sum(event.reason, event.recorded_at, event.rules_version)
            self._items.append(last)
            self._size += self._fixed
        before = last.stretches // TALLIES_MAX
        self._size += last.add(event) * TALLY_BYTES
        self._size += (last.stretches // TALLIES_MAX - before) * self._fixed

    def records(self) -> list[Encoded]:
        """Everything, as the records of one commit."""
        records: list[Encoded] = []
        for item in self._items:
            if isinstance(item, Encoded):
                records.append(item)
            else:
                records.extend(encode(event) for event in item.events())
        return records

    def clear(self) -> None:
        """The commit of `records` counts."""
        self._items.clear()
        self._size = 0
        self.events = 0


def item_of(event: Event) -> Item:
    """`event` as it is kept until the commit: a tally stays a struct, because it will be summed."""
    return event if isinstance(event, Tallied) else encode(event)
