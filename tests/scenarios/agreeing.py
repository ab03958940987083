"""What a story told once it was played, held against what it tells when nothing goes wrong."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scenarios import answering, calling, grouping, sending, silencing, sources  # noqa: F401 - each enters its stories into the list
from scenarios.transports import REFERENCE
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


def survives(story: Story, transport: Transport, directory: Path, crash: Crash) -> None:
    directory.mkdir()
    where = f"{story.name} on {transport.name} with {crash}"
    try:
        played = play(story, transport, directory, crash)
        assert played.crashes == 1
        agrees(played, story)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
