"""How fast the embedded log appends, beside a bare SQLite commit and a bare fdatasync on the same disk.

Run: python tests/benchmarks/broker_append.py [--smoke] [directory]. It prints JSON: microseconds at p50 and p99 of one
append at a time, and rows/s of 8 callers with 100 records each; median of three runs after a warm-up, with the
lowest and the highest. One record is about 0.9 KB. In each run it reads everything back and compares.
"""

import asyncio
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from asking import asked, options

from tocsin.runtime.broker import Draft
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.topics import RAW

SINGLE = 500
CALLERS = 8
BATCHES = 25
BATCH = 100
RUNS = 3

RECORD = Draft(b"key", b"v" * 700, tuple((f"header-{n}", b"." * 14) for n in range(8)))
Figures = dict[str, float]


def microseconds(durations: list[float]) -> Figures:
    cuts = statistics.quantiles(durations, n=100)
    return {"p50_us": cuts[49] * 1e6, "p99_us": cuts[98] * 1e6}


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


async def embedded(directory: Path) -> Figures:
    broker = EmbeddedBroker.open(directory / "log.sqlite3", clock=SystemClock(), instance="benchmark")
    durations = []
    for _ in range(SINGLE):
        start = time.perf_counter()
        await broker.append(RAW.name, 0, [RECORD])
        durations.append(time.perf_counter() - start)

    async def caller() -> None:
        for _ in range(BATCHES):
            await broker.append(RAW.name, 0, [RECORD] * BATCH)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    rows = CALLERS * BATCHES * BATCH
    await broker.close()
    await check(directory, SINGLE + rows)
    return {**microseconds(durations), "rows_per_s": rows / elapsed, "cpu_us_per_row": cpu / rows * 1e6}


async def check(directory: Path, rows: int) -> None:
    """All that was appended is there, in order, and is what was appended."""
    broker = EmbeddedBroker.open(directory / "log.sqlite3", clock=SystemClock(), instance="check")
    offset = 0
    while records := await broker.read(RAW.name, 0, offset):
        assert all(record.offset == offset + n for n, record in enumerate(records))
        assert all(record[2:] == tuple(RECORD) for record in records)
        offset += len(records)
    assert offset == rows, f"{offset} of {rows} records are there"
    await broker.close()


def raw_sqlite(directory: Path) -> Figures:
    """The peer: one thread, one connection, nothing but the insert and the commit."""
    connection = sqlite3.connect(directory / "raw.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE record (place INTEGER PRIMARY KEY, value BLOB)")
    value = b"v" * RECORD.size
    insert = "INSERT INTO record (value) VALUES (?)"

    def commit(count: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, [(value,)] * count)
        connection.execute("COMMIT")

    durations = [timed(lambda: commit(1)) for _ in range(SINGLE)]
    elapsed = sum(timed(lambda: commit(CALLERS * BATCH)) for _ in range(BATCHES))
    connection.close()
    return {**microseconds(durations), "rows_per_s": CALLERS * BATCH * BATCHES / elapsed}


def fdatasync(directory: Path) -> Figures:
    """The limit: bytes appended to a file, and synced."""
    descriptor = os.open(directory / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sync = getattr(os, "fdatasync", os.fsync)

    def write(count: int) -> None:
        os.write(descriptor, b"v" * (RECORD.size * count))
        sync(descriptor)

    durations = [timed(lambda: write(1)) for _ in range(SINGLE)]
    elapsed = sum(timed(lambda: write(CALLERS * BATCH)) for _ in range(BATCHES))
    os.close(descriptor)
    return {**microseconds(durations), "rows_per_s": CALLERS * BATCH * BATCHES / elapsed}


def cpu_model() -> str:
    """As Linux names it; elsewhere the architecture."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def one_run(where: str | None) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        directory = Path(name)
        return {
            "embedded": asyncio.run(embedded(directory)),
            "raw sqlite commit": raw_sqlite(directory),
            "fdatasync": fdatasync(directory),
        }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("where", nargs="?", help="a directory on the disk that is measured")
    given = asked(parser)
    one_run(given.where)
    runs = [one_run(given.where) for _ in range(1 if given.smoke else RUNS)]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    report: dict[str, object] = {
        "commit": commit,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "record_bytes": RECORD.size,
    }
    for name, figures in runs[0].items():
        report[name] = {
            figure: [round(pick([run[name][figure] for run in runs]), 1) for pick in (statistics.median, min, max)]
            for figure in figures
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
