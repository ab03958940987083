"""Records that nobody can use, straight from producers: quarantined with reason and place, their neighbours unharmed.

Some three hundred of them lie between good alerts, in batches of every compression, with headers and keys of nobody's
making, and between the marks that a producer's transactions leave.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from integration.kafka_chaos import Load, under_load
from integration.kafka_judging import read_log, told
from integration.kafka_running import RAW, Installation
from integration.running import Sink
from tocsin.testing.lines import INCIDENTS, REJECTED, read_line
from unit.ingest.poison import NO_DOCUMENT, NO_FORMAT, truncated

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
HEADERS: tuple[tuple[tuple[str, bytes], ...], ...] = (
    (),
    (("tocsin_format", b"nobody's"),),
    (("tocsin_format", b"\xff\xfe"),),
    (("content-type", b"application/cloudevents+json; charset=\xff"),),
    (("content-type", b"application/x-protobuf"), ("", b""), ("\N{SNOWMAN}" * 100, b"\0")),
    (("tocsin_position", b'{"sources": {}}'), ("ce_sequence", b"0" * 20), ("ce_type", b"tocsin.incident.opened.v1")),
    (("tocsin_error_reason", b"bad_json"), ("tocsin_error_source", b"alerts.raw.v1/0")),
    tuple((f"h{n}", b"x" * 50) for n in range(200)),
)
FIRST_GOOD = 1000


def good(n: int) -> bytes:
    """A native alert that no other resembles."""
    return json.dumps({"title": f"good {n}", "labels": {"alertname": f"good-{n}", "n": str(n)}}).encode()


def poison() -> Iterator[bytes | None]:
    """Everything that is no alert."""
    yield None
    yield from NO_DOCUMENT.values()
    yield from NO_FORMAT.values()
    yield from (value for _, value in truncated())
    yield b"[" * 1_000_000
    yield b'{"title": "' + b"x" * 4_900_000


async def produce(kafka: str, topic: str, partitions: int, chance: random.Random) -> tuple[set[str], set[str]]:
    """Good and bad in turns, as batches of each codec; returns the places of the good and of the bad."""
    bad, goods, number = set[str](), set[str](), iter(range(FIRST_GOOD, 10**6))
    values = list(poison())
    for codec in CODECS:
        async with AIOKafkaProducer(
            bootstrap_servers=kafka,
            compression_type=codec,
            linger_ms=20,
            max_request_size=6_000_000,
            request_timeout_ms=120_000,  # megabytes through a broker that shares two processors with everything else
        ) as producer:
            sent = []
            for value in values[CODECS.index(codec) :: len(CODECS)]:
                place = chance.randrange(partitions)
                # No producer here sends a record with neither key nor value.
                key = chance.choice([None, b"", b"\xff" * 20] if value is not None else [b"", b"\xff" * 20])
                # A mark of a format says what a value is; without one it is found out. Both must be survived.
                headers = list(chance.choice(HEADERS))
                sent.append((bad, await producer.send(topic, value, key, place, headers=headers)))
                sent.append((goods, await producer.send(topic, good(next(number)), key, place)))
            for places, written in sent:
                done = await written
                places.add(f"{RAW}/{done.partition}/{done.offset}")
    return goods, bad


async def transactions(kafka: str, prefix: str, partitions: int) -> None:
    """A producer that commits some and aborts some: marks in the log, holes for who counts offsets."""
    number = iter(range(500))
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}bank") as producer:
        for n in range(12):
            await producer.begin_transaction()
            for partition in range(partitions):
                await producer.send(prefix + RAW, good(next(number)), partition=partition)
            await (producer.abort_transaction() if n % 3 == 2 else producer.commit_transaction())


async def test_poison_from_producers(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=1) as installation:
        topic, partitions = prefix + RAW, installation.partitions
        async with under_load(installation, sink, chance, Load(http=20.0, direct=5.0), holes=(RAW,)) as outcome:
            await transactions(kafka, prefix, partitions)
            goods, bad = await produce(kafka, topic, partitions, chance)
            async with AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=11_000_000) as producer:
                with pytest.raises(MessageSizeTooLargeError):
                    await producer.send_and_wait(topic, b'{"title": "' + b"x" * 10_000_000 + b'"}')
            await transactions(kafka, prefix, partitions)
        print(seed, outcome.summary())
        log = [read_line(line) for line in await read_log(installation)]
    assert not outcome.problems, told(outcome.problems)
    assert len(bad) > 200
    rejected = [line.headers for line in log if line.topic == REJECTED]
    by_record = {_record(one): one for one in rejected}
    assert not bad - by_record.keys(), "bad, and not quarantined"
    assert not goods & by_record.keys(), "good, and quarantined"
    assert all(one["tocsin_error_reason"] and one["tocsin_error_message"] for one in rejected)
    assert all(one["tocsin_error_stage"] == "ingest" for one in rejected)
    attached = {line.value["alert"]["raw"] for line in log if line.topic == INCIDENTS and line.value.get("alert")}
    assert {f"{place}/0" for place in goods} <= attached, "good, and in no incident"


def _record(headers: dict[str, str]) -> str:
    """The raw record that a reject is about, whole or one of its items."""
    source, position = headers["tocsin_error_source"], headers["tocsin_error_position"]
    return f"{source}/{position.partition('/')[0]}"
