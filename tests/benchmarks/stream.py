"""Alerts a second and core from Kafka to durable incident events: P1 with 95 % repeats, P2 with none.

    python tests/benchmarks/stream.py [--smoke] [--only p1] [--kafka host:port] [--no-peers]

The raw topic is filled first; then tocsin's process, warm and in its group, is let go until all incident events are in
the log. Per core = alerts per CPU second of tocsin's process (user and system, all threads). Variants: `events` is
ingest and correlate, which is what the metric is about; `whole` is `tocsin run` with escalate and notify, too, up to
the same event (nobody is told, no event log). Payloads: one alert a record; ten, as Alertmanager groups them; 64, as
Prometheus sends them.
Checked after each run: a plain count of the events finds every alert exactly once, and the group's position is the end
of the topic.

Peers in the same run read the same topic and do the least that is comparable (`peers/counting.py`): decode, recognise
repeats in a dict, send an event for a new alert; Alertmanager is fed over HTTP. Prints JSON; exit 1 when a check fails.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alerts import GROUP_OF, Traffic
from asking import options
from log import Reader, broker, committed, create, fill, prefixed
from peer import Filled, LeftOut, run, run_alertmanager
from reference import Found, Sent
from results import right, say, spread, stamped
from workers import CUT, INCIDENTS, RAW, TOCSIN, Workers

PARTITIONS: Final = 4
CHUNK_ALERTS: Final = 400
"""Alerts that go to one partition before the next one has its turn."""
PROMETHEUS_SENDS: Final = 64
"""Alerts in one request of Prometheus, and of the one that feeds Alertmanager here: equal for both."""
WARM_SHARE: Final = 0.2
RUNS: Final = 3
PEERS: Final = {"faust": "faust_stock", "quix": "quix", "bytewax": "bytewax_flow"}
LIMITS: Final = {"getmany_decode": "limit_decode", "consume_decode_encode_append": "limit_append"}
ALERTS_PER_SECOND_MIN: Final = 2000
"""Slower than this is not waited for."""


@dataclass(frozen=True)
class Metric:
    """One row of MEASURES."""

    name: str
    repeats: float
    alerts: int
    peer_alerts: int


METRICS: Final = (Metric("p1", 0.95, 200_000, 50_000), Metric("p2", 0.0, 100_000, 30_000))


def traffic(metric: Metric, alerts: int, per_record: int, seed: int) -> Traffic:
    """What is sent: it has begun a minute ago, in the order in which it is sent."""
    grouped = GROUP_OF if metric.repeats else 1
    began = datetime.now(UTC) - timedelta(seconds=60 + alerts * (1 - metric.repeats) / 1000)
    return Traffic(alerts, metric.repeats, seed=seed, per_record=per_record, grouped=grouped, began=began)


async def tocsin_once(servers: str, sent: Traffic, whole: bool, warm: Traffic) -> dict[str, Any]:
    """One run of one process, after a small one of the same process."""
    found, plain, records = Found(), Sent(), 0
    entry = TOCSIN if whole else CUT
    async with prefixed(servers) as prefix:
        with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as folder:
            async with Workers(Path(folder), servers, prefix, entry=entry, partitions=PARTITIONS) as workers:
                for part in (warm, sent):
                    values = list(part.records())
                    plain.add(values)
                    records += len(values)
                    seconds_max = 20 + part.count / ALERTS_PER_SECOND_MIN
                    taken = await workers.work(values, CHUNK_ALERTS // part.per_record, seconds_max, [INCIDENTS])
            async with Reader(servers, [prefix + INCIDENTS], PARTITIONS) as reader:
                async for record in reader.to_the_end():
                    found.add(record)
            positions = await committed(servers, f"{prefix}tocsin.ingest")
    problems = found.problems(plain)
    if (stands := sum(offset for (topic, _), offset in positions.items() if topic == prefix + RAW)) != records:
        problems.append(f"{records} raw records, the positions say {stands}")
    if not taken.finished:
        problems.append("it did not come to an end in time")
    return {
        "alerts": sent.count,
        "incidents": len(found.opened),
        "kinds": dict(found.kinds),
        "seconds": round(taken.seconds, 3),
        "cpu_seconds": round(taken.cpu_seconds, 3),
        "ok": not problems,
        "problems": problems,
    }


async def tocsin(servers: str, metric: Metric, per_record: int, whole: bool, runs: int) -> dict[str, Any]:
    """The runs of one variant."""
    each = []
    for number in range(runs):
        sent = traffic(metric, metric.alerts, per_record, seed=number + 1)
        warm = traffic(metric, int(metric.alerts * WARM_SHARE), per_record, seed=100 + number)
        each.append(await tocsin_once(servers, sent, whole, warm))
    return rates(f"{metric.name} tocsin, {per_record} a record{', whole' if whole else ''}", each)


def rates(name: str, each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and spread of the runs, and whether all of them were right."""
    found = {
        "alerts_per_cpu_second": spread([one["alerts"] / max(one["cpu_seconds"], 0.01) for one in each], 0),
        "alerts_per_second": spread([one["alerts"] / max(one["seconds"], 0.01) for one in each], 0),
        "ok": all(one["ok"] for one in each),
        "runs": list(each),
    }
    say(f"{name}: {found['alerts_per_cpu_second']} alerts a CPU second{'' if found['ok'] else ', WRONG'}")
    return found


