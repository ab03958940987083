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
from aiokafka.admin import AIOKafkaAdminClient

from integration.kafka_chaos import Chaos, Wanted, under_load
from integration.kafka_judging import told
from integration.kafka_running import SESSION, Installation, count
from integration.running import Sink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TAKEOVER_WITHIN = 5.0
"""Seconds beyond the session time-out, as promised (DESIGN §9)."""


@asynccontextmanager
async def judged(
    tmp_path: Path, kafka: str, prefix: str, chance: random.Random, workers: int, *, hurried: bool = False
) -> AsyncIterator[Chaos]:
    """Workers under load; at the end everything has to be as promised."""
    async with Sink() as sink, Installation(tmp_path, kafka, prefix, sink.url, workers=workers) as installation:
        if hurried:
            installation.hurry()
        chaos = Chaos(installation, chance, killers=2)
        async with under_load(installation, sink, chance) as outcome:
            yield chaos
            outcome.thawed, chaos.outcome = chaos.thawed, outcome
        print(dict(chaos.done), outcome.summary())
        assert not outcome.problems, told(outcome.problems)
        assert not chaos.crashes, chaos.crashes[0]
        assert outcome.counts["alerts"] > 100


async def test_one_worker_that_is_killed_and_comes_back(tmp_path: Path, kafka: str, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    async with judged(tmp_path, kafka, prefix, chance, 1) as chaos:
        await chaos.run(Wanted(kills=count("TOCSIN_KILLS", 20) // 4))
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
    async with judged(tmp_path, kafka, prefix, chance, 3, hurried=True) as chaos:
        await chaos.run(wanted)


@pytest.mark.parametrize("leaves", ["killed", "stopped"])
async def test_another_worker_takes_over(tmp_path: Path, kafka: str, prefix: str, seed: int, leaves: str) -> None:
    async with judged(tmp_path, kafka, prefix, random.Random(seed), 2) as chaos:
        await asyncio.sleep(2)
        other, leaving = chaos.installation.workers
        if leaves == "killed":
            leaving.kill()
        else:
            assert await leaving.end() == 0, leaving.printed()
        began = time.monotonic()
        owner = await taken_over(chaos.installation, began + SESSION + TAKEOVER_WITHIN)
        print(f"{leaves}: {owner} has everything after {time.monotonic() - began:.1f} s")
        await other.ready()
    if leaves == "stopped":
        assert chaos.outcome.counts["sends"] == chaos.outcome.counts["delivery.attempted"], (
            "stopped in order: no repeats"
        )


async def taken_over(installation: Installation, until: float) -> str:
    """Wait until one member of the core group has all partitions; returns it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.servers)
    await admin.start()
    try:
        while True:
            (group,) = (await admin.describe_consumer_groups([f"{installation.prefix}tocsin.core"]))[0].groups
            members, state = [member[0] for member in group[5]], group[2]
            if len(members) == 1 and state == "Stable":
                return str(members[0])
            assert time.monotonic() < until, group
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
