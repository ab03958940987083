"""The embedded log under kill -9 and on a full disk, in processes of their own.

The child appends batches (expected offsets on the journal, none on the shared topic), commits positions and
trims, and tells what was acknowledged. After each kill the parent opens the log and looks for all of it.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.runtime.broker import Record
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker, LockedError
from tocsin.topics import INCIDENTS, RAW

pytestmark = pytest.mark.integration

KILLS = 25
ACKNOWLEDGED_MAX = 60
"""Lines after which the child is killed at the latest."""

CHILD = """
import asyncio, json, os, pathlib, random, sys
from tocsin.runtime.broker import Draft
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker

path, seed, journal, shared = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
chance = random.Random(seed)

def say(**words):
    os.write(1, json.dumps(words).encode() + b"\\n")

async def append(broker, topic, name, cas):
    n = 0
    while True:
        n += 1
        count = chance.randint(1, 20)
        batch = f"{seed}.{name}.{n}"
        drafts = [Draft(b"k", json.dumps([batch, i, count]).encode() + b" " * chance.choice((0, 50, 5000)))
                  for i in range(count)]
        expected = await broker.end(topic, 0) if cas else None
        first = await broker.append(topic, 0, drafts, expected)
        say(topic=topic, first=first, batch=batch, count=count)
        if not cas and n % 5 == 0:
            before = max(0, first - chance.randint(0, 300))
            await broker.trim(topic, 0, before)
            say(trimmed=before)
        if not cas:
            await broker.commit("group", {(topic, 0): (first, batch)})
            say(committed=batch)

async def main():
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="child")
    say(pid=os.getpid())
    await asyncio.gather(append(broker, journal, "a", True), append(broker, shared, "b", False),
                         append(broker, shared, "c", False))

asyncio.run(main())
"""


class Told:
    """What the children said was acknowledged."""

    def __init__(self) -> None:
        self.appended: dict[str, list[tuple[int, str, int]]] = {INCIDENTS.name: [], RAW.name: []}
        self.trimmed = 0
        self.committed: list[str] = []

    def hear(self, line: str) -> None:
        said = json.loads(line)
        if "topic" in said:
            self.appended[said["topic"]].append((said["first"], said["batch"], said["count"]))
        self.trimmed = max(self.trimmed, said.get("trimmed", 0))
        if "committed" in said:
            self.committed.append(said["committed"])


def run_and_kill(path: Path, chance: random.Random, run: int, told: Told) -> None:
    """Start a child, kill it at a random moment, and hear everything that it said."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), f"{run}", INCIDENTS.name, RAW.name],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines = 0
    if run % 5:  # each fifth is killed while it opens the log, or soon after
        for line in child.stdout:
            lines += 1
            if lines == 1:
                with pytest.raises(LockedError, match=f"{child.pid} .* child "):
                    EmbeddedBroker.open(path, clock=SystemClock(), instance="parent")
            else:
                told.hear(line)
            if lines >= chance.randint(1, ACKNOWLEDGED_MAX):
                break
    moment = chance.uniform(0, 0.3 if lines == 0 else 0.02)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=moment)
    os.kill(child.pid, signal.SIGKILL)
    for line in child.stdout:
        if line.endswith("\n") and '"pid"' not in line:
            told.hear(line)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()


async def all_of(broker: EmbeddedBroker, topic: str) -> list[Record]:
    found: list[Record] = []
    offset = await broker.begin(topic, 0)
    while records := await broker.read(topic, 0, offset):
        found += records
        offset = records[-1].offset + 1
    return found


def batches(records: list[Record], begin: int) -> Iterator[tuple[int, str, int]]:
    """(first offset, name, count) of the batches; each must be whole, but the first may be trimmed."""
    at = 0
    while at < len(records):
        name, index, count = json.loads(records[at].value or b"")
        first = records[at].offset - index
        assert index == 0 or first < begin, f"{name} begins with its record {index}"
        rest = [json.loads(record.value or b"") for record in records[at : at + count - index]]
        assert rest == [[name, i, count] for i in range(index, count)], f"{name} is not whole"
        yield first, name, count
        at += count - index


async def check(path: Path, told: Told) -> None:
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="parent")
    for topic, appended in told.appended.items():
        begin, end = await broker.begin(topic, 0), await broker.end(topic, 0)
        records = await all_of(broker, topic)
        assert [record.offset for record in records] == list(range(begin, end))
        assert [r.timestamp for r in records] == sorted(r.timestamp for r in records)
        found = set(batches(records, begin))
        lost = [batch for batch in appended if batch[0] + batch[2] > begin and batch not in found]
        assert lost == [], f"{topic}: acknowledged and not there"
    assert await broker.begin(RAW.name, 0) >= told.trimmed
    assert await broker.begin(INCIDENTS.name, 0) == 0
    if told.committed:
        position = await broker.committed("group", RAW.name, 0)
        # The last one that was acknowledged, or one after it whose acknowledgement was cut off.
        assert position is not None
        assert position[1] not in told.committed[:-1]
    await broker.close()


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path, seed: int) -> None:
    chance, told = random.Random(seed), Told()
    path = tmp_path / "log.sqlite3"
    for run in range(KILLS):
        run_and_kill(path, chance, run, told)
        await check(path, told)
    assert all(len(appended) > KILLS for appended in told.appended.values()), "too little happened"
    assert told.trimmed > 0
    assert told.committed


FULL_DISK = """
import asyncio, json, pathlib, sys
from tocsin.runtime.broker import Draft, Unavailable
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker

directory, topic = pathlib.Path(sys.argv[1]), sys.argv[2]
path, ballast = directory / "log.sqlite3", directory / "ballast"

def drafts(n):
    return [Draft(b"%d" % n, b"." * 20_000)] * 3

async def fill(broker):
    n = await broker.end(topic, 0)
    while True:
        try:
            n = 3 + await broker.append(topic, 0, drafts(n), n)
        except Unavailable as error:
            return n, str(error)

async def main():
    ballast.write_bytes(b"." * 2_000_000)
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="i")
    end, error = await fill(broker)
    for _ in range(3):
        outcomes = await asyncio.gather(*(broker.append(topic, 0, drafts(0)) for _ in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}, outcomes
    assert await broker.end(topic, 0) == end
    ballast.unlink()
    later, _ = await fill(broker)
    await broker.close()
    broker = EmbeddedBroker.open(path, clock=SystemClock(), instance="i")
    read = 0
    while records := await broker.read(topic, 0, read):
        assert [record.offset for record in records] == list(range(read, read + len(records)))
        read += len(records)
    await broker.close()
    print(json.dumps({"end": end, "error": error, "later": later, "read": read}))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small tmpfs, as root on Linux")
def test_on_a_full_disk_appends_wait_for_room_and_nothing_is_lost(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=6m tmpfs {tmp_path} && exec {sys.executable} -c "$1" {tmp_path} {RAW.name}'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", FULL_DISK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "SQLITE_FULL" in told["error"]
    assert 0 < told["end"] < told["later"] == told["read"]