async def others(servers: str, metric: Metric, per_record: int, runs: int, names: dict[str, str]) -> dict[str, Any]:
    """Peers or limits, one after the other, each `runs` times over a topic of its own."""
    found: dict[str, Any] = {}
    sent = traffic(metric, metric.peer_alerts, per_record, seed=1)
    values = list(sent.records())
    for name, program in names.items():
        fresh = None if name in LIMITS else sent.fresh
        each = []
        async with prefixed(servers) as prefix:
            try:
                for number in range(runs):
                    topic, out = f"{prefix}raw.{number}", f"{prefix}events.{number}"
                    await create(servers, {topic: PARTITIONS})
                    await fill(servers, topic, values, PARTITIONS, CHUNK_ALERTS // per_record)
                    filled = Filled(servers, topic, out, PARTITIONS, len(values), sent.count)
                    each.append(await run(program, filled, fresh))
                found[name] = rates(f"{metric.name} {name}, {per_record} a record", each)
            except LeftOut as reason:
                say(f"{metric.name} {name} is left out: {reason}")
                found[name] = {"left_out": str(reason)}
    return found


async def alertmanager(metric: Metric, runs: int) -> dict[str, Any]:
    """The same alerts over HTTP, 64 a request."""
    values = list(traffic(metric, metric.peer_alerts, 1, seed=1).records())
    try:
        return rates(f"{metric.name} alertmanager", [await run_alertmanager(values) for _ in range(runs)])
    except LeftOut as reason:
        return {"left_out": str(reason)}


async def measure(servers: str, metric: Metric, runs: int, peers: bool) -> dict[str, Any]:
    """Everything of one metric."""
    found: dict[str, Any] = {
        "repeats": metric.repeats,
        "tocsin": {
            "events_one_a_record": await tocsin(servers, metric, 1, False, runs),
            "events_ten_a_record": await tocsin(servers, metric, 10, False, runs),
            "events_sixty_four_a_record": await tocsin(servers, metric, PROMETHEUS_SENDS, False, runs),
            "whole_ten_a_record": await tocsin(servers, metric, 10, True, runs),
        },
    }
    if peers:
        found["peers_one_a_record"] = await others(servers, metric, 1, runs, PEERS)
        found["peers_one_a_record"]["alertmanager_http"] = await alertmanager(metric, runs)
        found["limits_one_a_record"] = await others(servers, metric, 1, runs, LIMITS)
        if metric.repeats:  # without repeats the ways that differ by the size of a record are a small part
            found["peers_ten_a_record"] = await others(servers, metric, 10, 1, PEERS)
            found["limits_ten_a_record"] = await others(servers, metric, 10, 1, LIMITS)
    return found


async def main(asked: argparse.Namespace) -> int:
    found: dict[str, Any] = {}
    async with broker(asked.kafka) as servers:
        for metric in METRICS:
            if asked.only in (None, metric.name):
                small = replace(metric, alerts=4_000, peer_alerts=2_000) if asked.smoke else metric
                found[metric.name] = await measure(servers, small, 1 if asked.smoke else RUNS, not asked.no_peers)
    print(json.dumps(stamped("stream", asked.smoke, found), indent=1))
    return 0 if right(found) else 1


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--only", choices=[metric.name for metric in METRICS])
    parser.add_argument("--kafka", help="host:port of a broker; without it one is started")
    parser.add_argument("--no-peers", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
