"""How long an alert takes: from its acceptance to the incident event, and to the webhook that it causes.

    python tests/benchmarks/latency.py [--rate 200] [--seconds 30] [--repeats 0.0]

Starts `tocsin run` on a fresh directory and sends one alert a request in Alertmanager's webhook format (10 labels,
about 1 KB), open-loop: each request has an intended time, and latencies count from it or from the record in the log, so
a stall hides nothing. Peers and limits are measured in the same run: a bare HTTP echo under the same load, and a commit
of SQLite. Prints one JSON document; exit 1 when an alert is missing or counted twice.
"""

import asyncio
import json
import random
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from asking import asked, options
from measuring import (
    Latencies,
    Load,
    Sink,
    echo_peer,
    exposition,
    fetch_records,
    machine,
    process_cpu_seconds,
    raw_commit_ms,
    started,
)

STARTED: Final = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
WARM_SECONDS: Final = 2.0
DRAIN_SECONDS_MAX: Final = 60.0
SIGHTED: Final = tuple(f"tocsin.incident.{word}.v1" for word in ("opened", "alert_attached", "late_amended"))
"""Events that count one sighting."""
ALERTS_MAX: Final = 200_000
"""Of one run: the records are compared in memory."""


def body(number: int) -> bytes:
    """One webhook with one alert of a group of its own; about 0.9 KB."""
    group = {"alertname": f"Benchmark{number:07d}", "cluster": "eu-1", "service": f"service-{number % 97}"}
    labels = {
        **group,
        "instance": f"10.0.{number % 250}.{number % 241}:9100",
        "job": "node-exporter",
        "namespace": "production",
        "pod": f"api-{number % 89:05d}-x7k2p",
        "region": "europe-west-1",
        "severity": "warning",
        "team": "platform",
    }
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"Latency of api is above 500 ms ({number})", "runbook_url": "https://rb.example/1"},
        "startsAt": STARTED,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example/graph?g0.expr=histogram_quantile",
        "fingerprint": f"{number:016x}",
    }
    return json.dumps(
        {
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{group["alertname"]}"}}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "tocsin",
            "groupLabels": group,
            "commonLabels": group,
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "alerts": [alert],
        },
        separators=(",", ":"),
    ).encode()


def plan(count: int, repeats: float, seed: int, first: int) -> list[int]:
    """The alert that each request carries: a new one, or with probability `repeats` one that was sent before."""
    draw = random.Random(seed)
    sent: list[int] = []
    following = first
    for _ in range(count):
        if not sent or draw.random() >= repeats:
            sent.append(following)
            following += 1
        else:
            sent.append(draw.choice(sent))
    return sent


def settings(directory: Path, sink: str) -> dict[str, Any]:
    return {
        "data_dir": str(directory),
        "http": {"listen": "127.0.0.1:0"},
        "notify": {"channels": {"sink": {"type": "webhook", "url": sink, "in_flight_max": 32}}, "catch_all": ["sink"]},
    }


