"""The file: what it refuses, what it notices, and what it does when there is no room."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.runtime.broker import Broken, Draft, Unavailable
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker, LockedError
from tocsin.testing.clock import VirtualClock
from tocsin.topics import INCIDENTS, RAW

JOURNAL = INCIDENTS.name
Open = Callable[..., EmbeddedBroker]


def edit(path: Path, statement: str, *values: object) -> None:
    """Change the closed file behind our back."""
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement, values).rowcount != 0
    connection.close()


def content(path: Path) -> bytes:
    return path.read_bytes()


def replace(path: Path, by: bytes) -> None:
    path.write_bytes(by)


def flip(path: Path, pattern: bytes) -> None:
    """Flip one bit in the middle of the only place where `pattern` lies in the file."""
    found = bytearray(content(path))
    assert found.count(pattern) == 1
    found[found.index(pattern) + len(pattern) // 2] ^= 0x10
    replace(path, bytes(found))


# Opening


async def test_the_log_is_readable_by_its_owner_only(open_log: Open, path: Path) -> None:
    broker = open_log()
    await broker.append(JOURNAL, 0, [Draft(b"k", b"v")])
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_second_opener_is_told_who_holds_the_log(open_log: Open, path: Path, clock: VirtualClock) -> None:
    broker = open_log()
    with pytest.raises(LockedError, match=rf"held by another process: {os.getpid()} .* first 2026-11-21T03:00"):
        EmbeddedBroker.open(path, clock=clock, instance="second")
    await broker.close()
    open_log()


async def test_a_refused_opener_leaves_the_lock_free(open_log: Open, path: Path) -> None:
    await open_log(partitions=2).close()
    for _ in range(2):
        with pytest.raises(ValueError, match="partitions"):
            open_log(partitions=3)
    open_log(partitions=2)


async def test_another_partition_count_is_refused_and_both_are_named(open_log: Open) -> None:
    await open_log(partitions=2).close()
    with pytest.raises(ValueError, match=r"alerts\.raw\.v1 has 2 partitions, not 4"):
        open_log(partitions=4)


@pytest.mark.parametrize("partitions", [0, -1])
def test_there_is_at_least_one_partition(path: Path, clock: VirtualClock, partitions: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        EmbeddedBroker.open(path, clock=clock, instance="i", partitions=partitions)


async def test_a_log_of_a_newer_tocsin_is_refused(open_log: Open, path: Path) -> None:
    await open_log().close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ValueError, match="schema version 99, written by a newer tocsin"):
        open_log()


async def test_another_database_is_refused_and_left_as_it_is(open_log: Open, path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (id)")
    connection.close()
    before = content(path)
    with pytest.raises(ValueError, match="not a log of tocsin"):
        open_log()
    assert content(path) == before


async def test_what_is_no_database_is_broken(open_log: Open, path: Path) -> None:
    path.parent.mkdir()
    replace(path, b"these are words, not pages" * 100)
    with pytest.raises(Broken, match="not a database"):
        open_log()


async def test_a_new_topic_is_made_in_an_old_log_and_a_dropped_one_keeps_its_records(open_log: Open) -> None:
    broker = open_log(topics={JOURNAL: INCIDENTS})
    await broker.append(JOURNAL, 0, [Draft(b"k", b"old")])
    incarnation = await broker.incarnation(JOURNAL)
    await broker.close()
    broker = open_log(topics={RAW.name: RAW})
    assert await broker.end(RAW.name, 0) == 0
    with pytest.raises(LookupError, match=JOURNAL):
        await broker.end(JOURNAL, 0)
    await broker.close()
    broker = open_log(topics={RAW.name: RAW, JOURNAL: INCIDENTS})
    assert [record.value for record in await broker.read(JOURNAL, 0, 0)] == [b"old"]
    assert await broker.incarnation(JOURNAL) == incarnation


# Damage


async def test_a_flipped_bit_is_noticed_at_the_read_and_named(open_log: Open, path: Path) -> None:
    broker = open_log()
    await broker.append(JOURNAL, 0, [Draft(b"k", b"first" * 20)])
    await broker.append(JOURNAL, 0, [Draft(b"k", b"second" * 20), Draft(b"k", b"third")])
    await broker.close()
    flip(path, b"second" * 20)
    broker = open_log()
    with pytest.raises(Broken, match=rf"{JOURNAL}/0, offset 1 to 2: the checksum does not fit"):
        await broker.read(JOURNAL, 0, 0)
    assert [record.value for record in await broker.read(JOURNAL, 0, 0, records_max=1)] == [b"first" * 20]


@pytest.mark.parametrize(
    "change",
    [
        "timestamp = timestamp + 1",
        "place = place + 5",
        "count = 1, place = place + 1",
        "payload = x'90'",
        "checksum = x'00'",
    ],
)
async def test_a_changed_row_is_noticed(open_log: Open, path: Path, change: str) -> None:
    broker = open_log()
    await broker.append(JOURNAL, 0, [Draft(b"k", b"first"), Draft(b"k", b"second")])
    await broker.append(JOURNAL, 0, [Draft(b"k", b"x")] * 9)
    await broker.close()
    edit(path, f"UPDATE batch SET {change} WHERE count = 2")  # noqa: S608 - one of the lines above
    with pytest.raises(Broken, match=JOURNAL):
        await open_log().read(JOURNAL, 0, 0)


async def test_a_missing_row_is_noticed(open_log: Open, path: Path) -> None:
    broker = open_log()
    for n in range(5):
        await broker.append(JOURNAL, 0, [Draft(None, b"%d" % n)])
    await broker.close()
    edit(path, "DELETE FROM batch WHERE instr(payload, ?)", b"2")
    broker = open_log()
    with pytest.raises(Broken, match="record 2 is missing"):
        await broker.read(JOURNAL, 0, 0)
    with pytest.raises(Broken, match="record 2 is missing"):
        await broker.read(JOURNAL, 0, 2)
    assert len(await broker.read(JOURNAL, 0, 3)) == 2


async def test_a_lost_end_is_noticed_when_the_log_is_opened(open_log: Open, path: Path) -> None:
    broker = open_log()
    for n in range(5):
        await broker.append(JOURNAL, 0, [Draft(None, b"%d" % n)])
    await broker.close()
    edit(path, "DELETE FROM batch WHERE place IN (SELECT max(place) FROM batch)")
    with pytest.raises(Broken, match=rf"{JOURNAL}/0 must end at 5, but its records end at 4"):
        open_log()


# No room


async def test_without_room_appends_are_unavailable_until_there_is_room(open_log: Open) -> None:
    broker = open_log()
    await broker.append(JOURNAL, 0, [Draft(None, b"." * 100_000)])
    await broker.limit(400_000)
    kept = 1
    full = ""
    while not full:
        try:
            kept = 1 + await broker.append(JOURNAL, 0, [Draft(None, b"." * 100_000)], expected=kept)
        except Unavailable as error:
            full = str(error)
    assert "SQLITE_FULL" in full
    assert await broker.end(JOURNAL, 0) == kept
    outcomes = await asyncio.gather(
        *(broker.append(JOURNAL, 0, [Draft(None, b"." * 100_000)] * 2) for _ in range(5)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len(await broker.read(JOURNAL, 0, 0)) == kept
    await broker.limit(100_000_000)
    assert await broker.append(JOURNAL, 0, [Draft(None, b"." * 100_000)], expected=kept) == kept
    await broker.close()
    assert await open_log().end(JOURNAL, 0) == kept + 1


async def test_what_is_trimmed_makes_room(open_log: Open) -> None:
    broker = open_log()
    await broker.limit(1_000_000)
    for n in range(40):
        await broker.append(JOURNAL, 0, [Draft(None, b"." * 100_000)], expected=n)
        await broker.trim(JOURNAL, 0, n)


async def test_after_an_error_of_the_disk_the_log_refuses_everything(path: Path) -> None:
    """A file size limit makes the write fail otherwise than by a full disk, in a process of its own."""
    script = f"""
import asyncio, pathlib, resource
from tocsin.runtime.broker import Broken, Draft
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker

async def main():
    broker = EmbeddedBroker.open(pathlib.Path({str(path)!r}), clock=SystemClock(), instance="i")
    await broker.append({JOURNAL!r}, 0, [Draft(None, b"kept")])
    waiting = asyncio.create_task(broker.wait({{({JOURNAL!r}, 0): 99}}, 3600))
    await asyncio.sleep(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    outcomes = await asyncio.gather(
        *(broker.append({JOURNAL!r}, 0, [Draft(None, b"." * 400_000)]) for _ in range(5)), waiting,
        return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert {{type(outcome) for outcome in outcomes}} == {{Broken}}, outcomes
    for call in (broker.append({JOURNAL!r}, 0, [Draft(None, b"a")]), broker.read({JOURNAL!r}, 0, 0)):
        try:
            await call
        except Broken as error:
            print(error)
    await broker.close()

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("disk I/O error (SQLITE_IOERR_WRITE)" in line for line in lines)
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="next")
    assert [record.value for record in await broker.read(JOURNAL, 0, 0)] == [b"kept"]
    await broker.close()
