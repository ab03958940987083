"""Whole lives of tocsin under a seed, with every fault there is, and a checker that knows nothing of how it works.

`TOCSIN_SEEDS` is the number of seeds (10; 200 in CI) or one seed as `=<seed>`.
"""

import os

import pytest

from tocsin.testing.simulator import simulate

CHOSEN = os.environ.get("TOCSIN_SEEDS") or ("200" if os.environ.get("CI") == "true" else "10")
SEEDS = [int(CHOSEN[1:])] if CHOSEN.startswith("=") else list(range(int(CHOSEN)))


@pytest.mark.parametrize("number", SEEDS)
def test_nothing_is_lost_doubled_or_early(number: int) -> None:
    checked = simulate(number)
    again = f"repeat it with: TOCSIN_SEEDS=={number} python -m pytest tests/simulation"
    assert not checked.problems, "\n".join([*checked.problems[:20], again])
    assert checked.counts["alerts"] > 50
    assert checked.counts["incident.opened"] > 0


def test_a_seed_gives_the_same_life_each_time() -> None:
    assert simulate(7) == simulate(7)
