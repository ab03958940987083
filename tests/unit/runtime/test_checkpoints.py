"""Checkpoints over real logs: what a restart reads, what it passes over, and that it ends with the same state."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.pace import Pace
from tocsin.runtime.world import SourceLost
from tocsin.stage import Showing
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.derived import shown_wrong
from tocsin.testing.driver import Driver
from tocsin.topics import CHECKPOINTS, INCIDENTS, RAW, STATE
from tocsin.wire.checkpoint import Closing, decode_closing, encode_closing, key_of
from tocsin.wire.record import Draft, Record

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
PACE = Pace(records_min=10, part=0.0)


def document(name: str, service: str = "shop") -> bytes:
    return msgspec.json.encode(
        {"title": f"{name} down", "severity": "critical", "service": service, "labels": {"alertname": name}}
    )


async def live(driver: Driver, rounds: int, first: int = 0) -> None:
    """Some incidents: each round opens one and repeats the one before."""
    for n in range(first, first + rounds):
        for name in (n, max(0, n - 1)):
            await driver.publish(RAW.name, 0, [Draft(None, document(f"Disk{name}", f"db{name % 3}"))])
        await driver.advance(7)


async def turns(driver: Driver) -> None:
    """Long enough for what is written beside the work."""
    for _ in range(30):
        await driver.settle()


class Log:
    """A log in memory and a driver on it, to be started again and again."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.broker = MemoryBroker(self.clock)
        self.driver = Driver(self.broker, self.clock, pace=PACE)

    async def again(self) -> None:
        """Crash and start; every state must be the fold of its journal."""
        await self.driver.crash()
        await self.driver.start()
        for owner in self.driver.owners():
            assert await self.driver.folded(owner) == owner.state

    async def records(self) -> list[Record]:
        return list(await self.broker.read(CHECKPOINTS.name, 0, 0, records_max=100_000, bytes_max=1 << 30))

    async def closings(self, stage: str = "correlate") -> list[tuple[Record, Closing]]:
        ends = {key_of(stage, 0, slot, None) for slot in range(3)}
        return [(r, decode_closing(r.value)) for r in await self.records() if r.key in ends]

    def passed_over(self, stage: str = "correlate") -> float | None:
        """Passed over so far, by any reason."""
        value = 0.0
        for reason in ("damaged", "incomplete", "journal", "version"):
            found = self.driver.metrics.registry.get_sample_value(
                "tocsin_checkpoints_passed_over_total", {"stage": stage, "reason": reason}
            )
            value += found or 0.0
        return value


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    log = Log()
    await log.driver.start()
    await live(log.driver, 12)
    await turns(log.driver)
    yield log
    if log.driver.running:
        await log.driver.crash()


async def test_a_restart_reads_the_journal_after_the_newest_checkpoint_only(log: Log) -> None:
    await live(log.driver, 12, first=12)
    await turns(log.driver)
    _, newest = (await log.closings())[-1]
    begin, end = 0, await log.broker.end(INCIDENTS.name, 0)
    assert begin < newest.next <= end
    assert end - newest.next <= PACE.records_min + 3
    before = {owner.name: owner.state for owner in log.driver.owners()}
    await log.again()
    # What was trimmed cannot have been read: the checkpoint is all there is.
    await log.broker.trim(INCIDENTS.name, 0, newest.next)
    await log.driver.crash()
    await log.driver.start()
    for owner in log.driver.owners():
        assert owner.state == before[owner.name]
    assert log.passed_over() == 0


async def test_three_slots_hold_two_whole_checkpoints_while_a_third_is_written(log: Log) -> None:
    for n in range(1, 6):
        await live(log.driver, 12, first=12 * n)
        await turns(log.driver)
    generations = [closing.generation for _, closing in await log.closings()]
    assert generations == list(range(len(generations)))
    assert len(generations) >= 4
    await log.broker.retain(log.clock.now())
    assert sorted(closing.generation for _, closing in await log.closings()) == generations[-3:]
    await log.again()


async def test_generations_go_on_after_a_restart(log: Log) -> None:
    before = [closing.generation for _, closing in await log.closings()]
    await log.again()
    await live(log.driver, 12, first=12)
    await turns(log.driver)
    after = [closing.generation for _, closing in await log.closings()]
    assert after == list(range(len(after)))
    assert len(after) > len(before)


