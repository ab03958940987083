"""A log as `topics export` writes it, for the checker.

In: a broker. Out: one JSON-ready line for each record.
"""

from base64 import b64encode
from typing import Any

from tocsin.runtime.broker import Broker
from tocsin.topics import TOPICS, Kind
from tocsin.wire.record import Record

__all__ = ["export"]


async def export(broker: Broker) -> list[dict[str, Any]]:
    """Every record of every topic that holds history, as `topics export` writes it; derived ones say nothing more."""
    lines = []
    for topic in [name for name, topic in TOPICS.items() if topic.kind is not Kind.DERIVED]:
        for partition in range(broker.partitions(topic)):
            offset = await broker.begin(topic, partition)
            while records := await broker.read(topic, partition, offset):
                lines += [_line(topic, partition, record) for record in records]
                offset = records[-1].offset + 1
    return lines


def _line(topic: str, partition: int, record: Record) -> dict[str, Any]:
    line: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "headers": {name: value.decode("utf-8", "replace") for name, value in record.headers},
    }
    try:
        return line | {"value": None if record.value is None else record.value.decode()}
    except UnicodeDecodeError:
        return line | {"value_base64": b64encode(record.value or b"").decode()}
