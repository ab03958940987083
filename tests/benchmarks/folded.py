"""What folding the journals costs: events/s from the log (P7) and bytes of memory per open incident (P8).

In the run beside it: a raw scan that decodes every event; the states as their checkpoints say them, in bytes and, read
back, in memory. Peer figures, from the same traffic on this kind of machine: Alertmanager 3,240 bytes per alert group;
the `eventsourcing` library 35,000 events/s from SQLite. Checked: both ways give as many incidents. Prints JSON.
The rebuild of the event log from SQLite is `event_log.py`.
Run: `python tests/benchmarks/folded.py [--incidents 1000000] [--runs 3]`.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))
from asking import asked, options
from open_incidents import PACE, START, make, opened, resident

from tocsin import topology
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.folding import fold
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.restoring import restore
from tocsin.runtime.world import World
from tocsin.testing.clock import VirtualClock
from tocsin.wire.events import decode

WAYS: Final = ("fold", "thaw", "scan")


def world_of(broker: EmbeddedBroker, clock: VirtualClock) -> World:
    async def pause(seconds: float) -> None:
        clock.advance(seconds)

    return World(
        broker=broker,
        arrivals=Polled(broker),
        clock=clock,
        instance="benchmark",
        member="benchmark",
        metrics=Metrics(),
        random=Random(1),
        pause=pause,
        pace=PACE,
    )


async def look(path: Path, way: str) -> dict[str, Any]:
    """One process, one way: per stage seconds, events or stored bytes, and the memory that is left with it."""
    clock = VirtualClock(START)
    broker = opened(path, clock)
    world = world_of(broker, clock)
    gc.disable()
    found: dict[str, Any] = {}
    kept = []
    for stage in topology.deciders(0, 1):
        before, started = resident(), time.perf_counter()
        events = await broker.end(stage.journal.name, 0)
        if way == "fold":
            kept.append((await fold(stage, world)).state)
        elif way == "thaw":
            restored = await restore(stage, world)
            assert restored.folded is not None
            kept.append(restored.folded.state)
        else:
            await scan(broker, stage.journal.name)
        seconds = time.perf_counter() - started
        found[stage.name] = {"events": events, "seconds": seconds, "bytes": resident() - before}
    found["incidents"] = len(kept[0].incidents) if kept else 0
    await broker.close()
    return found


async def scan(broker: EmbeddedBroker, topic: str) -> None:
    offset = 0
    while records := await broker.read(topic, 0, offset):
        for record in records:
            decode(record.headers, record.value)
        offset = records[-1].offset + 1


def once(path: Path, way: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--look", way, "--path", str(path)]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def summary(way: str, runs: list[dict[str, Any]], incidents: int) -> dict[str, Any]:
    from results import spread

    found: dict[str, Any] = {}
    for stage in ("correlate", "escalate"):
        found[stage] = {"seconds": spread([run[stage]["seconds"] for run in runs])}
        if way != "thaw":
            rates = [run[stage]["events"] / run[stage]["seconds"] for run in runs]
            found[stage]["events_per_s"] = spread(rates, 0)
        if way != "scan":
            found[stage]["bytes_per_incident"] = spread([run[stage]["bytes"] / incidents for run in runs], 0)
            assert all(run["incidents"] == incidents for run in runs), runs
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--incidents", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--look", choices=WAYS)
    parser.add_argument("--path", type=Path)
    chosen = asked(parser, incidents=5_000, runs=1)
    if chosen.look:
        print(json.dumps(asyncio.run(look(chosen.path, chosen.look))))
        return
    from results import stamped

    with TemporaryDirectory() as name:
        path = Path(name) / "log.sqlite3"
        asyncio.run(make(path, chosen.incidents))
        found = {
            way: summary(way, [once(path, way) for _ in range(chosen.runs + 1)][1:], chosen.incidents) for way in WAYS
        }
    document = {"incidents": chosen.incidents, **found}
    print(json.dumps(stamped("folded", chosen.incidents < 1_000_000, document), indent=1))


if __name__ == "__main__":
    main()
