"""Origin marks: what was asked for over a channel says so, what comes by itself does not."""

from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.testing.story import Desk, alert


def asked(desk: Desk, verb: str, incident: str = "", *, origin: str = "servicenow", **arguments: Any) -> list[ev.Event]:
    command = Command(
        command_id=f"cmd-{verb}", verb=verb, incident=incident, actor="sn", origin=origin, arguments=arguments
    )
    return desk.give(command)


def origins(events: list[ev.Event]) -> set[str]:
    found = {event.origin for event in events if isinstance(event, ev.IncidentEvent)}
    assert found, "no incident event at all"
    return found


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("acknowledge", {}), ("resolve", {}), ("close", {}), ("note", {"text": "seen"}), ("snooze", {"minutes": 5})],
)
def test_what_a_channel_asks_for_carries_its_name(verb: str, arguments: dict[str, Any]) -> None:
    desk = Desk().read_all([alert("a", 0)])
    assert origins(asked(desk, verb, desk.incidents[0].id, **arguments)) == {"servicenow"}
    assert desk.replayed() == desk.state


def test_a_declared_incident_carries_it_and_peoples_own_commands_carry_none() -> None:
    desk = Desk()
    assert origins(asked(desk, "declare", title="Shop is down")) == {"servicenow"}
    assert origins(asked(desk, "acknowledge", desk.incidents[0].id, origin="")) == {""}


def test_what_comes_by_itself_afterwards_carries_none() -> None:
    desk = Desk().read_all([alert("a", 0)])
    asked(desk, "resolve", desk.incidents[0].id)
    assert origins(desk.read(alert("b", 1))) == {""}


def test_across_partitions_a_merge_is_still_known_to_come_from_the_channel() -> None:
    one, two = (Desk(partition=number, partitions=2) for number in range(2))
    one.read(alert("a", 0))
    two.read(alert("b", 0.5, group="mail"))
    asked(one, "merge", one.incidents[0].id, into=two.incidents[0].id)
    (command,) = one.stage.outgoing(one.state)
    assert command.origin == "servicenow"
    assert origins(two.give(command)) == {"servicenow"}
