"""A process that dies at each step of its work, before it or after it: nothing is lost, nothing is doubled.

One installation lives through all of them, so whatever one death leaves behind meets the next. The same points are
taken on Kafka and on the embedded log.

Environment:
    TOCSIN_STEPS=<number>  how often each point is taken; more than once takes those of equal moments, too
"""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from integration.kafka_chaos import under_load
from integration.kafka_judging import received, rows, told
from integration.kafka_running import ESCALATED_AFTER, ESCALATION, TOPICS, Installation, Spread, Worker, count
from integration.running import Sink
from tocsin.testing.checker import check
from tocsin.testing.failing import POINTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TIMES = count("TOCSIN_STEPS", 1)
REACHED_WITHIN = 40.0
"""Seconds from the start of a process to the step at which it dies."""
ONCE = ("fold", "claim", "release", "checkpoint", "chunks")
"""Steps that come a few times in a life."""
AT_THE_END = ("release",)
"""Steps that come when it is asked to end."""
ASKED_MAX = 3
"""How often it is: on a busy machine a member may lose its partitions just before, and has nothing to release then."""
SAME_MOMENT = {
    "intake.before", "publish.before", "store.before", "decide.before", "evolve.before", "confirm.before",
    "commit.before", "fold.before", "claim.before", "persist.before", "fire.before", "record.after",
    "show.before", "chunks.before", "checkpoint.before",
}  # fmt: skip
"""Points between which and another one nothing is written or sent."""


def points(chance: random.Random) -> list[str]:
    """All points to take, in any order."""
    found = [point for point in POINTS if TIMES > 1 or point not in SAME_MOMENT] * TIMES
    chance.shuffle(found)
    assert len(found) >= 14
    return found


async def dies_at(worker: Worker, point: str, nth: int, asked: int = 1) -> None:
    """Start `worker` so that it dies at `point`, and wait until it has.

    Raises:
        AssertionError: it did not get there, or ended otherwise.
    """
    worker.entry = (sys.executable, "-m", "tocsin.testing.failing", f"hurry,{point}:{nth}")
    worker.launch()
    assert worker.process is not None
    if point.startswith(AT_THE_END):
        await worker.ready()
        worker.process.send_signal(signal.SIGTERM)
    try:
        code = await asyncio.to_thread(worker.process.wait, REACHED_WITHIN)
    except subprocess.TimeoutExpired:
        async with httpx.AsyncClient(base_url=worker.url) as client:
            said = [(await client.get(path)).text for path in ("/-/ready", "/metrics")]
        raise AssertionError(f"{point}:{nth} was not reached\n" + "\n".join(said)) from None
    finally:
        if worker.running:
            worker.kill()
    if code == 0 and point.startswith(AT_THE_END) and asked < ASKED_MAX:
        await dies_at(worker, point, nth, asked + 1)
        return
    assert code == -signal.SIGKILL, f"{point}: ended with {code}\n{worker.printed()}"


async def dies_everywhere(worker: Worker, chance: random.Random) -> None:
    """End `worker` at all points, and have it run again as usual."""
    usual = worker.entry
    worker.kill()
    for point in points(chance):
        began = time.monotonic()
        await dies_at(worker, point, 1 if point.startswith(ONCE) else chance.randint(1, 4))
        print(f"{point} after {time.monotonic() - began:.1f} s", flush=True)
    worker.entry = usual
    await worker.start()


async def test_death_at_every_step_on_kafka(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=1) as installation:
        async with under_load(installation, sink, chance) as outcome:
            await dies_everywhere(installation.workers[0], chance)
        print(seed, outcome.summary())
        assert not outcome.problems, told(outcome.problems)


async def test_death_at_every_step_on_the_embedded_log(tmp_path: Path, seed: int) -> None:
    chance, over = random.Random(seed), False
    async with Sink() as sink:
        worker = Worker(tmp_path, sink.url, partitions=2, escalate=ESCALATION, notify={"events": ["incident.opened"]})
        await worker.start()
        try:
            load = Spread(worker.url, 80.0, urls=lambda: [worker.url], chance=chance)
            sending = asyncio.create_task(load.run(lambda: over))
            await dies_everywhere(worker, chance)
            over = True
            await sending
            await worker.quiet(120.0, still=ESCALATED_AFTER + 1)
            assert await worker.end() == 0, worker.printed()
            await worker.start()
            log = [line for topic in TOPICS for line in await asyncio.to_thread(worker.exported, topic)]
            assert await worker.end() == 0
        finally:
            if worker.running:
                worker.kill()
    last = {(line["topic"], line["partition"]): line["offset"] for line in log}
    every = rows(tmp_path / "state" / "events.sqlite3")
    kept = [row for row in every if row["offset"] <= last[row["topic"], row["partition"]]]
    checked = check(log, [received(one) for one in sink.journal], kept)
    print(seed, checked.counts)
    assert not checked.problems, told(checked.problems)
    assert checked.counts["alerts"] > 100
