"""A record that the Kafka client cannot take apart stops nobody: it is read from the log, and delivery goes on.

Anybody who may publish can write a header name that is no UTF-8; aiokafka raises for the whole batch, again and again.
"""

import asyncio
import json
import struct
from collections.abc import Sequence

import pytest
from aiokafka.record.util import calc_crc32c

from integration.kafka_node import running
from kafka import topics
from tocsin.runtime.kafka import producer
from tocsin.runtime.kafka.batch import Identity, encode
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.topics import INCIDENTS, RAW
from tocsin.wire.record import Draft

pytestmark = pytest.mark.integration

CHECKED_FROM = 21
"""A batch's checksum covers what follows it (Apache Kafka's documentation, "Record Batch")."""


def spoiled(drafts: Sequence[Draft], timestamp: int, identity: Identity, sequence: int, *_: object) -> bytearray:
    """A batch as `encode` makes it, with a header name that is no UTF-8 instead of `h-name`."""
    written = bytes(encode(drafts, timestamp, identity, sequence))
    batch = bytearray(written.replace(b"h-name", b"\xff\xfe\xff\xfe\xff\xfe"))
    struct.pack_into(">I", batch, CHECKED_FROM - 4, calc_crc32c(bytes(batch[CHECKED_FROM:])))
    return batch


def alert(title: str, *headers: tuple[str, bytes]) -> Draft:
    return Draft(None, json.dumps([{"title": title, "service": title}]).encode(), headers)


async def titles(broker: KafkaBroker, count: int) -> list[str]:
    """Of the incidents that were opened, once there are `count`."""
    found: list[str] = []
    offset = 0
    async with asyncio.timeout(30):
        while len(found) < count:
            await broker.wait({(INCIDENTS.name, 0): offset}, 5)
            for record in await broker.read(INCIDENTS.name, 0, offset):
                offset = record.offset + 1
                if b"incident.opened" in (record.header("ce_type") or b""):
                    found.append(json.loads(record.value or b"")["header"]["title"])
    return found


async def test_a_header_that_is_no_utf_8_stops_nobody(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await topics.create(kafka, prefix)
    async with running(kafka, prefix) as (node, _, broker):
        expected = []
        for turn in range(3):
            await broker.append(RAW.name, 0, [alert(f"before {turn}")])
            with monkeypatch.context() as patch:
                patch.setattr(producer, "encode", spoiled)
                await broker.append(RAW.name, 0, [alert(f"first {turn}"), alert(f"spoiled {turn}", ("h-name", b"x"))])
            await broker.append(RAW.name, 0, [alert(f"after {turn}")])
            expected += [f"{word} {turn}" for word in ("before", "first", "spoiled", "after")]
            assert await titles(broker, len(expected)) == expected
        assert node.health().problems == []
