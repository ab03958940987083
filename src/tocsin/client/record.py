"""One record of an event topic, whichever client read it.

In: a record of aiokafka or kafka-python (attributes), a message of confluent-kafka (methods). Out: an `EventRecord`. It
is not decided here whether the record counts.
"""

from typing import Any

import msgspec

from tocsin.domain.events import Event
from tocsin.wire.events import decode, header, type_of
from tocsin.wire.record import Headers


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record with its place. (topic, partition, offset) never changes and is never used twice: store it with what you
    derive from the event, and a repetition after a crash of yours is recognised."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def type(self) -> str:
        """The event type without prefix and version, such as `incident.opened`; empty when the record is no event."""
        return type_of(self.headers)

    @property
    def id(self) -> str:
        """`ce_id`: unique together with `source`."""
        return self.header("ce_id")

    @property
    def source(self) -> str:
        """`ce_source`: `/<instance>/<journal>/<partition>`."""
        return self.header("ce_source")

    @property
    def subject(self) -> str:
        """`ce_subject`: the id of the incident, or the key of a settings document; empty when there is none."""
        return self.header("ce_subject")

    @property
    def time(self) -> str:
        """`ce_time`: when the event was recorded, RFC 3339 in UTC."""
        return self.header("ce_time")

    @property
    def cause(self) -> str:
        """`ce_causationid`: what brought the event about."""
        return self.header("ce_causationid")

    def header(self, name: str) -> str:
        """The first header of that name as text; empty when there is none."""
        return (header(self.headers, name) or b"").decode("utf-8", "replace")

    def document(self) -> Any:
        """The value as JSON has it; fields that hold their default are absent.

        Raises:
            msgspec.DecodeError: the value is no JSON.
        """
        return msgspec.json.decode(self.value or b"")

    def event(self) -> Event:
        """The value as the struct of its type (`tocsin.domain.events`), defaults filled in.

        Raises:
            Reject: the type is not known to this version of tocsin, or the value does not fit it.
        """
        return decode(self.headers, self.value)


def record_of(given: Any) -> EventRecord:
    """`given` as an `EventRecord`; values and headers have to be bytes, so no deserializer may be configured.

    Raises:
        TypeError: it has no topic, partition and offset, or the client has decoded its value.
    """
    if isinstance(given, EventRecord):
        return given
    try:
        key, value, headers = _get(given, "key"), _get(given, "value"), _get(given, "headers")
        topic, partition, offset = _get(given, "topic"), _get(given, "partition"), _get(given, "offset")
    except AttributeError as error:
        raise TypeError(f"{type(given).__name__} is no record of a Kafka client: {error}") from None
    if not isinstance(value, bytes | None):
        raise TypeError(f"the value is {type(value).__name__}, not bytes: leave out the consumer's deserializer")
    kept = tuple((name, text) for name, text in headers or () if isinstance(text, bytes))
    return EventRecord(topic=topic, partition=partition, offset=offset, key=key, value=value, headers=kept)


def _get(given: Any, name: str) -> Any:
    """A field of a record: an attribute, or what the method of that name returns."""
    found = getattr(given, name)
    return found() if callable(found) else found
