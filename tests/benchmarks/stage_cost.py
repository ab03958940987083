"""Microseconds of one core per alert, by stage, with the real runners and a log that costs nothing.

Ingest reads raw records and writes normalized batches; correlate reads those and writes incident events. What the log
takes beside is what `stream.py` measures. The peer in the run is `orjson.loads` of the same records. Checked in the
run: every alert is counted once, and the incidents are as many as were sent. Prints JSON.
Run: `python tests/benchmarks/stage_cost.py [--smoke] [alerts]`.
"""

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Final

import orjson

sys.path.insert(0, str(__import__("pathlib").Path(__file__).parent))
from alerts import Traffic
from asking import asked, options
from measuring import machine

from tocsin.cli.run import YOUNG
from tocsin.correlate.decide import Correlate
from tocsin.domain import events as ev
from tocsin.domain.instant import to_ms
from tocsin.ingest.map import Ingest
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.ingest import IngestRunner, step
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import World
from tocsin.topics import INCIDENTS, NORMALIZED, RAW
from tocsin.wire.events import decode
from tocsin.wire.record import Draft, Record

RUNS: Final = 3
HEADERS: Final = (("tocsin_format", b"alertmanager"),)
ALERTS: Final = 40_000


class Shelf:
    """A log of lists, one partition a topic: what it costs is less than a microsecond a record."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Record]] = {}
        self.now_ms = 0

    def partitions(self, topic: str) -> int:
        return 1

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        log = self.logs.setdefault(topic, [])
        first = len(log)
        log.extend(
            Record(offset, self.now_ms, key, value, headers)
            for offset, (key, value, headers) in enumerate(drafts, first)
        )
        return first

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 2**22
    ) -> Sequence[Record]:
        return self.logs.get(topic, [])[offset : offset + records_max]

    async def begin(self, topic: str, partition: int) -> int:
        return 0

    async def end(self, topic: str, partition: int) -> int:
        return len(self.logs.get(topic, []))

    async def wait(self, beyond: Mapping[tuple[str, int], int], timeout: float) -> None:  # noqa: ASYNC109 - the port
        """Nothing more comes."""

    async def commit(self, group: str, positions: Mapping[tuple[str, int], tuple[int, str]]) -> None:
        """Nobody asks for it."""

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        return None

    async def incarnation(self, topic: str) -> str:
        return "one"

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Keep all."""

    async def close(self) -> None:
        """Nothing to give back."""


async def no_pause(seconds: float) -> None:
    """The log never asks to wait."""


async def stages(traffic: Traffic) -> dict[str, Any]:
    """One run: all of ingest, then all of correlate."""
    shelf = Shelf()
    ingest, correlate = await worked(shelf, list(traffic.records()), traffic)
    return {
        "ingest": ingest / traffic.count * 1e6,
        "correlate": correlate / traffic.count * 1e6,
        "normalized_bytes": sum(len(record.value or b"") for record in shelf.logs[NORMALIZED.name]) / traffic.count,
        "journal_bytes": sum(len(record.value or b"") for record in shelf.logs[INCIDENTS.name]) / traffic.count,
        "correct": correct(shelf.logs[INCIDENTS.name], traffic),
    }


async def worked(shelf: Shelf, values: list[bytes], traffic: Traffic) -> tuple[float, float]:
    """CPU seconds of ingest and of correlate for raw records with `values`."""
    clock = SystemClock()
    began_ms = to_ms(traffic.began + timedelta(minutes=1))
    shelf.logs[RAW.name] = [
        Record(offset, began_ms + offset // 50, None, value, HEADERS) for offset, value in enumerate(values)
    ]
    shelf.now_ms = began_ms + len(values) // 50
    world = World(
        broker=shelf,
        arrivals=Polled(shelf),
        clock=clock,
        instance="bench",
        member="bench",
        metrics=Metrics(),
        random=Random(1),
        pause=no_pause,
    )
    feed = SettingsFeed(world)
    runner = IngestRunner(Ingest(1), world, feed, 0)
    await runner.load()
    begin = time.process_time()
    while await step(world, [runner]):
        pass
    ingest = time.process_time() - begin
    owner = Owner(Correlate(0, 1), world, feed, partitions=1)
    await owner.load()
    begin = time.process_time()
    while await owner.read():
        pass
    await owner.release()
    correlate = time.process_time() - begin
    return ingest, correlate


def correct(journal: list[Record], traffic: Traffic) -> bool:
    """Every alert counted once, and as many incidents as were sent."""
    sightings = incidents = 0
    for record in journal:
        event = decode(record.headers, record.value)
        if isinstance(event, ev.Tallied):
            sightings += sum(tally.count for tally in event.tallies)
        elif isinstance(event, ev.Opened | ev.AlertAttached):
            sightings += 1
            incidents += isinstance(event, ev.Opened)
    return sightings == traffic.count and incidents == traffic.incidents


def parse_cost(traffic: Traffic) -> float:
    """The peer: what parsing alone takes."""
    values = list(traffic.records())
    begin = time.process_time()
    for value in values:
        orjson.loads(value)
    return (time.process_time() - begin) / traffic.count * 1e6


def measured(traffic: Traffic) -> dict[str, Any]:
    """Median and spread of `RUNS` after a warm-up."""
    asyncio.run(stages(traffic))
    found = [asyncio.run(stages(traffic)) for _ in range(RUNS)]
    result: dict[str, Any] = {"correct": all(one["correct"] for one in found)}
    for name in ("ingest", "correlate"):
        values = [one[name] for one in found]
        result[name] = {"median": round(statistics.median(values), 2), "spread": round(max(values) - min(values), 2)}
    result["peer_orjson_loads"] = round(min(parse_cost(traffic) for _ in range(RUNS)), 2)
    result |= {name: round(found[0][name]) for name in ("normalized_bytes", "journal_bytes")}
    return result


def main() -> int:
    gc.freeze()
    gc.set_threshold(*YOUNG)  # as `tocsin run` does
    parser = options(__doc__)
    parser.add_argument("alerts", nargs="?", type=int, default=ALERTS, help="of one load")
    alerts = asked(parser, alerts=2_000).alerts
    loads = {
        "repeats_95": Traffic(alerts, 0.95),
        "repeats_95_text_changing": Traffic(alerts, 0.95, changing=1.0),
        "repeats_95_webhooks_of_20": Traffic(alerts, 0.95, per_record=20),
        "all_new": Traffic(alerts // 2, 0.0, grouped=1),
    }
    result = {name: measured(traffic) for name, traffic in loads.items()}
    print(json.dumps({"benchmark": "stage_cost", "machine": machine(), "microseconds_per_alert": result}, indent=2))
    return 0 if all(one["correct"] for one in result.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
