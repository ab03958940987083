"""For those who subscribe: reads tocsin's event topics so that only what counts comes out (PROTOCOL §1).

In: the records of any Kafka client, or a consumer of confluent-kafka, kafka-python or aiokafka. Out: `EventRecord`s. A
record of an event topic counts if and only if its `ce_sequence` is its own offset; nothing has to be remembered for
that, so a reader may start anywhere. Needs nothing but msgspec: no Kafka client is imported here, none of tocsin's
other dependencies is.
"""

from tocsin.client.reader import Events, ReadError, counted, counted_async
from tocsin.client.record import EventRecord
from tocsin.wire.events import counts

__all__ = ["EventRecord", "Events", "ReadError", "counted", "counted_async", "counts"]
