"""More workers: throughput and CPU of 1, 2 and 4 on the same partitions, and how long a join stalls them (P12).

    python tests/benchmarks/scaling.py [--smoke] [--workers 1,2] [--kafka host:port]

A worker is a process with ingest and correlate. All of them wait, warm and in their groups, until the raw topic is
full (95 % repeats, ten alerts a record). Two figures against linear: `speedup_of_linear` = alerts a second with n
workers / (n x those of one), which needs a core for each worker and one for the broker; and `cpu_efficiency` = CPU per
alert of one worker / CPU per alert of n, which does not. More workers than cores are left out, and that is said.

Stall: while a load of new alerts runs, a second worker joins; the longest time without an incident event in any
partition, beside the longest one before. Checked after each run as in `stream.py`. Prints JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from alerts import Traffic
from asking import options
from latency_kafka import PROGRAM
from log import Reader, broker, prefixed
from open_loop import planned
from reference import Found, Sent
from results import right, say, spread, stamped
from stream import ALERTS_PER_SECOND_MIN, CHUNK_ALERTS, METRICS, traffic
from workers import INCIDENTS, RAW, Workers

PARTITIONS: Final = 8
COUNTS: Final = (1, 2, 4)
RUNS: Final = 3
ALERTS: Final = 240_000
WARM_ALERTS: Final = 20_000
PER_RECORD: Final = 10
STALL_RATE: Final = 400
"""Alerts a second, all new: about 50 events a second and partition."""
STALL_SECONDS: Final = 24.0
JOIN_AFTER: Final = 8.0
JOINS: Final = 2


async def once(servers: str, count: int, alerts: int, seed: int) -> dict[str, Any]:
    """One run of `count` workers."""
    found, plain = Found(), Sent()
    async with prefixed(servers) as prefix:
        with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as folder:
            async with Workers(Path(folder), servers, prefix, count=count, partitions=PARTITIONS) as workers:
                for number, part in ((100 + seed, min(WARM_ALERTS, alerts)), (seed, alerts)):
                    values = list(traffic(METRICS[0], part, PER_RECORD, number).records())
                    plain.add(values)
                    seconds_max = 20 + part / ALERTS_PER_SECOND_MIN
                    taken = await workers.work(values, CHUNK_ALERTS // PER_RECORD, seconds_max, [INCIDENTS])
            async with Reader(servers, [prefix + INCIDENTS], PARTITIONS) as reader:
                async for record in reader.to_the_end():
                    found.add(record)
    problems = found.problems(plain)
    return {
        "alerts": alerts,
        "seconds": round(taken.seconds, 3),
        "cpu_seconds": round(taken.cpu_seconds, 3),
        "cpu_seconds_of_each": [round(one, 3) for one in taken.each_cpu_seconds],
        "ok": taken.finished and not problems,
        "problems": problems,
    }


async def throughput(servers: str, counts: Sequence[int], alerts: int, runs: int) -> dict[str, Any]:
    """Every worker count, beside linear."""
    found: dict[str, Any] = {}
    for count in counts:
        each = [await once(servers, count, alerts, seed) for seed in range(1, runs + 1)]
        found[str(count)] = {
            "alerts_per_second": spread([one["alerts"] / one["seconds"] for one in each], 0),
            "cpu_us_per_alert": spread([one["cpu_seconds"] / one["alerts"] * 1e6 for one in each]),
            "ok": all(one["ok"] for one in each),
            "runs": each,
        }
        say(f"{count} workers: {found[str(count)]['alerts_per_second']}/s, {found[str(count)]['cpu_us_per_alert']} us")
    if (one := found.get("1")) is not None:
        for count in counts:
            several = found[str(count)]
            speed = several["alerts_per_second"]["median"] / one["alerts_per_second"]["median"]
            several["speedup_of_linear"] = round(speed / count, 3)
            cpu = one["cpu_us_per_alert"]["median"] / max(several["cpu_us_per_alert"]["median"], 1e-9)
            several["cpu_efficiency"] = round(cpu, 3)
    return found


async def stall(servers: str, seconds: float, join_after: float, seed: int) -> dict[str, Any]:
    """One join under load."""
    sent: Traffic = planned(STALL_RATE, seconds, seed, repeats=0.0)
    async with prefixed(servers) as prefix:
        with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as folder:
            make = Workers(Path(folder), servers, prefix, count=2, waiting=1, partitions=PARTITIONS)
            async with make as workers, Reader(servers, [prefix + INCIDENTS], PARTITIONS) as reader:
                words = [*PROGRAM, "send", f"--servers={servers}", f"--partitions={PARTITIONS}", "--repeats=0"]
                words += [f"--topic={prefix}{RAW}", f"--rate={STALL_RATE}", f"--seconds={seconds}", f"--seed={seed}"]
                sender = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL)
                await asyncio.sleep(join_after)
                joins_at = time.time()
                workers.all[1].start()
                await workers.all[1].ready()
                await sender.wait()
                sending_ends = time.time()
                found: Found = Found()
                times: dict[int, list[float]] = defaultdict(list)
                until = time.monotonic() + 60
                while found.sightings < sent.count and time.monotonic() < until:
                    async for record in reader.to_the_end():
                        found.add(record)
                        times[record.partition].append(record.timestamp / 1000)
                    await asyncio.sleep(0.1)
    before, after = gaps(times, joins_at, sending_ends)
    problems = [] if found.sightings == sent.count else [f"{found.sightings} of {sent.count} alerts counted"]
    return {"stall_s": after, "longest_before_s": before, "ok": not problems, "problems": problems}


def gaps(times: dict[int, list[float]], joins_at: float, ends_at: float) -> tuple[float, float]:
    """The longest time without an event in any partition, before and after the join; the first second warms up."""
    before, after = [0.0], [0.0]
    for each in times.values():
        each.sort()
        for one, following in itertools.pairwise(each):
            if following < joins_at and one > each[0] + 1.0:
                before.append(following - one)
            elif following >= joins_at and one < ends_at:
                after.append(following - one)
    return round(max(before), 3), round(max(after), 3)


async def main(asked: argparse.Namespace) -> int:
    cores = os.cpu_count() or 1
    counts = [int(count) for count in asked.workers.split(",")] if asked.workers else list(COUNTS)
    runs, alerts = (1, 4_000) if asked.smoke else (RUNS, ALERTS)
    possible = [count for count in counts if count <= cores]
    found: dict[str, Any] = {
        "partitions": PARTITIONS,
        "left_out": {str(count): f"{cores} cores" for count in counts if count > cores},
    }
    if cores < max(possible) + 2:
        found["cores"] = f"{cores} cores for workers, broker and load: speedup is not that of the workers alone"
    async with broker(asked.kafka) as servers:
        found["workers"] = await throughput(servers, possible, alerts, runs)
        seconds, after, joins = (8.0, 3.0, 1) if asked.smoke else (STALL_SECONDS, JOIN_AFTER, JOINS)
        each = [await stall(servers, seconds, after, seed) for seed in range(1, joins + 1)]
    found["join"] = {"stall_s": spread([one["stall_s"] for one in each]), "runs": each}
    print(json.dumps(stamped("scaling", asked.smoke, found), indent=1))
    return 0 if right(found) else 1


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--workers", help="worker counts, comma-separated")
    parser.add_argument("--kafka", help="host:port of a broker; without it one is started")
    sys.exit(asyncio.run(main(parser.parse_args())))
