"""Stories of what is kept quiet: by silences, planned work and alerts that explain others."""

from typing import Any

import msgspec

from scenarios.words import Play, alert, rfc3339, story
from tocsin.domain.rules import Inhibition, LabelMatch, Maintenance, Restriction
from tocsin.testing.scenario import NO_SLA


def silence(since: str, until: str, **labels: str) -> dict[str, Any]:
    return {
        "matchers": [{"name": name, "value": value} for name, value in labels.items()],
        "starts_at": rfc3339(since),
        "ends_at": rfc3339(until),
        "created_by": "ada",
    }


@story()
async def nobody_is_called_while_it_is_silenced_and_somebody_is_afterwards(play: Play) -> None:
    await play.at("10:00")
    await play.changes("silence/one", silence("10:00", "10:30", instance="a"))
    await play.alertmanager(alert("Down", "a", "10:01", severity="critical"))
    await play.at("10:29")
    assert play.messages() == []
    assert (await play.header("Down"))["suppressed_by"] == "silence:one"
    await play.at("10:31")
    assert play.messages() == ["10:30 unsuppressed to channel:console: Down"]
    await play.at("10:36")
    assert play.messages()[1:] == ["10:35 level 1 to team:everyone: Down"]


@story()
async def an_alert_that_is_not_silenced_is_told_at_once(play: Play) -> None:
    await play.at("10:00")
    await play.changes("silence/one", silence("10:00", "12:00", instance="a"))
    await play.alertmanager(alert("Down", "a", "10:00"))
    await play.at("10:05")
    await play.alertmanager(alert("Down", "b", "10:05"))
    await play.at("10:06")
    assert play.messages() == ["10:05 unsuppressed to channel:console: Down"]


@story()
async def a_silence_that_ends_while_nobody_is_there(play: Play) -> None:
    await play.at("10:00")
    await play.changes("silence/one", silence("10:00", "10:30", instance="a"))
    await play.alertmanager(alert("Down", "a", "10:00"))
    await play.at("10:20")
    await play.down("10:45")
    await play.at("10:46")
    assert play.messages() == ["10:45 unsuppressed to channel:console: Down"]


@story()
async def a_silence_that_is_deleted_and_one_that_is_made_for_what_is_open(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("Down", "a", "10:00"))
    await play.changes("silence/one", silence("10:00", "12:00", instance="a"))
    await play.alertmanager(alert("Slow", "a", "10:00", service="search"))
    await play.at("10:05")
    assert play.messages() == ["10:00 opened to channel:console: Down"]
    await play.changes("silence/one", None)
    await play.at("10:06")
    # Who was told before the silence is not told again.
    assert play.messages()[1:] == ["10:05 unsuppressed to channel:console: Slow"]


NIGHT = Maintenance(
    matchers=(LabelMatch(name="service", value="shop"),),
    time_zone="Europe/London",
    windows=(Restriction(start="10:10", end="10:20"),),
)


@story(msgspec.structs.replace(NO_SLA, maintenance={"nightly": NIGHT}))
async def planned_work_is_quiet_by_the_wall_clock(play: Play) -> None:
    await play.at("10:04")
    await play.alertmanager(alert("Early", "a", "10:04", severity="critical"))
    await play.at("10:12")
    await play.alertmanager(alert("During", "a", "10:12"))
    await play.at("10:19")
    assert (await play.header("Early"))["suppressed_by"] == "maintenance:nightly"
    assert play.messages() == ["10:04 opened to channel:console: Early", "10:09 level 1 to team:everyone: Early"]
    await play.at("10:21")
    assert play.messages()[2:] == ["10:20 unsuppressed to channel:console: During"]
    await play.at("+1 10:12")
    assert (await play.header("During"))["suppressed_by"] == "maintenance:nightly"


POWER = Inhibition(
    name="power",
    source=(LabelMatch(name="alertname", value="PowerLost"),),
    target=(LabelMatch(name="severity", value="warning"),),
    equal=("service",),
)


@story(msgspec.structs.replace(NO_SLA, inhibitions=(POWER,)))
async def what_another_alert_explains_is_quiet_while_that_fires(play: Play) -> None:
    await play.at("10:00")
    await play.alertmanager(alert("PowerLost", "rack", "10:00", severity="critical", cluster="eu"))
    await play.alertmanager(alert("Down", "a", "10:00", cluster="eu"))
    await play.at("10:04")
    assert play.messages() == ["10:00 opened to channel:console: PowerLost"]
    power = alert("PowerLost", "rack", "10:00", severity="critical", cluster="eu", status="resolved", ends="10:04")
    await play.alertmanager(power)
    await play.at("10:05")
    assert play.messages()[1] == "10:04 unsuppressed to channel:console: Down"
