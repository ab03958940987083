"""The rule applied to a stream of records: what counts comes out, in the order in which it came in.

In: records, or a consumer that gives them. Out: `EventRecord`s that count. It commits no offsets and seeks nowhere: how
far somebody has read is theirs. It knows no client library; consumers are told apart by what they can do.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Final, Protocol

from tocsin.client.record import EventRecord, record_of
from tocsin.domain.errors import TocsinError
from tocsin.wire.events import counts

END_OF_PARTITION: Final = -191
"""confluent-kafka's code for "there is nothing more now", which is no error."""


class ReadError(TocsinError):
    """The consumer says that it cannot read; the message is its own."""


class Polled(Protocol):
    """A consumer as confluent-kafka has it."""

    def poll(self, timeout: float) -> Any: ...


class Events:
    """Picks what counts and counts the rest."""

    def __init__(self) -> None:
        self.passed = 0
        """Records that counted."""
        self.dropped = 0
        """Records that did not. A handful after a rebalance is normal; all of them means that this is a copy of the
        topic under other offsets, such as a mirror: read the original."""

    def of(self, given: Any) -> EventRecord | None:
        """The record if it counts, else None.

        Raises:
            TypeError: it is no record of a Kafka client.
        """
        record = record_of(given)
        if counts(record.headers, record.offset):
            self.passed += 1
            return record
        self.dropped += 1
        return None


def counted(
    consumer: Iterable[Any] | Polled, *, events: Events | None = None, timeout: float = 1.0, forever: bool = True
) -> Iterator[EventRecord]:
    """The events that count, from records or from a subscribed consumer of confluent-kafka or kafka-python.

    Args:
        events: keeps the figures; by default nobody does.
        timeout: seconds of one `poll` of a consumer that has it.
        forever: False = end when a `poll` of `timeout` seconds brings nothing.

    Raises:
        ReadError: the consumer reported an error.
        TypeError: it is asynchronous, or what it gives are no records.
    """
    if isinstance(consumer, AsyncIterable):
        raise TypeError(f"{type(consumer).__name__} is asynchronous: use counted_async")
    chosen = events or Events()
    for record in consumer if isinstance(consumer, Iterable) else _polled(consumer, timeout, forever):
        found = chosen.of(record)
        if found is not None:
            yield found


async def counted_async(consumer: AsyncIterable[Any], *, events: Events | None = None) -> AsyncIterator[EventRecord]:
    """The events that count, from a started consumer of aiokafka or anything else that gives its records.

    Raises:
        TypeError: what it gives are no records.
    """
    chosen = events or Events()
    async for record in consumer:
        found = chosen.of(record)
        if found is not None:
            yield found


def _polled(consumer: Polled, timeout: float, forever: bool) -> Iterator[Any]:
    while True:
        message = consumer.poll(timeout)
        if message is None:
            if not forever:
                return
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() != END_OF_PARTITION:
            raise ReadError(str(error))
