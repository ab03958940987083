"""Workers that are killed, frozen, stopped and joined under load on a real Kafka: one history for everybody.

The judge uses none of the product's folds, and neither does the subscriber that reads along (`kafka_judging.py`).

Environment:
    TOCSIN_KILLS, TOCSIN_REBALANCES, TOCSIN_ZOMBIES=<number>  how often each happens
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from integration.kafka_chaos import Chaos, Wanted, under_load
from integration.kafka_judging import told
from integration.kafka_running import SESSION, Installation, count
from integration.running import Sink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@asynccontextmanager
async def judged(
    tmp_path: Path, kafka: str, prefix: str, chance: random.Random, workers: int
) -> AsyncIterator[Installation]:
    """Workers under load; at the end everything has to be as promised."""
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=workers) as installation:
        async with under_load(installation, sink, chance) as outcome:
            yield installation
        print(outcome.summary())
        assert not outcome.problems, told(outcome.problems)
        assert outcome.counts["alerts"] > 100


async def test_one_worker_that_is_killed_and_comes_back(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    async with judged(tmp_path, kafka, prefix, chance, 1) as installation:
        chaos = Chaos(installation, chance)
        await chaos.run(Wanted(kills=count("TOCSIN_KILLS", 20) // 4))
    assert not chaos.crashes, chaos.crashes[0]
    print(f"serving again after {sorted(round(one, 2) for one in chaos.slow)} s")


async def test_three_workers_that_are_killed_frozen_and_joined(
    tmp_path: Path, kafka: str, prefix: str, seed: int
) -> None:
    chance = random.Random(seed)
    wanted = Wanted(
        kills=count("TOCSIN_KILLS", 20) * 3 // 4,
        rebalances=count("TOCSIN_REBALANCES", 10),
        zombies=count("TOCSIN_ZOMBIES", 2),
        stutters=2,
    )
    async with judged(tmp_path, kafka, prefix, chance, 3) as installation:
        chaos = Chaos(installation, chance)
        await chaos.run(wanted)
        print(dict(chaos.done), chaos.frozen)
    assert not chaos.crashes, chaos.crashes[0]


async def test_another_worker_takes_over(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    async with judged(tmp_path, kafka, prefix, random.Random(seed), 2) as installation:
        await asyncio.sleep(2)
        killed, other = installation.workers[1], installation.workers[0]
        killed.kill()
        began = time.monotonic()
        await asyncio.sleep(SESSION)
        await other.ready()
        print(f"took over after {time.monotonic() - began:.1f} s")
