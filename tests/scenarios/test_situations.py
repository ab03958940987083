"""Who is paged at which minute: the tables of situations on every kind of log, and with a process that dies meanwhile.

Plain pytest plays each table where nothing breaks, and with a death at a moment chosen by the seed; a real Kafka is
asked with `-m integration`.
"""

from pathlib import Path
from random import Random

import pytest

from scenarios.situations import DAY, OUTAGES, SITUATIONS, outage
from scenarios.transports import TRANSPORTS
from scenarios.transports import kafka as on_kafka
from tocsin.testing.scenario import Crash, Played, Story, Transport, play

MEMORY, _, KAFKA_LIKE, EMBEDDED, _ = TRANSPORTS
CALLS = {"every_situation": 1000, "nothing_ran": 40}
"""Fewer than the appends and commits of a story: the moments at which it may be killed."""


def test_there_are_at_least_sixty_situations_with_names_of_their_own() -> None:
    names = [one.name for one in SITUATIONS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def lives(story: Story, transport: Transport, directory: Path, crash: Crash | None = None) -> Played:
    try:
        played = play(story, transport, directory, crash)
        assert played.problems == []
        assert played.crashes == (crash is not None)
    except AssertionError as error:
        raise AssertionError(f"{story.name} on {transport.name} with {crash}: {error}") from error
    return played


def some(story: Story, seed: int) -> Crash:
    chance = Random(f"{seed} {story.name}")
    return Crash(chance.randrange(CALLS[story.name]), chance.random() < 0.5)


def test_everybody_is_paged_at_the_minute(tmp_path: Path) -> None:
    lives(DAY, MEMORY, tmp_path)


@pytest.mark.parametrize("transport", [EMBEDDED, KAFKA_LIKE], ids=lambda transport: transport.name)
def test_a_death_in_the_middle_pages_nobody_twice_and_forgets_nobody(
    transport: Transport, seed: int, tmp_path: Path
) -> None:
    lives(DAY, transport, tmp_path, some(DAY, seed))


@pytest.mark.parametrize("catch_up", sorted(OUTAGES))
@pytest.mark.parametrize("transport", [EMBEDDED, KAFKA_LIKE], ids=lambda transport: transport.name)
def test_what_came_due_while_nothing_ran(transport: Transport, catch_up: str, seed: int, tmp_path: Path) -> None:
    lives(outage(catch_up), transport, tmp_path, some(outage(catch_up), seed))


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("dies", [False, True], ids=["undisturbed", "dies"])
def test_everybody_is_paged_at_the_minute_on_kafka(
    dies: bool, seed: int, kafka: str, prefix: str, tmp_path: Path
) -> None:
    lives(DAY, on_kafka(kafka, 1, prefix), tmp_path, some(DAY, seed) if dies else None)


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("catch_up", sorted(OUTAGES))
def test_what_came_due_while_nothing_ran_on_kafka(catch_up: str, kafka: str, prefix: str, tmp_path: Path) -> None:
    lives(outage(catch_up), on_kafka(kafka, 1, prefix), tmp_path)
