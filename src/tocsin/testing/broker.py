"""A log in memory: the broker port for tests and for the simulator, with faults on demand.

In: what any broker gets, and a function that chooses a fault for each append. Out: the same offsets, times and
errors at each run with the same input; nothing suspends but `wait`. The log outlives its users: after a
simulated crash, and after `close`, the next owner takes the same object. Nothing is durable.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b

from tocsin.domain.instant import Instant, to_ms
from tocsin.runtime.broker import Conflict, Doubt, Draft, Record, Unavailable, batch_sizes
from tocsin.runtime.clock import Clock
from tocsin.runtime.embedded.compaction import TOMBSTONE_KEPT_MS
from tocsin.runtime.embedded.tail import Tail
from tocsin.runtime.embedded.waiters import Waiters
from tocsin.topics import TOPICS, Topic

__all__ = ["Fault", "MemoryBroker", "SimulatedCrash"]

Place = tuple[str, int]


class SimulatedCrash(BaseException):
    """The process ends here, at once: no `except Exception` may catch it."""


class Fault(StrEnum):
    """What goes wrong with one append (or one commit of positions, which knows no doubt)."""

    CRASH_BEFORE = "crash_before"
    """The process ends before the call takes effect."""
    CRASH_AFTER = "crash_after"
    """The process ends after the call has taken effect, before it learns of it."""
    DOUBT_LOST = "doubt_lost"
    """`Doubt`, and nothing was appended."""
    DOUBT_WRITTEN = "doubt_written"
    """`Doubt`, and everything was appended."""
    UNAVAILABLE = "unavailable"
    """`Unavailable`: no effect."""


_BEFORE: Mapping[Fault, type[BaseException]] = {
    Fault.CRASH_BEFORE: SimulatedCrash,
    Fault.DOUBT_LOST: Doubt,
    Fault.UNAVAILABLE: Unavailable,
}
_AFTER: Mapping[Fault, type[BaseException]] = {
    Fault.CRASH_AFTER: SimulatedCrash,
    Fault.DOUBT_WRITTEN: Doubt,
}


def _strike(faults: Mapping[Fault, type[BaseException]], fault: Fault | None, what: str) -> None:
    if fault is not None and fault in faults:
        raise faults[fault](f"{fault}: {what}")


class _Log:
    """One partition."""

    __slots__ = ("damaged", "gone", "tail", "timestamp")

    def __init__(self) -> None:
        self.tail = Tail(0)
        self.timestamp = 0
        self.gone: set[int] = set()
        """Offsets that compaction has dropped."""
        self.damaged: dict[int, Record] = {}
        """What is read instead of what was written, by offset."""

    def read(self, offset: int, records_max: int, bytes_max: int) -> list[Record]:
        offset = max(offset, self.tail.first)
        while found := self.tail.read(offset, records_max, bytes_max):
            if left := [self.damaged.get(one.offset, one) for one in found if one.offset not in self.gone]:
                return left
            offset = found[-1].offset + 1
        return []


class MemoryBroker:
    """The broker port in memory.

    Args:
        clock: stamps the records.
        partitions: of each topic that names no count of its own.
        kafka_like: as on Kafka an append is not refused for its `expected`: it lies in the log, where it does
            not count, and its writer gets `Conflict`.
    """

    fault: Callable[[str, str, int], Fault | None] | None
    """Asked before each append and commit of positions with ("append" | "commit", topic, partition); of a
    commit the first partition. Everything else succeeds."""

    def __init__(
        self,
        clock: Clock,
        partitions: int = 1,
        topics: Mapping[str, Topic] = TOPICS,
        *,
        kafka_like: bool = False,
    ) -> None:
        if partitions < 1:
            raise ValueError(f"{partitions} partitions; at least one is needed")
        self.fault = None
        self._clock = clock
        self._kafka_like = kafka_like
        self._topics = topics
        self._counts = {name: topic.partitions or partitions for name, topic in topics.items()}
        self._generations = dict.fromkeys(topics, 0)
        self._logs = {(name, p): _Log() for name, count in self._counts.items() for p in range(count)}
        self._positions: dict[tuple[str, Place], tuple[int, str]] = {}
        self._waiters = Waiters(clock)

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` has."""
        if topic not in self._counts:
            raise LookupError(f"unknown topic {topic}")
        return self._counts[topic]

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        """Append all `drafts` or none; see `Broker.append`."""
        log = self._log((topic, partition))
        sizes = batch_sizes(drafts)
        fault = self.fault("append", topic, partition) if self.fault else None
        _strike(_BEFORE, fault, f"append to {topic}/{partition}")
        first = log.tail.end
        fits = expected is None or expected == first
        if fits or self._kafka_like:
            self._take((topic, partition), log, drafts, sizes)
        _strike(_AFTER, fault, f"append to {topic}/{partition}")
        if not fits:
            raise Conflict(f"{topic}/{partition} ends at {first}, not at {expected}")
        return first

    async def read(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        records_max: int = 1000,
        bytes_max: int = 4 * 1024 * 1024,
    ) -> Sequence[Record]:
        """Records from `offset` on; see `Broker.read`."""
        return self._log((topic, partition)).read(offset, records_max, bytes_max)

    async def begin(self, topic: str, partition: int) -> int:
        """The lowest offset that can still be read."""
        return self._log((topic, partition)).tail.first

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        return self._log((topic, partition)).tail.end

    async def wait(self, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Return when a partition ends above the given offset, or after `timeout` seconds of the clock."""
        logs = [(self._log(place), offset) for place, offset in beyond.items()]
        await self._waiters.wait(beyond, lambda: any(log.tail.end > offset for log, offset in logs), timeout)

    async def commit(self, group: str, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store positions, all or none."""
        for place in positions:
            self._log(place)
        fault = self.fault("commit", *next(iter(positions))) if self.fault and positions else None
        if fault in (Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN):
            raise ValueError(f"{fault}: a commit of positions knows no doubt; choose another fault")
        _strike(_BEFORE, fault, f"commit of {group}")
        self._positions.update({(group, place): position for place, position in positions.items()})
        _strike(_AFTER, fault, f"commit of {group}")

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What `commit` stored last, or None."""
        self._log((topic, partition))
        return self._positions.get((group, (topic, partition)))

    async def incarnation(self, topic: str) -> str:
        """A text that changes with `recreate`; the same at each run."""
        self.partitions(topic)
        name = f"{topic}.{self._generations[topic]}"
        return blake2b(name.encode(), digest_size=8).hexdigest()

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Forget records below `before`, at most all."""
        tail = self._log((topic, partition)).tail
        tail.drop(min(before, tail.end))

    async def retain(self, now: Instant, keep: Mapping[Place, int] | None = None) -> int:
        """Compact every compacted topic; nothing grows too old in memory. Returns the records dropped."""
        before = sum(len(log.gone) for log in self._logs.values())
        for (topic, _), log in self._logs.items():
            if self._topics[topic].compacted:
                newest = {record.key: record.offset for record in log.read(0, sys.maxsize, sys.maxsize)}
                for record in log.read(0, sys.maxsize, sys.maxsize):
                    expired = record.value is None and record.timestamp < to_ms(now) - TOMBSTONE_KEPT_MS
                    if (newest[record.key] > record.offset or expired) and record.offset + 1 < log.tail.end:
                        log.gone.add(record.offset)
        return sum(len(log.gone) for log in self._logs.values()) - before

    async def close(self) -> None:
        """Nothing to give back: the log stays, as a broker outlives its clients."""

    def damage(self, topic: str, partition: int, record: Record) -> None:
        """From now on `record` is read where another one was written."""
        self._log((topic, partition)).damaged[record.offset] = record

    def recreate(self, topic: str) -> None:
        """Somebody deletes `topic` and creates it anew: empty, with another incarnation."""
        for partition in range(self.partitions(topic)):
            self._logs[topic, partition] = _Log()
        self._generations[topic] += 1

    def _log(self, place: Place) -> _Log:
        log = self._logs.get(place)
        if log is None:
            self.partitions(place[0])
            raise LookupError(f"unknown partition {place[0]}/{place[1]}")
        return log

    def _take(self, place: Place, log: _Log, drafts: Sequence[Draft], sizes: Sequence[int]) -> None:
        log.timestamp = timestamp = max(log.timestamp, to_ms(self._clock.now()))
        first = log.tail.end
        log.tail.extend(
            [Record(first + n, timestamp, *draft) for n, draft in enumerate(drafts)],
            sizes,
        )
        self._waiters.wake(place)
