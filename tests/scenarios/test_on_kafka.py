"""Every story on a real Kafka: undisturbed on four partitions, and with a death in its middle on one."""

from pathlib import Path
from random import Random

import pytest

from scenarios.agreeing import agrees, every_story, survives, undisturbed
from scenarios.transports import kafka as on_kafka
from tocsin.testing.scenario import Crash, Story, play

pytestmark = pytest.mark.integration


@every_story
def test_a_story_is_the_same_on_kafka(story: Story, kafka: str, prefix: str, tmp_path: Path) -> None:
    agrees(play(story, on_kafka(kafka, 4, prefix), tmp_path), story)


@every_story
def test_a_crash_in_the_middle_changes_nothing_on_kafka(
    story: Story, seed: int, kafka: str, prefix: str, tmp_path: Path
) -> None:
    chance = Random(f"{seed} {story.name}")
    # Not among the last calls: how many there are at a stop depends on the real time that a file takes.
    crash = Crash(chance.randrange(undisturbed(story).calls * 3 // 4), chance.random() < 0.5)
    survives(story, on_kafka(kafka, 1, prefix), tmp_path / "log", crash)
