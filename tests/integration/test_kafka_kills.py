"""Workers that are killed, frozen, stopped and joined under load on a real Kafka: one history for everybody.

The judge uses none of the product's folds, and neither does the subscriber that reads along (`kafka_judging.py`).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from integration.kafka_judging import Subscriber, judge, quiet, told
from integration.kafka_running import COMMANDS, RAW, SESSION, Installation, Responders, Spread, Stream, count
from integration.running import Sink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

KILLS = count("TOCSIN_KILLS", 20)
RATE = 60.0


@asynccontextmanager
async def under_load(
    tmp_path: Path, kafka: str, prefix: str, seed: int, workers: int
) -> AsyncIterator[tuple[Installation, random.Random]]:
    """Workers under load; at the end everything is judged."""
    chance, over = random.Random(seed), False
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=workers) as installation:
        await installation.start()
        async with Subscriber(installation) as subscriber:
            spread = Spread("", RATE, urls=lambda: installation.urls, chance=chance)
            stream = Stream(kafka, prefix + RAW, RATE / 4)
            people = Responders(kafka, prefix + COMMANDS, installation.partitions, chance)
            busy = [
                asyncio.create_task(spread.run(lambda: over)),
                asyncio.create_task(stream.run(lambda: over)),
                asyncio.create_task(people.run(subscriber.opened, lambda: over)),
            ]
            try:
                yield installation, chance
            finally:
                over = True
                await asyncio.gather(*busy)
            await quiet(installation)
            await installation.stop()
            checked = await judge(installation, sink.journal, subscriber, [spread, stream])
    print(f"seed {seed}, {len(spread.accepted)} + {len(stream.accepted)} accepted, {len(spread.unknown)} unanswered")
    print(f"{people.given} acknowledged: {checked.counts}")
    assert not checked.problems, told(checked.problems)
    assert checked.counts["alerts"] > 100


async def test_kill_9_of_one_worker_that_comes_back(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    took = []
    async with under_load(tmp_path, kafka, prefix, seed, 1) as (installation, chance):
        worker = installation.workers[0]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.1, 1.0))
            worker.kill()
            took.append(await worker.start())
    print(f"serving again after {sorted(round(one, 2) for one in took)} s")


async def test_another_worker_takes_over(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    async with under_load(tmp_path, kafka, prefix, seed, 2) as (installation, _):
        await asyncio.sleep(2)
        killed, other = installation.workers[1], installation.workers[0]
        killed.kill()
        began = time.monotonic()
        await asyncio.sleep(SESSION)
        await other.ready()
        print(f"took over after {time.monotonic() - began:.1f} s")
