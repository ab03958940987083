"""Merges, within a partition and across: nothing is lost, whoever dies between, whoever refuses."""

from typing import Any

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.ids import partition_in
from tocsin.stage import CommandSent
from tocsin.testing.story import Desk, alert, types

PARTITIONS = 2


def pair() -> tuple[Desk, str, Desk, str]:
    """Two owners with an incident each."""
    one, two = (Desk(partition=number, partitions=PARTITIONS) for number in range(PARTITIONS))
    one.read(alert("a", 0, severity="critical"))
    two.read(alert("b", 0.5, group="mail"))
    return one, one.incidents[0].id, two, two.incidents[0].id


def delivered(source: Desk, target: Desk) -> list[ev.Event]:
    """What the target writes for the commands that the source holds, which forgets them then."""
    written: list[ev.Event] = []
    for command in source.stage.outgoing(source.state):
        written += target.give(command)
        source.give(CommandSent(command.command_id))
    return written


def test_a_merge_moves_the_members_and_closes_the_other_one() -> None:
    desk = Desk().read_all([alert("a", 0, severity="critical"), alert("b", 0.5, group="mail")])
    absorbed, survivor = (incident.id for incident in desk.incidents)
    merged, closed, outcome = desk.command("merge", absorbed, into=desk.incidents[1].header.number, reason="one cause")
    assert (merged.TYPE, merged.incident_id, merged.absorbed) == ("incident.merged", survivor, absorbed)
    assert (closed.merged_into, closed.note, outcome.TYPE) == (survivor, "one cause", "command.applied")
    (left,) = desk.incidents
    assert (left.id, left.header.alerts, left.header.severity, left.pinned) == (survivor, 2, "critical", True)
    assert desk.stage.outgoing(desk.state) == ()
    assert desk.replayed() == desk.state
    acknowledged, _ = desk.command("acknowledge", absorbed)
    assert acknowledged.incident_id == survivor, "commands on it apply to the one that goes on"


def test_alerts_of_its_group_open_a_new_incident_after_a_merge_and_repeats_count_for_the_survivor() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 0.5, group="mail")])
    absorbed, survivor = (incident.id for incident in desk.incidents)
    desk.command("merge", absorbed, into=survivor)
    assert types(desk.read(alert("a", 1, started=0))) == ["journal.tallied"]
    assert desk.state.incidents[survivor].occurrences == 3
    (opened,) = desk.read(alert("c", 2))
    assert (opened.TYPE, opened.recurrence_of) == ("incident.opened", absorbed)


def test_a_survivor_that_is_closed_is_refused() -> None:
    desk = Desk().read_all([alert("a", 0), alert("b", 0.5, group="mail")])
    absorbed, survivor = (incident.id for incident in desk.incidents)
    desk.command("close", survivor)
    (outcome,) = desk.command("merge", absorbed, into=survivor)
    assert outcome.reason == "survivor_closed"


def test_across_partitions_the_other_owner_is_told_what_it_goes_on_with() -> None:
    one, absorbed, two, survivor = pair()
    closed, _ = one.command("merge", absorbed, into=survivor, by="ada")
    assert (closed.TYPE, closed.merged_into, closed.header.alerts) == ("incident.closed", survivor, 1)
    merged, raised, outcome = delivered(one, two)
    assert (merged.TYPE, merged.absorbed, merged.alerts, merged.actor) == ("incident.absorbed", absorbed, 1, "ada")
    assert (raised.TYPE, raised.header.severity) == ("incident.severity_raised", "critical")
    assert outcome.TYPE == "command.applied"
    assert one.stage.outgoing(one.state) == ()
    for desk in (one, two):
        assert desk.replayed() == desk.state
    (refused,) = one.command("acknowledge", absorbed)
    assert (refused.reason, survivor in refused.message) == ("merged", True)


def test_across_partitions_a_resolved_survivor_is_open_again_for_what_fires() -> None:
    one, absorbed, two, survivor = pair()
    two.command("resolve", survivor)
    one.command("merge", absorbed, into=survivor)
    assert "incident.reopened" in types(delivered(one, two))
    assert (two.incidents[0].header.status, two.incidents[0].header.acknowledged_at) == ("open", None)
    assert two.replayed() == two.state