async def measure(rate: float, seconds: float, repeats: float, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tocsin-latency-") as folder:
        directory = Path(folder)
        commit = await asyncio.to_thread(raw_commit_ms, directory)
        echo = await echo_peer(body(0), rate, min(seconds, 5.0))
        async with Sink() as sink:
            path = directory / "tocsin.yaml"
            path.write_text(yaml.safe_dump(settings(directory / "data", sink.url)), encoding="utf-8")
            async with started(path) as tocsin:
                result = await run(tocsin, sink, rate, seconds, repeats, seed)
                result["start_to_ready_seconds"] = round(tocsin.start_seconds, 3)
    result["peers"] = {"http_echo_ms": echo, "sqlite_commit_ms": commit}
    return result


async def run(tocsin: Any, sink: Sink, rate: float, seconds: float, repeats: float, seed: int) -> dict[str, Any]:
    async with Load(tocsin.address, "/api/v1/alerts") as load:
        warm = plan(int(rate * WARM_SECONDS), 0.0, seed, 0)
        await load.send([body(number) for number in warm], rate)
        await until_delivered(sink, len(warm))
        cpu, before = process_cpu_seconds(tocsin.pid), await exposition(tocsin.address)
        sent = plan(int(rate * seconds), repeats, seed, len(warm))
        answered = await load.send([body(number) for number in sent], rate)
        opened = len(set(sent))
        await until_delivered(sink, len(warm) + opened)
        cpu, after = process_cpu_seconds(tocsin.pid) - cpu, await exposition(tocsin.address)
    raw = await fetch_records(tocsin.address, "alerts.raw.v1")
    events = await fetch_records(tocsin.address, "incidents.events.v1")
    return {
        "load": {"alerts": len(sent), "rate": rate, "seconds": seconds, "repeats": repeats, "seed": seed},
        "intended_to_answer_ms": answered.summary(),
        **latencies(raw, events, sink, first=len(warm)),
        "cpu_seconds": round(cpu, 3),
        "cpu_us_per_alert": round(cpu / len(sent) * 1e6, 1),
        "stage_us_per_input": stage_costs(before, after),
        "correct": correct(raw, events, sink, opened=opened, warm=len(warm), sent=len(sent)),
    }


async def until_delivered(sink: Sink, count: int) -> None:
    """Wait until the sink has `count` messages; what is missing after a minute is reported by the check."""
    with suppress(TimeoutError):
        await asyncio.wait_for(sink.has(count), DRAIN_SECONDS_MAX)
    await asyncio.sleep(1.5)  # tallies go out once a second


def latencies(raw: list[Any], events: list[Any], sink: Sink, first: int) -> dict[str, Any]:
    """Milliseconds from the raw record to the opening event and to the received webhook, of the measured incidents."""
    stamped = {record["offset"]: record["timestamp"] for record in raw}
    to_event, to_webhook = Latencies(), Latencies()
    for record in events:
        if record["headers"]["ce_type"] != "tocsin.incident.opened.v1":
            continue
        offset = int(record["headers"]["ce_causationid"].split("/")[2])
        if offset < first:
            continue
        to_event.add(record["timestamp"] - stamped[offset])
        if record["key"] in sink.received:
            to_webhook.add(sink.received[record["key"]] * 1000 - stamped[offset])
    return {"raw_to_incident_event_ms": to_event.summary(), "raw_to_webhook_received_ms": to_webhook.summary()}


def stage_costs(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Microseconds of deciding per input, by stage."""
    found = {}
    for name, inputs in after.items():
        if not name.startswith("tocsin_stage_inputs_total"):
            continue
        stage = name.split('stage="')[1].split('"')[0]
        spent_name = name.replace("inputs_total", "decide_seconds_total")
        count = inputs - before.get(name, 0.0)
        spent = after.get(spent_name, 0.0) - before.get(spent_name, 0.0)
        if count:
            found[stage] = round(spent / count * 1e6, 1)
    return found


def correct(raw: list[Any], events: list[Any], sink: Sink, *, opened: int, warm: int, sent: int) -> dict[str, Any]:
    """Every alert exactly once in the incident events, every incident exactly one webhook: a plain count."""
    kinds: dict[str, int] = {}
    sightings = 0
    for record in events:
        kind = record["headers"]["ce_type"]
        kinds[kind] = kinds.get(kind, 0) + 1
        value = json.loads(record["value"])
        if kind in (
            "tocsin.incident.opened.v1",
            "tocsin.incident.alert_attached.v1",
            "tocsin.incident.late_amended.v1",
        ):
            sightings += 1
        elif kind == "tocsin.journal.tallied.v1":
            sightings += sum(tally[1] for tally in value["tallies"])
    incidents = kinds.get("tocsin.incident.opened.v1", 0)
    return {
        "ok": len(raw) == warm + sent == sightings
        and incidents == warm + opened == len(sink.received)
        and sink.doubled == 0,
        "raw_records": len(raw),
        "sightings_in_events": sightings,
        "incidents": incidents,
        "webhooks": len(sink.received),
        "doubled_webhooks": sink.doubled,
    }


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="alerts a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=float, default=0.0, help="share of alerts that were sent before, 0 to 0.99")
    parser.add_argument("--seed", type=int, default=1)
    given = asked(parser, rate=20.0, seconds=3.0)
    if not (0 < given.rate * given.seconds <= ALERTS_MAX and 0 <= given.repeats < 1):
        parser.error(f"at most {ALERTS_MAX} alerts, and repeats from 0 to below 1")
    result = asyncio.run(measure(given.rate, given.seconds, given.repeats, given.seed))
    print(json.dumps({"machine": machine(), **result}, indent=2))
    return 0 if result["correct"]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
