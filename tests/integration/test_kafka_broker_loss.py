"""Brokers that are killed, stopped and frozen under workers and load: all goes on by itself, nothing is lost.

The loss of the only node is part of the run at length (`tests/benchmarks/faults.py`).

Environment:
    TOCSIN_BROKER_KILLS=<number>  how often a node of three is killed
"""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.kafka_chaos import Chaos, Load, Wanted, under_load
from integration.kafka_judging import told
from integration.kafka_running import Installation, count
from integration.running import Sink
from kafka.cluster import Cluster
from kafka.topics import delete_prefix

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


async def hit(directory: Path, cluster: Cluster, prefix: str, seed: int, wanted: Wanted) -> None:
    """Two workers under load while nodes are hit, one after the other."""
    chance = random.Random(seed)
    async with (
        Sink() as sink,
        Installation(directory, cluster.servers, prefix, sink.url, workers=2) as installation,
    ):
        async with under_load(installation, sink, chance, Load(http=40.0, direct=10.0)) as outcome:
            chaos = Chaos(installation, chance, cluster.nodes)
            await chaos.run(wanted)
        print(seed, dict(chaos.done), outcome.summary())
        assert not outcome.problems, told(outcome.problems)
        assert not chaos.crashes, chaos.crashes[0]
        assert outcome.counts["alerts"] > 100


@pytest.fixture
async def three_prefix(three_kafkas: Cluster, seed: int) -> AsyncIterator[str]:
    prefix = f"loss{seed}."
    yield prefix
    await delete_prefix(three_kafkas.servers, prefix)


async def test_one_of_three_nodes_at_a_time(
    tmp_path: Path, three_kafkas: Cluster, three_prefix: str, seed: int
) -> None:
    await hit(
        tmp_path, three_kafkas, three_prefix, seed, Wanted(broker_kills=count("TOCSIN_BROKER_KILLS", 1), broker_stops=1)
    )
