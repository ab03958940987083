"""The broker port over an Apache Kafka cluster.

In: calls from one event loop, with the names that `topics.py` gives. Out: as `runtime/broker.py` says. Invariants:
every call but `wait` ends within 20 s, whatever the brokers do; an append whose outcome is not certain is a `Doubt`; an
error says which topic or server it is about, and ends with what to do. As Kafka knows no expected offset, an append
that meets another end lies in the log all the same, where it does not count (PROTOCOL §1); it is a `Conflict`.

It makes no topics and joins no groups. `cluster` connects, `producer` appends, `reading` and `watch` read, `positions`
commits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Self

from tocsin.runtime.broker import Broken, Draft, Record, Unavailable, batch_sizes
from tocsin.runtime.clock import Clock
from tocsin.runtime.embedded.room import QueueRoom
from tocsin.runtime.kafka.batch import CODECS
from tocsin.runtime.kafka.cluster import Cluster
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.positions import Positions
from tocsin.runtime.kafka.producer import Producer
from tocsin.runtime.kafka.reading import Reading
from tocsin.runtime.kafka.watch import Watch
from tocsin.topics import TOPICS, Topic

__all__ = ["Committer", "KafkaBroker"]

OPEN_SECONDS: Final = 15.0
"""For the first answer of a cluster: several servers may be tried."""
FRESH_SECONDS: Final = 2.0
"""Topics that were made a moment ago are not known to every broker yet."""
CLOSE_SECONDS: Final = 5.0
"""For appends under way; a broker that is away must not keep a process alive."""
WAITING_BYTES_MAX: Final = 32 * 1024 * 1024
"""Appends that wait for brokers: some seconds of slow ones. Further callers wait before they are queued."""
UNKNOWN_TOPIC: Final = 3
NO_RIGHT: Final = 29
MADE_ANEW: Final = 100

Place = tuple[str, int]
Committer = Callable[[Mapping[Place, tuple[int, str]]], Awaitable[None]]
"""Commits positions of logical topics through a live member of the group."""


class KafkaBroker:
    """Kafka as the log. Made by `open`, given back by `close`."""

    def __init__(self, connection: Connection, names: Mapping[str, str], clock: Clock, compression: str | None) -> None:
        """For `open` only. `names`: of our topics, in the cluster."""
        self._connection = connection
        self._names = names
        self._cluster = cluster = Cluster(connection, list(names.values()))
        self._reading = Reading(cluster)
        self._watch = Watch(cluster, self._reading, clock)
        self._producer = Producer(cluster, clock, compression)
        self._positions = Positions(cluster)
        self._room = QueueRoom(WAITING_BYTES_MAX)
        self._counts: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self._committers: dict[str, Committer] = {}
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        connection: Connection,
        *,
        clock: Clock,
        topics: Mapping[str, Topic] = TOPICS,
        compression: str | None = None,
    ) -> Self:
        """Connect and learn the partitions of `topics`, in a bounded time.

        Args:
            clock: stamps records of topics that do not take the broker's time, and measures `wait`.
            compression: gzip, snappy, lz4 or zstd for what is appended.

        Raises:
            Unavailable: no server can be reached now. Broken: what waiting does not cure: a login that is refused,
                TLS, a missing topic or right. Each names the server or topic and the remedy.
            ValueError: no such compression.
        """
        if compression is not None and compression not in CODECS:
            raise ValueError(f"compression {compression}; known are {', '.join(CODECS)}")
        names = {name: name if topic.foreign else connection.topic(name) for name, topic in topics.items()}
        broker = cls(connection, names, clock, compression)
        cluster = broker._cluster
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await broker._learn()
        except TimeoutError as error:
            await cluster.close()
            raise Unavailable(explain(error, server=cluster.servers)) from error
        except BaseException:
            await cluster.close()
            raise
        return broker

    async def _learn(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + FRESH_SECONDS
        while True:
            await self._cluster.refresh()
            found = {ours: self._cluster.topics[name] for ours, name in self._names.items()}
            wrong = {self._names[ours]: topic.error for ours, topic in found.items() if topic.error}
            if not wrong:
                self._counts = {ours: len(topic.leaders) for ours, topic in found.items()}
                self._ids = {ours: topic.id for ours, topic in found.items()}
                return
            if loop.time() >= until or set(wrong.values()) != {UNKNOWN_TOPIC}:
                break
            await asyncio.sleep(0.1)
        code = next(iter(wrong.values()))
        raise Broken(explain(code, topic=", ".join(name for name, error in wrong.items() if error == code)))

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` had when this was opened."""
        if topic not in self._counts:
            raise LookupError(f"unknown topic {topic}")
        return self._counts[topic]

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        """Append all `drafts` or none; see `Broker.append`. A caller that is cancelled meanwhile does not know
        the outcome.

        Raises:
            TypeError: a draft holds something else than bytes and header names.
        """
        place = self._place(topic, partition)
        size = sum(batch_sizes(drafts))
        await self._room.take(size)
        try:
            return await self._producer.append(place, f"{topic}/{partition}", drafts, size, expected)
        finally:
            self._room.give(size)

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 4 * 1024 * 1024
    ) -> Sequence[Record]:
        """Records from `offset` on; see `Broker.read`. Holes that compaction or transactions leave are stepped
        over."""
        return await self._reading.read(self._place(topic, partition), offset, records_max, bytes_max)

    async def begin(self, topic: str, partition: int) -> int:
        """The lowest offset that can still be read."""
        return await self._reading.begin(self._place(topic, partition))

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get; asked anew each time."""
        return await self._reading.end(self._place(topic, partition))

    async def wait(self, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Return when a partition ends above the given offset, or after `timeout` seconds of the clock."""
        await self._watch.wait({self._place(*place): offset for place, offset in beyond.items()}, timeout)

    def attach(self, group: str, committer: Committer) -> None:
        """From now on this process has a live member in `group`: commits go through it, as Kafka takes none from
        outside then."""
        self._committers[group] = committer

    def detach(self, group: str) -> None:
        """The member of `group` has left."""
        self._committers.pop(group, None)

    async def commit(self, group: str, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store positions, all or none; through the attached member of `group` if there is one."""
        placed = {self._place(*place): position for place, position in positions.items()}
        if not placed:
            return
        if group in self._committers:
            await self._committers[group](positions)
        else:
            await self._positions.commit(self._connection.group(group), placed)

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What `commit` stored last, or None."""
        return await self._positions.committed(self._connection.group(group), *self._place(topic, partition))

    async def inspect(self) -> list[str]:
        """What somebody has done to the topics since this was opened: those that are gone, made anew, or closed to us,
        each with its remedy. It is asked anew each time.

        Raises:
            Unavailable, Broken: nobody answers.
        """
        await self._cluster.refresh()
        now = {ours: self._cluster.topics[name] for ours, name in self._names.items()}
        codes = {ours: topic.error or (MADE_ANEW if topic.id != self._ids[ours] else 0) for ours, topic in now.items()}
        return [explain(code, topic=self._names[ours]) for ours, code in codes.items() if code]

    async def holder(self, group: str, name: str) -> tuple[str, bytes] | None:
        """Who is in `group` under the static name `name`: its member id, and what it said of itself when it joined
        (empty while the group rebalances). None when nobody is."""
        return await self._positions.holder(self._connection.group(group), name)

    async def incarnation(self, topic: str) -> str:
        """The id that Kafka gave the topic when it was made; asked anew each time."""
        self.partitions(topic)
        name = self._names[topic]
        await self._cluster.refresh()
        known = self._cluster.topics[name]
        if known.error:
            kind = Unavailable if known.error == NO_RIGHT else Broken
            raise kind(explain(known.error, topic=name))
        return known.id

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Forget records below `before`, at most all. Kafka does so for topics that it does not compact."""
        await self._reading.trim(self._place(topic, partition), before)

    async def close(self) -> None:
        """Finish what was begun, but in a bounded time, then give all connections back. Idempotent. Further calls
        are `Broken`."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut())
        await asyncio.shield(self._closing)

    async def _shut(self) -> None:
        self._room.refuse()
        await self._producer.stop(CLOSE_SECONDS)
        await self._watch.stop()
        await self._cluster.close()

    def _place(self, topic: str, partition: int) -> Place:
        """The partition by the name of its topic in the cluster."""
        if not 0 <= partition < self.partitions(topic):
            raise LookupError(f"unknown partition {topic}/{partition}")
        if self._closing is not None:
            raise Broken(f"the connection to {self._cluster.servers} is closed")
        return self._names[topic], partition
