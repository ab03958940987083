"""Every story on every log, and with a crash in its middle: what is told afterwards is the same.

Plain pytest lets each story die at a moment chosen by the seed; `-m slow` at several. A real Kafka is asked with
`-m integration`.

Environment:
    TOCSIN_MOMENTS=<number>  how many moments of each story; 10,000 are all there are
"""

import os
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from scenarios import answering, calling, grouping, sending, silencing, sources  # noqa: F401 - each enters its stories into the list
from scenarios.transports import REFERENCE, TRANSPORTS
from scenarios.transports import kafka as on_kafka
from scenarios.words import STORIES
from tocsin.testing.scenario import Crash, Played, Story, Transport, play

every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@cache
def undisturbed(story: Story, transport: Transport = REFERENCE) -> Played:
    """What comes of the story when nothing goes wrong."""
    with TemporaryDirectory() as directory:
        return play(story, transport, Path(directory))


def agrees(played: Played, story: Story) -> None:
    """Nothing is wrong with the log, and it tells what the reference tells."""
    assert played.problems == []
    expected = undisturbed(story).told
    for part in expected._fields:
        assert getattr(played.told, part) == getattr(expected, part), part


@every_story
@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_a_story_is_the_same_on_every_log(story: Story, transport: Transport) -> None:
    played = undisturbed(story, transport)
    assert played.counts["incident.opened"] > 0
    agrees(played, story)


@pytest.mark.integration
@every_story
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_story_is_the_same_on_kafka(story: Story, partitions: int, kafka: str, prefix: str, tmp_path: Path) -> None:
    agrees(play(story, on_kafka(kafka, partitions, prefix), tmp_path), story)


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


@pytest.mark.integration
@every_story
def test_a_crash_in_the_middle_changes_nothing_on_kafka(
    story: Story, seed: int, kafka: str, prefix: str, tmp_path: Path
) -> None:
    chance = Random(f"{seed} {story.name}")
    # Not among the last calls, as above.
    crash = Crash(chance.randrange(undisturbed(story).calls * 3 // 4), chance.random() < 0.5)
    survives(story, on_kafka(kafka, 1, prefix), tmp_path / "log", crash)


MOMENTS = int(os.environ.get("TOCSIN_MOMENTS", "12"))
"""Moments of each story, before and after a call; 10,000 are all there are."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_story
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_moment_changes_nothing(story: Story, after: bool, seed: int, tmp_path: Path) -> None:
    calls = range(undisturbed(story, MORTAL[0]).calls)
    for nth in Random(f"{seed} {story.name} {after}").sample(calls, min(MOMENTS, len(calls))):
        survives(story, MORTAL[nth % 2], tmp_path / str(nth), Crash(nth, after))  # both in memory, for speed


def survives(story: Story, transport: Transport, directory: Path, crash: Crash) -> None:
    directory.mkdir()
    where = f"{story.name} on {transport.name} with {crash}"
    try:
        played = play(story, transport, directory, crash)
        assert played.crashes == 1
        agrees(played, story)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