def test_across_partitions_a_resolved_survivor_stays_so_when_nothing_fires() -> None:
    one, absorbed, two, survivor = pair()
    two.command("resolve", survivor)
    one.read(alert("a", 1, started=0, severity="critical", status="resolved"))
    assert one.state.incidents[absorbed].header.firing == 0
    one.command("merge", absorbed, into=survivor)
    assert "incident.reopened" not in types(delivered(one, two))


def test_who_dies_before_the_command_is_known_to_be_written_writes_it_again_and_it_is_answered_once() -> None:
    one, absorbed, two, survivor = pair()
    one.command("merge", absorbed, into=survivor)
    (before,) = one.stage.outgoing(one.state)
    two.give(before)
    one.state = one.replayed()  # it died before it could note that the command is in the log
    (again,) = one.stage.outgoing(one.state)
    assert again == before
    assert two.give(again) == []
    two.read(alert("c", 60 * 25))  # the outcome is forgotten, what it brought about is not
    assert types(two.give(again)) == ["command.unchanged"]


def test_a_checkpoint_keeps_what_is_still_to_be_said() -> None:
    one, absorbed, _, survivor = pair()
    one.command("merge", absorbed, into=survivor)
    freezing = one.stage.freeze(one.state)
    freezing.seal()
    slices = []
    while (slice_ := freezing.rest()) is not None:
        slices.append(slice_)
    thawed, _ = one.stage.thaw(slices)
    assert one.stage.outgoing(thawed) == one.stage.outgoing(one.state)


def test_a_refusal_comes_back_and_opens_it_again() -> None:
    one, absorbed, two, survivor = pair()
    two.command("close", survivor)
    one.command("merge", absorbed, into=survivor)
    (refused,) = delivered(one, two)
    assert (refused.TYPE, refused.reason, refused.incident_id) == (
        "command.rejected",
        "illegal_transition",
        absorbed,
    )
    reopened, outcome = delivered(two, one)
    assert (reopened.TYPE, reopened.reason, outcome.TYPE) == ("incident.reopened", "merge_refused", "command.applied")
    incident = one.state.incidents[absorbed]
    assert (incident.header.status, incident.merged_into) == ("open", None)
    for desk in (one, two):
        assert desk.replayed() == desk.state
        assert desk.stage.outgoing(desk.state) == ()


def test_a_survivor_that_never_was_is_refused_as_well() -> None:
    one, absorbed, two, survivor = pair()
    nobody = survivor[:-1] + ("a" if survivor[-1] != "a" else "b")
    assert partition_in(nobody) == 1
    one.command("merge", absorbed, into=nobody)
    (refused,) = delivered(one, two)
    assert (refused.reason, refused.incident_id) == ("unknown_incident", absorbed)
    assert types(delivered(two, one)) == ["incident.reopened", "command.applied"]


def test_two_that_are_merged_into_each_other_at_once_are_both_open_again() -> None:
    one, first, two, second = pair()
    one.command("merge", first, into=second)
    two.command("merge", second, into=first)
    for _ in range(3):
        delivered(one, two)
        delivered(two, one)
    assert [desk.incidents[0].header.status for desk in (one, two)] == ["open", "open"]


def test_a_number_of_another_partition_needs_the_id() -> None:
    one, absorbed, two, _ = pair()
    (outcome,) = one.command("merge", absorbed, into=two.incidents[0].header.number)
    assert outcome.reason == "id_needed"


def test_an_absorb_that_names_nothing_is_refused_and_nobody_is_asked() -> None:
    _, _, two, survivor = pair()
    for arguments in ({}, {"absorbed": "nonsense"}, {"absorbed": 7}):
        wrong: dict[str, Any] = {"command_id": f"c{len(str(arguments))}", "verb": "absorb", "incident": "nobody"}
        (outcome,) = two.give(Command(**wrong, arguments=arguments))
        assert outcome.TYPE == "command.rejected"
    assert two.stage.outgoing(two.state) == ()
    assert two.incidents[0].id == survivor
