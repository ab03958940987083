"""All faults of workers and brokers in one run under load, at length, judged by the independent checker.

    python tests/benchmarks/faults.py [--kills 200] [--rebalances 50] [--zombies 10] [--broker-kills 10] [--part 0.1]

Starts a Kafka of its own (one node), three `tocsin run` on it, load over HTTP and straight into Kafka, people who
acknowledge, a webhook receiver, and a plain subscriber. Kills, joins, freezes and broker faults overlap until each kind
has happened as often as asked; then everything is stopped in order, and log, receiver, event log and subscriber are
compared. Prints one JSON document and writes it to `results/faults.json`; exit 1 when something is wrong. With
`--part` everything happens that part as often.
"""

import argparse
import asyncio
import json
import logging
import math
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

TESTS: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from benchmarks.asking import asked, options  # noqa: E402
from integration.kafka_chaos import Chaos, Load, Wanted, under_load  # noqa: E402
from integration.kafka_running import SESSION, Installation  # noqa: E402
from integration.running import Sink  # noqa: E402
from kafka.cluster import Cluster  # noqa: E402

RESULTS: Final = Path(__file__).parent / "results" / "faults.json"
SECONDS_MAX: Final = 25 * 60.0
"""For the faults; then the run is given up and says so."""


def arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rebalances", type=int, default=50)
    parser.add_argument("--zombies", type=int, default=10)
    parser.add_argument("--stutters", type=int, default=10)
    parser.add_argument("--broker-kills", type=int, default=10)
    parser.add_argument("--broker-stops", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--rate", type=float, default=60.0, help="alerts a second over HTTP")
    parser.add_argument("--part", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--directory", type=Path, default=None, help="kept, for who has to find out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return asked(parser, part=0.005)


def wanted(given: argparse.Namespace) -> Wanted:
    names = ("kills", "rebalances", "zombies", "stutters", "broker_kills", "broker_stops")
    return Wanted(**{name: math.ceil(getattr(given, name) * given.part) for name in names})


async def run(directory: Path, cluster: Cluster, given: argparse.Namespace) -> dict[str, Any]:
    """One run; what it was like."""
    chance, began = random.Random(given.seed), time.monotonic()
    problems: list[str] = []
    async with (
        Sink() as sink,
        Installation(directory, cluster.servers, "", sink.url, workers=given.workers) as installation,
    ):
        installation.hurry()
        chaos = Chaos(installation, chance, cluster.nodes, killers=2)
        async with under_load(installation, sink, chance, Load(http=given.rate, direct=given.rate / 4)) as outcome:
            try:
                async with asyncio.timeout(SECONDS_MAX):
                    await chaos.run(wanted(given))
            except TimeoutError:
                problems.append(f"not all faults happened within {SECONDS_MAX:.0f} s")
            outcome.thawed = chaos.thawed
            faults_seconds = time.monotonic() - began
    problems += outcome.problems
    return {
        "wanted": vars(wanted(given)),
        "done": dict(chaos.done),
        "problems": problems,
        "crashes": chaos.crashes,
        "accepted": outcome.accepted,
        "unanswered": outcome.unknown,
        "commands": outcome.commands,
        "counts": dict(outcome.counts),
        "serving_again_seconds": spread(chaos.slow),
        "session_seconds": SESSION,
        "faults_seconds": round(faults_seconds, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def spread(found: list[float]) -> dict[str, float]:
    if not found:
        return {}
    return {"median": round(statistics.median(found), 2), "max": round(max(found), 2), "count": len(found)}


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=TESTS, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Run, print, write."""
    given = arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # which repeats itself without a broker
    directory = given.directory or Path(tempfile.mkdtemp(prefix="tocsin-faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"seed {given.seed}, {directory}", file=sys.stderr)
    with Cluster(directory / "kafka", nodes=given.nodes) as cluster:
        found = asyncio.run(run(directory, cluster, given))
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seed": given.seed,
        "workers": given.workers,
        "nodes": given.nodes,
        "alerts_per_second": given.rate * 1.25,
        **found,
    }
    text = json.dumps(document, indent=2)
    print(text)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(text + "\n")
    sys.exit(1 if document["problems"] or document["crashes"] else 0)


if __name__ == "__main__":
    main()
