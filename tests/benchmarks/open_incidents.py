"""A log with so many open incidents, made by the real stages, for `restart.py`, `memory.py` and `rebuild.py`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tocsin.domain.rules import NotifyRules, Rules
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.pace import Pace
from tocsin.testing.clock import VirtualClock
from tocsin.testing.driver import Driver
from tocsin.topics import RAW
from tocsin.wire.record import Draft

START: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BATCH: Final = 500
"""Alerts of one raw record."""
PACE: Final = Pace(records_min=1 << 40, seconds=1e12, release_entries_max=1 << 40, shown_within=1e9, counts_within=1e9)
"""One checkpoint, at the end; nothing public: what is measured is the state."""


def alerts(first: int, count: int) -> bytes:
    """As Alertmanager sends them: ten labels, each its own incident."""
    found = []
    for n in range(first, first + count):
        labels = {
            "alertname": "HighErrorRate",
            "cluster": f"eu-{n % 7}",
            "namespace": f"team-{n % 50}",
            "service": f"service-{n}",
            "pod": f"service-{n}-7d9c6b5f4-{n % 997:05d}",
            "instance": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}:9090",
            "job": "kubernetes-pods",
            "region": "eu-central-1",
            "prometheus": "monitoring/k8s",
            "severity": ("critical", "warning")[n % 2],
        }
        annotations = {
            "summary": f"More than 5 % of the requests to service-{n} fail",
            "runbook_url": "https://r.example/e",
        }
        found.append({"labels": labels, "annotations": annotations, "startsAt": "2026-11-21T12:00:00Z"})
    return json.dumps(
        {
            "version": "4",
            "groupKey": "{}",
            "status": "firing",
            "receiver": "tocsin",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "",
            "alerts": [
                {**one, "status": "firing", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": f"{n:016x}"}
                for n, one in enumerate(found, first)
            ],
        }
    ).encode()


def rules() -> Rules:
    """Incidents are escalated, and nobody is told yet: what is measured are open incidents, not waiting messages."""
    return Rules(notify=NotifyRules(events=frozenset()))


def opened(path: Path, clock: VirtualClock) -> EmbeddedBroker:
    return EmbeddedBroker.open(path, clock=clock, instance="benchmark")


async def make(path: Path, count: int) -> None:
    """Fill `path` with `count` open incidents and leave a checkpoint."""
    clock = VirtualClock(START)
    broker = opened(path, clock)
    driver = Driver(broker, clock, rules(), pace=PACE)
    await driver.start()
    for first in range(0, count, BATCH):
        await driver.publish(RAW.name, 0, [Draft(None, alerts(first, min(BATCH, count - first)))])
        if first % (20 * BATCH) == 0:
            await driver.settle()
    await driver.settle()
    for group in driver.groups:
        await group.suspend()
        for owner in group.owners:
            await owner.upkeep.finish(owner)
    await driver.crash()
    await broker.close()


def resident() -> int:
    """Bytes of memory that this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
