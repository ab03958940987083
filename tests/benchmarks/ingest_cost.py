"""Microseconds of one core per alert of an Alertmanager webhook: the whole mapper, and its parts.

Peer in the run: `orjson.loads` of the same bytes, which nothing that reads foreign JSON can undercut. Prints JSON.
Run: `python tests/benchmarks/ingest_cost.py [--smoke] [alerts a webhook]`.
"""

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson
from asking import asked, options

from tocsin.domain.rules import Rules
from tocsin.ingest.intake import take
from tocsin.ingest.map import Ingest
from tocsin.stage import RawRecord
from tocsin.topics import RAW
from tocsin.wire.normalized import decode_batch

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
RUNS = 3
ROUND_SECONDS = 1.0


def webhook(alerts: int) -> bytes:
    """A webhook of `alerts` alerts with 10 labels, about 0.9 KB each."""
    items = [
        {
            "status": "firing",
            "labels": {
                "alertname": "HighRequestLatency",
                "severity": "critical",
                "cluster": "eu-west-1",
                "namespace": "shop",
                "service": "checkout",
                "job": "checkout-api",
                "instance": f"10.1.{number // 250}.{number % 250}:9100",
                "pod": f"checkout-api-7d9f8b6c5d-{number:05d}",
                "prometheus": "monitoring/k8s",
                "replica": "a",
            },
            "annotations": {
                "summary": f"p99 of checkout is over 2 s on pod {number:05d}",
                "description": "The 99th percentile of request latency has been over two seconds for ten minutes. " * 2,
                "runbook_url": "https://runbooks.example.com/checkout/high-request-latency",
            },
            "startsAt": "2026-11-21T09:58:12.345678901Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://prometheus.example.com/graph?g0.expr=histogram_quantile&g0.tab=1",
            "fingerprint": f"{number:016x}",
        }
        for number in range(alerts)
    ]
    envelope = {
        "version": "4",
        "receiver": "tocsin",
        "status": "firing",
        "groupLabels": {"alertname": "HighRequestLatency"},
    }
    return orjson.dumps({**envelope, "externalURL": "https://alertmanager.example.com", "alerts": items})


def microseconds(work: Callable[[], object], alerts: int, runs: int) -> dict[str, float]:
    """CPU time per alert: median and spread of `runs` after a warm-up."""
    work()
    found = []
    for _ in range(runs):
        rounds, begin = 0, time.process_time()
        while time.process_time() - begin < ROUND_SECONDS:
            work()
            rounds += 1
        found.append((time.process_time() - begin) / rounds / alerts * 1e6)
    return {"median": round(statistics.median(found), 3), "spread": round(max(found) - min(found), 3)}


def commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("alerts", nargs="?", type=int, default=100, help="of one webhook")
    given = asked(parser, alerts=10)
    alerts, runs = given.alerts, 1 if given.smoke else RUNS
    body = webhook(alerts)
    mapper, rules = Ingest(1), Rules()
    headers = (("tocsin_format", b"alertmanager"),)
    records = [RawRecord(RAW.name, 0, "inc", 0, NOW, body, headers)]
    batches = mapper.map(records, rules).batches[0]
    rows = [row for value in batches for row in decode_batch(value)]
    assert [row.index for row in rows] == list(range(alerts)), "every alert is one row, in order"
    measured = {
        "map": microseconds(lambda: mapper.map(records, rules), alerts, runs),
        "take": microseconds(lambda: take(body, format=None, received_at=NOW, seed="seed"), alerts, runs),
        "peer_orjson_loads": microseconds(lambda: orjson.loads(body), alerts, runs),
    }
    result = {
        "benchmark": "ingest_cost",
        "commit": commit(),
        "python": platform.python_version(),
        "orjson": orjson.__version__,
        "msgspec": msgspec.__version__,
        "cpu": platform.processor() or platform.machine(),
        "alerts_per_webhook": alerts,
        "bytes_per_alert": len(body) // alerts,
        "microseconds_per_alert": measured,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
