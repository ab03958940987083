"""Compaction of the embedded log: what it costs, what it leaves in the file, and what damage does to it."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tocsin.runtime.broker import Draft
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.testing.clock import VirtualClock
from tocsin.topics import CHECKPOINTS, STATE

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def opened(path: Path) -> EmbeddedBroker:
    return EmbeddedBroker.open(path, clock=VirtualClock(START), instance="test")


async def fill(broker: EmbeddedBroker, rounds: int, keys: int) -> None:
    for n in range(rounds):
        for key in range(keys):
            await broker.append(STATE.name, 0, [Draft(b"%d" % key, b"%d" % n + b"." * 500)])


async def compact(broker: EmbeddedBroker) -> int:
    changed = 0
    while now := await broker.retain(START):
        changed += now
    return changed


def rows(path: Path) -> list[tuple[int, int]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count, length(payload) FROM batch ORDER BY place").fetchall()


async def test_what_is_superseded_leaves_one_mark_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    broker = opened(path)
    await fill(broker, 100, 10)
    await compact(broker)
    await broker.close()
    left = rows(path)
    assert sum(count for count, _ in left) == 1000
    assert 11 <= len(left) <= 11 + 1000 // 200
    assert sum(size for _, size in left) < 10 * 600


async def test_marks_of_several_walks_become_one(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    broker = opened(path)
    for _ in range(5):
        await fill(broker, 30, 10)
        await compact(broker)
    await broker.close()
    assert len(rows(path)) <= 10 + 3


async def test_a_walk_waits_until_it_pays(tmp_path: Path) -> None:
    broker = opened(tmp_path / "log.sqlite3")
    await fill(broker, 2, 100)
    assert await compact(broker)
    await fill(broker, 1, 10)
    assert not await compact(broker)
    await fill(broker, 1, 20)
    assert await compact(broker)
    await broker.close()


@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 1.0])
async def test_a_damaged_row_of_a_derived_topic_drops_that_topic_and_nothing_else(
    tmp_path: Path, where: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.sqlite3"
    broker = opened(path)
    await broker.append(CHECKPOINTS.name, 0, [Draft(b"chunk", b"kept")])
    await fill(broker, 1, 20)
    await broker.close()
    with sqlite3.connect(path) as connection:
        (place, payload) = connection.execute(
            "SELECT b.place, b.payload FROM batch b WHERE length(b.payload) > 500 ORDER BY place LIMIT 1 OFFSET ?",
            (int(where * 19),),
        ).fetchone()
        flipped = bytes([*payload[:100], payload[100] ^ 4, *payload[101:]])
        connection.execute("UPDATE batch SET payload = ? WHERE place = ?", (flipped, place))
    connection.close()
    broker = opened(path)
    assert await compact(broker)
    assert (await broker.begin(STATE.name, 0), await broker.end(STATE.name, 0)) == (20, 20)
    assert [record.value for record in await broker.read(CHECKPOINTS.name, 0, 0)] == [b"kept"]
    assert "the checksum does not fit" in caplog.text
    assert await broker.append(STATE.name, 0, [Draft(b"1", b"again")]) == 20
    await broker.close()
