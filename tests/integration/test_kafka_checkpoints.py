"""Checkpoints and public incidents on a real Kafka: a restart that has nothing else, and what a foreigner wrote."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from integration.kafka_log import connection
from kafka import topics as kafka_topics
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.pace import Pace
from tocsin.stage import Showing
from tocsin.testing.clock import VirtualClock
from tocsin.testing.derived import shown_wrong
from tocsin.testing.driver import Driver
from tocsin.topics import CHECKPOINTS, INCIDENTS, RAW, STATE
from tocsin.wire.checkpoint import decode_closing, key_of
from tocsin.wire.record import Draft

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
PACE = Pace(records_min=10, part=0.0)


@pytest.fixture
async def broker(kafka: str, prefix: str) -> AsyncIterator[KafkaBroker]:
    await kafka_topics.create(kafka, prefix, partitions=1, settings={"message.timestamp.type": "CreateTime"})
    broker = await KafkaBroker.open(connection(kafka, prefix), clock=VirtualClock(START))
    yield broker
    await broker.close()


async def live(driver: Driver, names: range) -> None:
    for n in names:
        value = {"title": f"disk {n}", "severity": "critical", "labels": {"alertname": f"Disk{n}"}, "service": "db"}
        await driver.publish(RAW.name, 0, [Draft(None, msgspec.json.encode(value))])
        await driver.advance(7)


async def closing(broker: KafkaBroker) -> int:
    """Up to where the newest checkpoint of correlate reaches."""
    ends = {key_of("correlate", 0, slot, None) for slot in range(3)}
    records = await broker.read(CHECKPOINTS.name, 0, 0, records_max=10_000)
    return max(decode_closing(record.value).next for record in records if record.key in ends)


async def test_a_restart_goes_on_from_a_checkpoint_and_the_public_incidents_are_what_they_are(
    broker: KafkaBroker,
) -> None:
    clock = VirtualClock(START)
    driver = Driver(broker, clock, pace=PACE)
    await driver.start()
    await live(driver, range(12))
    await driver.release()
    reached = await closing(broker)
    assert 0 < reached <= await broker.end(INCIDENTS.name, 0)
    # Nobody can have read what is gone: from here on the checkpoint is all there is.
    await broker.trim(INCIDENTS.name, 0, reached)
    await broker.append(STATE.name, 0, [Draft(b"inc_aanobody", b"{}")])
    driver = Driver(broker, clock, pace=PACE)
    await driver.start()
    assert len(driver.owners()[0].state.incidents) == 12
    await live(driver, range(10, 20))
    await driver.advance(90)
    owners = driver.owners()
    await driver.release()
    for owner in owners:
        if isinstance(owner.stage, Showing):
            assert len(owner.state.incidents) == 20
            assert await shown_wrong(broker, owner.stage, owner.state, 0) == []
