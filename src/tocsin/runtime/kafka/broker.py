"""The broker port over an Apache Kafka cluster.

Being written: `open` and the signatures are fixed, everything else raises NotImplementedError.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Self

from tocsin.runtime.broker import Draft, Record
from tocsin.runtime.clock import Clock
from tocsin.runtime.kafka.connection import Connection
from tocsin.topics import TOPICS, Topic

__all__ = ["Committer", "KafkaBroker"]

Place = tuple[str, int]
Committer = Callable[[Mapping[Place, tuple[int, str]]], Awaitable[None]]
"""Commits positions of logical topics through a live member of the group."""


class KafkaBroker:
    """Kafka as the log. Made by `open`, given back by `close`."""

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

        Raises:
            Unavailable: no server can be reached now. Broken: what waiting does not cure: a login that is refused,
                TLS, a missing topic or right. Each names the server or topic and the remedy.
        """
        raise NotImplementedError

    def partitions(self, topic: str) -> int:
        """How many partitions `topic` has."""
        raise NotImplementedError

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        """Append all `drafts` or none; see `Broker.append`."""
        raise NotImplementedError

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 4 * 1024 * 1024
    ) -> Sequence[Record]:
        """Records from `offset` on; see `Broker.read`."""
        raise NotImplementedError

    async def begin(self, topic: str, partition: int) -> int:
        """The lowest offset that can still be read."""
        raise NotImplementedError

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get; asked anew each time."""
        raise NotImplementedError

    async def wait(self, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Return when a partition ends above the given offset, or after `timeout` seconds."""
        raise NotImplementedError

    def attach(self, group: str, committer: Committer) -> None:
        """From now on this process has a live member in `group`: commits go through it, as Kafka takes none from
        outside then."""
        raise NotImplementedError

    def detach(self, group: str) -> None:
        """The member of `group` has left."""
        raise NotImplementedError

    async def commit(self, group: str, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store positions, all or none."""
        raise NotImplementedError

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What `commit` stored last, or None."""
        raise NotImplementedError

    async def incarnation(self, topic: str) -> str:
        """The id that Kafka gave the topic when it was made."""
        raise NotImplementedError

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Forget records below `before`, at most all."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give everything back, in a bounded time. Idempotent."""
        raise NotImplementedError
