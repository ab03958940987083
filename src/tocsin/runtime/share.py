"""What a process does for one consumer group: it works on the partitions that it was given.

Who gives them is a `Membership`: on the embedded log one process has everything (`Alone`), on Kafka the group's
members share it and it may change at any time (`runtime/kafka/member.py`). The three shares are `IngestShare`,
`CoreShare` and `PersistShare`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tocsin.runtime.arrivals import Arrivals, Place
from tocsin.runtime.broker import Broker
from tocsin.runtime.lease import Lease
from tocsin.runtime.watch import Signs

__all__ = ["Alone", "Membership", "Share", "Shared"]


class Share(Protocol):
    """One group's work in this process. Calls come one after the other; only `take` may be cancelled."""

    name: str
    """`ingest`, `core` or `persist`: the group is `tocsin.<name>`."""
    topics: tuple[str, ...]
    """What the group reads."""
    readers: dict[str, tuple[str, ...]]
    """Topic -> who of this share pulls it."""
    taken: asyncio.Event
    """Set while partitions were given and everything that could be loaded is worked on."""

    async def take(self, held: frozenset[Place], generation: int) -> None:
        """Work on `held` and nothing else. `generation` counts the group's assignments."""

    async def suspend(self, grace: float) -> None:
        """Finish what is in work and commit it, within `grace` seconds; what has not ended by then is cut off.
        Nothing is sent or written until the next `take`."""

    async def release(self, grace: float) -> None:
        """Suspend for good."""

    def places(self) -> dict[Place, int]:
        """(topic, partition) -> the offset from which on this share wants records."""

    def needed(self) -> dict[Place, int]:
        """(topic, partition) -> the offset from which on a new process would read: nothing from there may be
        trimmed."""


class Membership(Protocol):
    """Who decides which partitions this process works on."""

    async def join(self, share: Share) -> None:
        """Have `share` given its partitions from now on."""

    async def leave(self, share: Share, grace: float) -> None:
        """Have it released."""

    def signs(self) -> Mapping[str, Signs]:
        """Group -> what was last heard of it; empty where there are none."""

    async def failed(self) -> BaseException:
        """Wait until partitions can no longer be given or fed: the process has to end with this reason."""


@dataclass(frozen=True)
class Shared:
    """What a node needs on a log at which other processes work, too."""

    arrivals: Arrivals
    membership: Membership
    lease: Lease


class Alone:
    """One process has all partitions."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def join(self, share: Share) -> None:
        """Give it everything, at once."""
        await share.take(frozenset(self._all(share.topics)), 0)

    def _all(self, topics: Iterable[str]) -> Iterable[Place]:
        return ((topic, partition) for topic in topics for partition in range(self._broker.partitions(topic)))

    async def leave(self, share: Share, grace: float) -> None:
        """Release it."""
        await share.release(grace)

    def signs(self) -> Mapping[str, Signs]:
        """There are no groups."""
        return {}

    async def failed(self) -> BaseException:
        """Never."""
        await asyncio.Event().wait()
        raise AssertionError
