"""A play can fail: what is told differs when something else happened, and a wrong expectation is shown."""

from pathlib import Path

import pytest

from tocsin.domain.rules import NotifyRules, Rules
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.scenario import Crash, Play, Played, Story, Transport, instant, play


def on(broker_partitions: int, directory: Path, story: Story, crash: Crash | None = None) -> Played:
    logs: list[MemoryBroker] = []

    def opened(_: Path, clock: object) -> MemoryBroker:
        if not logs:
            logs.append(MemoryBroker(clock, broker_partitions))  # type: ignore[arg-type]
        return logs[0]

    return play(story, Transport("memory", broker_partitions, opened), directory, crash)


async def two_alerts(play: Play) -> None:
    await play.at("10:00")
    for name in ("One", "Two"):
        await play.posts("native", {"title": name, "severity": "critical", "labels": {"alertname": name}})
    await play.at("10:06")
    assert len(play.messages()) == 4


async def and_an_answer(play: Play) -> None:
    await two_alerts(play)
    await play.person("acknowledge", "One")


async def a_wrong_expectation(play: Play) -> None:
    await two_alerts(play)
    await play.then("One", "10:00 opened (opened_new_group)")


def test_the_same_story_tells_the_same_on_other_offsets(tmp_path: Path) -> None:
    one, four = on(1, tmp_path, Story(two_alerts)), on(4, tmp_path, Story(two_alerts))
    assert one.told == four.told
    assert len(one.told.incidents) == 2
    assert one.problems == four.problems == []


def test_another_story_tells_something_else(tmp_path: Path) -> None:
    told, other = (on(1, tmp_path, Story(tell)).told for tell in (two_alerts, and_an_answer))
    assert told.incidents != other.incidents
    assert told.commands != other.commands


def test_what_does_not_arrive_is_told(tmp_path: Path) -> None:
    async def silent(play: Play) -> None:
        play.receivers["console"].down = True
        await play.at("10:00")
        await play.posts("native", {"title": "One", "severity": "info"})
        await play.at("11:30")

    played = on(1, tmp_path, Story(silent, rules=Rules(notify=NotifyRules(attempts_max=5))))
    ((words,),) = (messages.values() for messages in played.told.deliveries.values())
    assert words == ["planned (incident.opened)", "failed (failed)", "gave_up (attempts_exhausted)"]


def test_a_wrong_expectation_says_what_the_log_says(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"One: the log says\n  10:00 opened .*\n  10:05 level 1 calls everyone"):
        on(1, tmp_path, Story(a_wrong_expectation))


@pytest.mark.parametrize("after", [False, True])
def test_a_process_dies_once_and_another_one_goes_on(tmp_path: Path, after: bool) -> None:
    calls = on(1, tmp_path, Story(two_alerts)).calls
    assert calls > 20
    for nth in (0, calls // 2, calls - 1):
        assert on(1, tmp_path, Story(two_alerts), Crash(nth, after)).crashes == 1
    assert on(1, tmp_path, Story(two_alerts), Crash(10 * calls, after)).crashes == 0


def test_times_of_day() -> None:
    assert (instant("+1 10:04") - instant("10:04")).days == 1
    assert (instant("10:04:30") - instant("10:04")).seconds == 30
