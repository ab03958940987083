"""Consumers written with the CloudEvents SDK decode what tocsin writes, every type of it."""

from datetime import datetime

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, from_kafka_event

from tocsin.domain import events as ev
from tocsin.wire import examples
from tocsin.wire.events import Encoded, encode, source_of, stamp


def message(encoded: Encoded) -> KafkaMessage:
    """The record as the SDK takes it: binary mode, headers, key, value."""
    headers = stamp(
        encoded,
        source=source_of("tocsin", "incidents.events.v1", 3),
        journal="incidents.events.v1",
        partition=3,
        offset=4117,
        claim=3970,
    )
    return KafkaMessage(headers=dict(headers), key=encoded.key, value=encoded.value)


@pytest.mark.parametrize("name", sorted(ev.BY_TYPE))
def test_the_sdk_reads_every_event(name: str) -> None:
    encoded = encode(examples.EVENTS[name])
    record = message(encoded)
    found = from_binary_event(record)
    assert found.get_specversion() == "1.0"
    assert found.get_type() == f"tocsin.{name}.v1"
    assert found.get_source() == "/tocsin/incidents.events.v1/3"
    assert found.get_id() == record.headers["ce_id"].decode()
    assert found.get_datacontenttype() == "application/json"
    assert found.get_time() == encoded.event.recorded_at
    assert isinstance(found.get_time(), datetime)
    assert found.get_subject() == (None if encoded.key is None else encoded.key.decode())
    assert found.get_extension("sequence") == "00000000000000004117"
    assert found.get_extension("causationid") == (encoded.event.cause or None)
    assert found.get_data() == msgspec.json.decode(encoded.value)


def test_the_sdk_tells_by_itself_that_it_is_binary_mode() -> None:
    found = from_kafka_event(message(encode(examples.EVENTS["incident.opened"])))
    assert found.get_type() == "tocsin.incident.opened.v1"
    assert found.get_data()["header"]["number"] == "INC-2026-11-21-007"
