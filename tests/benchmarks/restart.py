"""Restart to serving with many open incidents (P9): a new process, from its first import to loaded owners.

In the run beside it: the bare decoding of the same bytes. Checked: every state has as many entries as were written.
Peer figures: Alertmanager forgets; Faust recovers tables at some 8,500 records/s. Prints JSON.
Run: `python tests/benchmarks/restart.py [--incidents 1000000] [--runs 3]`.
"""

import time

BEGAN = time.time()

import asyncio  # noqa: E402 - imports are part of what is measured
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from asking import asked, options  # noqa: E402
from msgspec.msgpack import Decoder  # noqa: E402
from open_incidents import PACE, START, make, opened, resident, rules  # noqa: E402

from tocsin.domain.incident import Incident, Member  # noqa: E402
from tocsin.testing.clock import VirtualClock  # noqa: E402
from tocsin.testing.driver import Driver  # noqa: E402
from tocsin.topics import CHECKPOINTS  # noqa: E402
from tocsin.wire.checkpoint import decode_chunks  # noqa: E402
from tocsin.wire.frozen import Rows, Thawing  # noqa: E402


async def serve(path: Path) -> dict[str, Any]:
    """Load everything; when that was done, and what there is."""
    imported = time.time()
    clock = VirtualClock(START)
    broker = opened(path, clock)
    before = resident()
    driver = Driver(broker, clock, rules(), pace=PACE)
    await driver.start()
    done = time.time()
    found = {
        "imports": imported - BEGAN,
        "serving": done - BEGAN,
        "bytes": resident() - before,
        "incidents": len(driver.owners()[0].state.incidents),
        "escalations": len(driver.owners()[1].state.running),
        "passed_over": len(
            [line for line in driver.metrics.exposition().splitlines() if b"passed_over_total{" in line]
        ),
    }
    await driver.crash()
    await broker.close()
    return found


async def bare(path: Path) -> dict[str, float]:
    """Read the checkpoints and decode the two large parts of correlate whole, nothing more."""
    broker = opened(path, VirtualClock(START))
    started = time.perf_counter()
    values, offset = [], 0
    while records := await broker.read(CHECKPOINTS.name, 0, offset, bytes_max=16 << 20):
        values += [
            r.value for r in records if r.value and r.key and r.key.startswith(b"correlate/") and b"end" not in r.key
        ]
        offset = records[-1].offset + 1
    await broker.close()
    slices = [one for one in decode_chunks(values) if one.startswith((b"incidents\0", b"alerts\0"))]
    kept: list[Any] = []
    incidents, members = Decoder(list[Incident]), Decoder(list[Member])
    parts = {
        "incidents": Rows(Any, lambda _, block: kept.extend(block.items(incidents))),
        "alerts": Rows(Any, lambda _, block: kept.extend(block.items(members))),
    }
    Thawing({}, parts).read(slices)
    return {"seconds": time.perf_counter() - started, "stored_bytes": sum(map(len, values)), "items": len(kept)}


def once(path: Path) -> dict[str, Any]:
    run = subprocess.run([sys.executable, __file__, "--serve", str(path)], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--incidents", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--serve", type=Path)
    chosen = asked(parser, incidents=5_000, runs=1)
    if chosen.serve:
        print(json.dumps(asyncio.run(serve(chosen.serve))))
        return
    from results import spread, stamped

    with TemporaryDirectory() as name:
        path = Path(name) / "log.sqlite3"
        asyncio.run(make(path, chosen.incidents))
        runs = [once(path) for _ in range(chosen.runs + 1)][1:]
        decoded = asyncio.run(bare(path))
    assert all(run["incidents"] == run["escalations"] == chosen.incidents for run in runs), runs
    assert not any(run["passed_over"] for run in runs), runs
    found = {
        "incidents": chosen.incidents,
        "serving_s": spread([run["serving"] for run in runs]),
        "imports_s": spread([run["imports"] for run in runs]),
        "resident_bytes_per_incident": spread([run["bytes"] / chosen.incidents for run in runs], 0),
        "bare_decode_s": round(decoded["seconds"], 2),
        "checkpoint_bytes_per_incident": round(decoded["stored_bytes"] / chosen.incidents),
    }
    print(json.dumps(stamped("restart", chosen.incidents < 1_000_000, found), indent=1))


if __name__ == "__main__":
    main()
