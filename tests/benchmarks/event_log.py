"""Event log: rows/s appended and events/s rebuilt, beside the limit of the machine in the same run. Prints JSON.

Peers: a raw insert of the same rows (chained, no views, one transaction a batch); a raw scan that decodes every event.
Checked in the run: the chain is whole, and a rebuild gives the same digest.

    python tests/benchmarks/event_log.py [--events 50000] [--runs 3]
"""

import asyncio
import json
import platform
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from asking import asked, options

from tocsin.persist.chain import GENESIS, encode_headers, link, verify
from tocsin.persist.rebuild import rebuild
from tocsin.persist.schema import LOG
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.wire.events import decode_value, type_of
from tocsin.wire.record import Record
from unit.persist.rig import Place, random_journals

BATCH = 1000
Journals = dict[Place, list[Record]]


def append(path: Path, journals: Journals) -> None:
    async def run() -> None:
        log = EventLog.open(path)
        for place, records in journals.items():
            for start in range(0, len(records), BATCH):
                batch = records[start : start + BATCH]
                await log.append([Portion(*place, batch, start + len(batch))])
        log.close()

    asyncio.run(run())


def raw_append(path: Path, journals: Journals) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(LOG)
    for (topic, partition), records in journals.items():
        head = GENESIS
        for start in range(0, len(records), BATCH):
            rows = []
            for offset, timestamp, key, value, headers in records[start : start + BATCH]:
                head = link(head, topic, partition, offset, key, headers, value)
                kind = type_of(headers)
                stored = encode_headers(headers)
                rows.append((None, topic, partition, offset, timestamp, key, value, stored, kind, "", "", head, 0))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
    connection.close()


def raw_scan(path: Path) -> None:
    connection = sqlite3.connect(path)
    for kind, value in connection.execute("SELECT type, value FROM log ORDER BY id"):
        decode_value(kind, value)
    connection.close()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, CPU seconds of this process)."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def once(directory: Path, journals: Journals, events: int) -> dict[str, float]:
    ours, raw = directory / "ours.sqlite3", directory / "raw.sqlite3"
    for path in directory.iterdir():
        path.unlink()
    rates: dict[str, float] = {}
    for name, work in (
        ("append", lambda: append(ours, journals)),
        ("raw_append", lambda: raw_append(raw, journals)),
        ("verify", lambda: verify(ours)),
        ("raw_scan", lambda: raw_scan(ours)),
    ):
        wall, cpu = timed(work)
        rates[f"{name}_per_s"] = events / wall
        rates[f"{name}_per_cpu_s"] = events / cpu
    cpu = time.process_time()
    report = rebuild(ours)
    rates["rebuild_per_s"] = report.events / report.seconds
    rates["rebuild_per_cpu_s"] = report.events / (time.process_time() - cpu)
    checked = verify(ours)
    if not checked.ok or checked.rows != events or report.digest_before != report.digest_after:
        raise SystemExit(f"wrong results are not fast: {checked}, {report}")
    return rates


def cpu_model() -> str:
    with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = asked(parser, events=2_000, runs=1)
    journals = random_journals(Random(1), chosen.events)
    events = sum(map(len, journals.values()))
    size = sum(len(record.value or b"") for records in journals.values() for record in records)
    with TemporaryDirectory() as name:
        runs = [once(Path(name), journals, events) for _ in range(chosen.runs + 1)][1:]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "benchmark": "event_log",
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpu": cpu_model(),
        "events": events,
        "bytes_per_value": round(size / events),
        "batch": BATCH,
        "runs": len(runs),
        **{
            key: {
                "median": round(statistics.median(run[key] for run in runs)),
                "spread": [round(min(run[key] for run in runs)), round(max(run[key] for run in runs))],
            }
            for key in runs[0]
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
