"""Two incidents of two owners become one, whichever of them dies, and whenever: told the same afterwards."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scenarios.transports import embedded, in_memory
from scenarios.transports import kafka as on_kafka
from scenarios.words import Play, alert, over
from tocsin.domain.ids import partition_in
from tocsin.testing.scenario import NO_SLA, Crash, Played, Story, Transport, play


async def apart(stage: Play) -> tuple[str, str]:
    """Two incidents in two partitions; the ids of the one that is absorbed and of the one that stays."""
    await stage.at("10:00")
    names = [f"shop-{number}" for number in range(8)]
    for name in names:
        await stage.alertmanager(alert(name, "a", "10:00", severity="critical", service=name))
    headers = {header["title"]: header["id"] for header in await stage.headers()}
    absorbed = headers[names[0]]
    survivor = next(headers[name] for name in names if partition_in(headers[name]) != partition_in(absorbed))
    return absorbed, survivor


async def title_of(stage: Play, incident: str) -> str:
    return next(header["title"] for header in await stage.headers() if header["id"] == incident)


async def merged_across_partitions(stage: Play) -> None:
    absorbed, survivor = await apart(stage)
    absorbed_title, survivor_title = await title_of(stage, absorbed), await title_of(stage, survivor)
    await stage.at("10:02")
    await stage.person("merge", absorbed_title, into=survivor)
    await stage.person("merge", await title_of(stage, survivor), into=survivor)  # itself: refused
    await stage.at("10:03")
    lines = [line for line in await stage.lines() if line.counts]
    assert [line.value["absorbed"] for line in lines if line.type == "incident.absorbed"] == [absorbed]
    assert [line.value["incident_id"] for line in lines if line.type == "incident.closed"] == [absorbed]
    asked = {line.value["command_id"] for line in lines if line.type == "journal.sent"}
    assert len(asked) == 1
    answers = [line for line in lines if line.type.startswith("command.") and line.value["command_id"] in asked]
    assert [(line.type, line.value["verb"]) for line in answers] == [("command.applied", "absorb")]
    await stage.alertmanager(over(alert(survivor_title, "a", "10:00", severity="critical", service=survivor_title)))
    await stage.at("10:20")


async def refused_by_a_survivor_that_is_closed(stage: Play) -> None:
    absorbed, survivor = await apart(stage)
    title = await title_of(stage, absorbed)
    await stage.person("close", await title_of(stage, survivor))
    await stage.person("merge", title, into=survivor)
    await stage.at("10:05")
    (header,) = [header for header in await stage.headers() if header["id"] == absorbed]
    assert header["status"] == "open"
    lines = [line for line in await stage.lines() if line.counts]
    reasons = [line.value["reason"] for line in lines if line.type == "incident.reopened"]
    assert reasons == ["merge_refused"]
    assert len([line for line in lines if line.type == "journal.sent"]) == 2


STORIES = [Story(merged_across_partitions, NO_SLA), Story(refused_by_a_survivor_that_is_closed, NO_SLA)]
TRANSPORTS = [in_memory(4), in_memory(4, kafka_like=True), embedded(4)]
every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@cache
def undisturbed(story: Story, transport: Transport) -> Played:
    with TemporaryDirectory() as directory:
        return play(story, transport, Path(directory))


@every_story
@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
def test_it_is_told_the_same_on_every_log(story: Story, transport: Transport) -> None:
    played = undisturbed(story, transport)
    assert played.problems == []
    assert played.told == undisturbed(story, TRANSPORTS[0]).told


@every_story
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whoever_dies(story: Story, after: bool, seed: int, tmp_path: Path) -> None:
    dies(story, after, tmp_path, seed % EVERY, EVERY)


@pytest.mark.slow
@every_story
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whoever_dies_and_whenever(story: Story, after: bool, tmp_path: Path) -> None:
    dies(story, after, tmp_path, 0, 1)


EVERY = 8
"""Plain pytest takes one moment of these."""


def dies(story: Story, after: bool, tmp_path: Path, first: int, every: int) -> None:
    """At appends and commits of the last third, where the merge is; memory only, for speed."""
    transport = TRANSPORTS[1]
    quiet = undisturbed(story, transport)
    for nth in range(quiet.calls * 2 // 3 + first, quiet.calls, every):
        directory = tmp_path / f"{nth}"
        directory.mkdir()
        played = play(story, transport, directory, Crash(nth, after))
        assert (played.problems, played.crashes) == ([], 1), nth
        assert played.told == quiet.told, f"died at call {nth}"


@pytest.mark.integration
@every_story
@pytest.mark.parametrize("share", [0.5, 0.7, 0.85])
def test_whoever_dies_on_kafka(story: Story, share: float, kafka: str, prefix: str, tmp_path: Path) -> None:
    calls = undisturbed(story, TRANSPORTS[1]).calls
    played = play(story, on_kafka(kafka, 4, prefix), tmp_path, Crash(int(calls * share), after=True))
    assert played.problems == []
    assert played.told == undisturbed(story, TRANSPORTS[1]).told
