"""What no story in the list can say yet: it comes out differently on one partition and on four."""

from pathlib import Path

from scenarios.sending import a_slow_pager, over_channels
from scenarios.transports import in_memory
from scenarios.words import Play, alert
from tocsin.testing.scenario import Story, play


async def a_page_in_a_crowd(play: Play) -> None:
    """Messages of every partition wait for one slow channel when a page comes."""
    await play.at("10:00")
    for n in range(12):
        await play.alertmanager(alert(f"Low {n}", "a", "10:00", severity="low", service=f"service {n}"))
    await play.at("10:00:05")
    for n in range(4):  # services of different partitions: whichever is worked on last must not be the last to call
        await play.alertmanager(alert(f"Outage {n}", "a", "10:00", severity="critical", service=f"hit {n}"))
    await play.at("10:02")
    titles = [one.rpartition(": ")[2] for one in play.messages("pager")]
    assert all(title.startswith("Outage") for title in titles[1:5]), titles


CROWD = Story(a_page_in_a_crowd, over_channels("pager"), a_slow_pager)


def test_pages_go_before_everything_that_waits(tmp_path: Path) -> None:
    assert play(CROWD, in_memory(1), tmp_path).problems == []


def test_pages_go_before_what_waits_in_other_partitions(tmp_path: Path) -> None:
    assert play(CROWD, in_memory(4), tmp_path).problems == []