def flips(value: bytes) -> list[bytes]:
    """One bit of each class of bytes: the first, the last, and some between; and the value cut short or grown."""
    places = {0, 1, 15, 16, 17, len(value) // 3, len(value) // 2, len(value) - 2, len(value) - 1}
    changed = [bytes((*value[:at], value[at] ^ 0x10, *value[at + 1 :])) for at in sorted(places) if at < len(value)]
    return [*changed, value[:-1], value[: len(value) // 2], b"", value + b"\0"]


async def test_a_flipped_bit_anywhere_in_the_newest_checkpoint_is_found_and_the_one_before_is_taken(log: Log) -> None:
    await live(log.driver, 12, first=12)
    await turns(log.driver)
    record, newest = (await log.closings())[-1]
    chunks = [key_of("correlate", 0, newest.generation, n) for n in range(newest.chunks)]
    parts = [record, *(r for r in await log.records() if r.key in chunks and newest.first <= r.offset < record.offset)]
    assert len(parts) == newest.chunks + 1
    for part in parts:
        for value in flips(part.value or b""):
            log.broker.damage(CHECKPOINTS.name, 0, part._replace(value=value))
            before = log.passed_over() or 0
            await log.again()
            assert log.passed_over() == before + 1
        log.broker.damage(CHECKPOINTS.name, 0, part._replace(value=None))
        await log.again()
        log.broker.damage(CHECKPOINTS.name, 0, part._replace(key=b"another"))
        await log.again()
        log.broker.damage(CHECKPOINTS.name, 0, part)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"layout": 99}, 1),
        ({"format": 99}, 1),
        ({"incarnation": "another"}, 1),
        ({"fingerprint": "0" * 16}, 1),
        ({"next": 10_000_000}, 1),
        ({"entries": 1}, 1),
        ({"chunks": 99}, 1),
        ({"digest": b"0" * 16}, 1),
        ({"generation": 3_000}, 1),
        ({"written_at": START}, 0),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_does_not_fit_is_passed_over(log: Log, change: dict[str, Any], count: int) -> None:
    record, newest = (await log.closings())[-1]
    value = encode_closing(msgspec.structs.replace(newest, **change))
    log.broker.damage(CHECKPOINTS.name, 0, record._replace(value=value))
    await log.again()
    assert log.passed_over() == count


async def test_without_any_checkpoint_that_fits_the_journal_is_needed_from_its_beginning(log: Log) -> None:
    for record, _ in await log.closings():
        log.broker.damage(CHECKPOINTS.name, 0, record._replace(value=b"torn"))
    await log.broker.trim(INCIDENTS.name, 0, 3)
    await log.driver.crash()
    with pytest.raises(SourceLost, match="journal_trimmed"):
        await log.driver.start()


async def test_a_journal_made_anew_is_not_mixed_with_an_old_checkpoint(log: Log) -> None:
    await log.driver.crash()
    for topic in (INCIDENTS.name, "escalations.events.v1", "notifications.events.v1"):
        log.broker.recreate(topic)
    log.driver = Driver(log.broker, log.clock, pace=PACE)
    await log.driver.start()
    for owner in log.driver.owners():
        assert await log.driver.folded(owner) == owner.state
    assert log.passed_over() == len(await log.closings())


async def test_the_open_incidents_are_counted_after_a_restart_from_a_checkpoint(log: Log) -> None:
    def count() -> float | None:
        return log.driver.metrics.registry.get_sample_value("tocsin_incidents_open", {"severity": "critical"})

    before = count()
    assert before
    log.driver = Driver(log.broker, log.clock, pace=PACE)
    await log.driver.start()
    assert count() == before


# ---- on the embedded log ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", [CHECKPOINTS.name, STATE.name])
async def test_a_damaged_file_is_found_and_what_is_derived_is_made_again(tmp_path: Path, topic: str) -> None:
    path, clock = tmp_path / "log.sqlite3", VirtualClock(START)
    broker = EmbeddedBroker.open(path, clock=clock, instance="test")
    driver = Driver(broker, clock, pace=PACE)
    await driver.start()
    await live(driver, 14)
    await turns(driver)
    await driver.release()
    await broker.close()
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT b.place, b.payload FROM batch b JOIN partition p ON b.place >> 44 = p.id"
            " JOIN topic t ON t.id = p.topic WHERE t.name = ? ORDER BY b.place DESC LIMIT 5",
            (topic,),
        ).fetchall()
        for place, payload in rows:
            flipped = bytes((*payload[:20], payload[20] ^ 1, *payload[21:]))
            connection.execute("UPDATE batch SET payload = ? WHERE place = ?", (flipped, place))
    connection.close()
    broker = EmbeddedBroker.open(path, clock=clock, instance="test")
    driver = Driver(broker, clock, pace=PACE)
    await driver.start()
    for owner in driver.owners():
        assert await driver.folded(owner) == owner.state
    while await broker.retain(clock.now()):
        pass
    await live(driver, 14, first=14)
    await driver.advance(120)
    await turns(driver)
    owners = driver.owners()
    await driver.release()
    for owner in owners:
        if isinstance(owner.stage, Showing):
            assert await shown_wrong(broker, owner.stage, owner.state, 0) == []
    await broker.close()
