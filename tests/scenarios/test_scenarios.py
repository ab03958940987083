"""Every story on every log, and with a crash in its middle: what is told afterwards is the same.

Plain pytest lets each story die at a moment chosen by the seed; `-m slow` at several. A real Kafka is asked in
`test_on_kafka.py`.

Environment:
    TOCSIN_MOMENTS=<number>  how many moments of each story; 10,000 are all there are
"""

import os
from pathlib import Path
from random import Random

import pytest

from scenarios.agreeing import agrees, every_story, survives, undisturbed
from scenarios.transports import TRANSPORTS
from tocsin.testing.scenario import Crash, Story, Transport


@every_story
@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_a_story_is_the_same_on_every_log(story: Story, transport: Transport) -> None:
    played = undisturbed(story, transport)
    assert played.counts["incident.opened"] > 0
    agrees(played, story)


CRASHES = 1
"""Moments of each story at which plain pytest lets the process die."""
MORTAL = (TRANSPORTS[1], TRANSPORTS[2], TRANSPORTS[4])
"""Four partitions each: a crash between two of them leaves one ahead of the other."""


@every_story
def test_a_crash_in_the_middle_changes_nothing(story: Story, seed: int, tmp_path: Path) -> None:
    chance = Random(f"{seed} {story.name}")
    for number in range(CRASHES):
        transport = chance.choice(MORTAL)
        # Not among the last calls: how many there are at a stop depends on the real time that a file takes.
        crash = Crash(chance.randrange(undisturbed(story, transport).calls * 3 // 4), chance.random() < 0.5)
        survives(story, transport, tmp_path / str(number), crash)


MOMENTS = int(os.environ.get("TOCSIN_MOMENTS", "4"))
"""Moments of each story, before and after a call; 10,000 are all there are."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_story
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_moment_changes_nothing(story: Story, after: bool, seed: int, tmp_path: Path) -> None:
    calls = range(undisturbed(story, MORTAL[0]).calls)
    for nth in Random(f"{seed} {story.name} {after}").sample(calls, min(MOMENTS, len(calls))):
        survives(story, MORTAL[nth % 2], tmp_path / str(nth), Crash(nth, after))  # both in memory, for speed
