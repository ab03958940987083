"""Quix Streams: a dataframe that expands a record into its events."""

from importlib.metadata import version

from counting import Count, asked
from quixstreams import Application

given = asked()
count = Count()
app = Application(
    broker_address=given.servers,
    consumer_group=f"{given.topic}.quix",
    auto_offset_reset="earliest",
    auto_create_topics=False,
    loglevel=None,
)
source = app.topic(given.topic, key_deserializer="bytes", value_deserializer="bytes")
target = app.topic(given.out, key_serializer="bytes", value_serializer="bytes")


def take(value: bytes) -> list[tuple[bytes, bytes]]:
    events = count.take(value)
    if count.records == given.records:
        app.stop()  # its own count stops after so many results, not inputs
    return events


events = app.dataframe(source).apply(take, expand=True)
events.apply(lambda event: event[1]).to_topic(target, key=lambda value: value[:64])
app.run()
count.tell(version=version("quixstreams"))
