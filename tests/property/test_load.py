"""How many unfinished incidents each assignee has is counted in step with the events, whatever happens."""

import random
from collections import Counter

import pytest

from property.test_freeze import steps, tell
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.testing.story import Desk

PEOPLE = ("ana", "bob", "emergency_team")


def counted(desk: Desk) -> dict[str, int]:
    headers = (incident.header for incident in desk.state.incidents.values())
    return dict(Counter(one.assignee for one in headers if one.assignee and one.status in UNFINISHED))


@pytest.mark.parametrize("number", range(20))
def test_the_load_is_the_count_of_unfinished_incidents(number: int, seed: int) -> None:
    chance = random.Random(seed + number)
    desk = Desk()
    seen: set[str] = set()
    for step, told in enumerate(steps(chance)):
        if chance.random() < 0.3:
            reference = f"INC-2026-11-21-{chance.randint(1, 6):03d}"
            desk.command("assign", reference, id=f"assign-{step}", assignee=chance.choice(PEOPLE))
        tell(desk, told)
        assert desk.state.load == counted(desk)
        seen |= desk.state.load.keys()
    assert seen
    assert desk.replayed().load == desk.state.load
