"""A process that dies at each step of its work, before it or after it: nothing is lost, nothing is doubled.

One installation lives through all of them, so whatever one death leaves behind meets the next. The same points are
taken on Kafka and on the embedded log.
"""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from integration.kafka_chaos import under_load
from integration.kafka_judging import told
from integration.kafka_running import Installation, Worker
from integration.running import Sink
from tocsin.testing.failing import POINTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

REACHED_WITHIN = 40.0
"""Seconds from the start of a process to the step at which it dies."""
ONCE = ("fold", "claim", "release")
"""Steps that come only once a partition: at a start, or at an end."""


async def dies_at(worker: Worker, point: str, nth: int) -> None:
    """Start `worker` so that it dies at `point`, and wait until it has.

    Raises:
        AssertionError: it did not get there, or ended otherwise.
    """
    worker.entry = (sys.executable, "-m", "tocsin.testing.failing", f"{point}:{nth}")
    worker.launch()
    assert worker.process is not None
    if point.startswith("release"):
        await worker.ready()
        worker.process.send_signal(signal.SIGTERM)
    code = await asyncio.wait_for(asyncio.to_thread(worker.process.wait), REACHED_WITHIN)
    assert code == -signal.SIGKILL, f"{point}: ended with {code}\n{worker.printed()}"


async def test_death_at_every_step_on_kafka(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    points = list(POINTS)
    chance.shuffle(points)
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=1) as installation:
        (worker,) = installation.workers
        usual = worker.entry
        async with under_load(installation, sink, chance) as outcome:
            worker.kill()
            for point in points:
                await dies_at(worker, point, 1 if point.startswith(ONCE) else chance.randint(1, 4))
            worker.entry = usual
            await worker.start()
        print(outcome.summary())
        assert not outcome.problems, told(outcome.problems)
