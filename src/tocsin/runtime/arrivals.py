"""Where a reader that goes through a source record by record gets its records from.

On the embedded log it asks the log (`Polled`); on Kafka the records are brought by the agents of a consumer group
(`runtime/kafka/inbox.py`). Whoever has to read up to a certain place reads the broker itself: nothing here promises
that everything in the log has arrived.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.runtime.broker import Broker, Record

__all__ = ["Arrivals", "Place", "Polled"]

Place = tuple[str, int]
"""Topic and partition."""


class Arrivals(Protocol):
    """What has arrived. Both calls may raise `Unavailable` and `Broken`."""

    async def pull(
        self, reader: str, topic: str, partition: int, offset: int, *, records_max: int, bytes_max: int
    ) -> Sequence[Record]:
        """Records from `offset` on, in order, without a hole, as far as they have arrived. To ask for `offset` says
        that `reader` is done with everything below it."""

    async def wait(self, share: str, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Return as soon as something from one of the given offsets on has arrived for `share`, at the latest after
        `timeout` seconds."""


class Polled:
    """Everything in the log has arrived."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def pull(
        self, reader: str, topic: str, partition: int, offset: int, *, records_max: int, bytes_max: int
    ) -> Sequence[Record]:
        """Read the log."""
        return await self._broker.read(topic, partition, offset, records_max=records_max, bytes_max=bytes_max)

    async def wait(self, share: str, beyond: Mapping[Place, int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Wait for the log."""
        await self._broker.wait(beyond, timeout)
