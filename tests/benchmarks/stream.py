"""P1 and P2 of the measures: alerts per second and core, from Kafka to durable incident events, beside peers.

    python tests/benchmarks/stream.py [--quick]

P1: 95 % repeats, ten alerts a group. P2: each alert opens an incident. One alert a record, about 0.95 KB, four
partitions; the topic is full before a process starts, and its CPU time counts from the first tenth of the alerts on,
so that starting does not. Per core = per CPU second of tocsin's processes (all threads, Kafka's client included), with
ingest and correlate: what comes after the incident events is the row `with_escalation_and_notification`.
Three runs after a warm-up. The events are read back and folded: each alert once, as many incidents as were sent.
Peers and limits are measured in the same run, see `rivals.py`. Prints one JSON document; exit 1 when a count is wrong.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alerts import Traffic
from arena import EVENTS, fill, history, kafka, program, rates, read_all, stand, until_done
from measuring import machine
from rivals import INSTALLED, OWN, NotInstalled, alertmanager, processor

WORKER: Final = Path(__file__).with_name("worker.py")
RUNS: Final = 3
RUN_SECONDS_MAX: Final = 180
SETTLE_SECONDS: Final = 1.5
"""Repeats wait a second for company."""
ALERTS: Final = {"P1": 200_000, "P2": 60_000}
PEER_ALERTS: Final = {"P1": 60_000, "P2": 30_000}
QUICK: Final = 10
"""How many times fewer alerts with `--quick`, and one run without a warm-up: to see that it works."""
REPEATS: Final = {"P1": 0.95, "P2": 0.0}
GROUPED: Final = {"P1": 10, "P2": 1}


def traffic(metric: str, count: int, seed: int) -> Traffic:
    began = datetime.now(UTC) - timedelta(minutes=1)
    return Traffic(count, REPEATS[metric], seed=seed, grouped=GROUPED[metric], began=began)


async def tocsin(servers: str, sent: Traffic, stages: str) -> dict[str, Any]:
    """One run of one process."""
    async with stand(servers, "tocsin") as made:
        await asyncio.to_thread(made.make_topics)
        await fill(made, sent)
        async with program("tocsin", sys.executable, WORKER, made.config(), stages) as running:
            await until_done([running], sent.count, RUN_SECONDS_MAX)
            await asyncio.sleep(SETTLE_SECONDS)
            found = rates([running])
        told = history(await read_all(made, EVENTS))
    found["correct"] = told == {"alerts": sent.count, "incidents": sent.incidents}
    if not found["correct"]:
        found["told"] = told
    return found


async def several(
    run: Callable[[int], Awaitable[dict[str, Any]]], runs: int, *, warm_up: bool = True
) -> dict[str, Any]:
    """Median and spread of `runs`; what cannot be had says why."""
    try:
        if warm_up:
            await run(0)
        found = [await run(number) for number in range(1, runs + 1)]
    except NotInstalled as error:
        return {"not_installed": str(error)}
    except (RuntimeError, TimeoutError) as error:
        return {"failed": str(error)}
    values = [one["alerts_per_cpu_second"] for one in found]
    return {
        "alerts_per_cpu_second": round(statistics.median(values)),
        "spread": max(values) - min(values),
        "alerts_per_second": round(statistics.median(one["alerts_per_second"] for one in found)),
        **({"correct": all(one["correct"] for one in found)} if "correct" in found[0] else {}),
        "runs": found,
    }


async def measured(servers: str, metric: str, runs: int, divided: int) -> dict[str, Any]:
    """One metric with its peers and limits."""
    count, peer_count = ALERTS[metric] // divided, PEER_ALERTS[metric] // divided
    warm = divided == 1

    async def ours(seed: int, stages: str = "events") -> dict[str, Any]:
        return await tocsin(servers, traffic(metric, count // (1 if seed else 4), seed), stages)

    async def whole(seed: int) -> dict[str, Any]:
        return await ours(seed, "all")

    async def am(seed: int) -> dict[str, Any]:
        async with stand(servers, "alertmanager") as made:
            return await alertmanager(made, traffic(metric, peer_count, seed))

    result: dict[str, Any] = {"tocsin": await several(ours, runs, warm_up=warm)}
    result["with_escalation_and_notification"] = await several(whole, 1, warm_up=False)
    result["alertmanager"] = await several(am, runs, warm_up=warm)
    for name in (*OWN, *INSTALLED):

        async def peer(seed: int, name: str = name) -> dict[str, Any]:
            # A limit is quick: it needs more alerts to take a measurable time.
            alerts = count if name.startswith("limit") else peer_count
            return await processor(servers, name, traffic(metric, alerts, seed))

        result[name] = await several(peer, runs, warm_up=warm)
    return result


async def main_async(quick: bool) -> dict[str, Any]:
    with kafka() as servers:
        divided, runs = (QUICK, 1) if quick else (1, RUNS)
        return {metric: await measured(servers, metric, runs, divided) for metric in ("P1", "P2")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a tenth of the alerts, one run each")
    asked = parser.parse_args()
    result = asyncio.run(main_async(asked.quick))
    print(json.dumps({"benchmark": "stream", "quick": asked.quick, "machine": machine(), **result}, indent=2))
    return 0 if all(result[metric]["tocsin"].get("correct") for metric in result) else 1


if __name__ == "__main__":
    sys.exit(main())
