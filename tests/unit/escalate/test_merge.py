"""What a merge does to an escalation: a worse severity plans anew, the same one changes nothing."""

from datetime import timedelta

from tocsin.domain.events import Event
from tocsin.domain.rules import Rules
from tocsin.escalate.decide import Escalate
from tocsin.stage import Fact
from tocsin.testing.story import Desk, alert, at


def follow(desk: Desk) -> list[Event]:
    """What escalate writes for the events of the desk."""
    stage = Escalate(0, 1)
    state = stage.empty()
    written: list[Event] = []
    for offset, event in enumerate(desk.events):
        fact = Fact(event, "incidents.events.v1", 0, offset)
        for one in stage.decide(state, fact, Rules(), event.recorded_at):
            stage.evolve(state, one)
            written.append(one)
    return written


def test_a_survivor_that_becomes_critical_by_a_merge_is_escalated_as_critical() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15, severity="critical"), alert("b", 16, started=8)])
    plan = [one for one in follow(desk) if one.TYPE == "escalation.scheduled"][-1]
    assert (plan.reason, plan.header.severity) == ("members_arrived", "critical")
    assert plan.steps[0].due_at <= at(16) + timedelta(minutes=5)
    assert [one.reason for one in follow(desk) if one.TYPE == "escalation.stopped"] == ["merged"]


def test_a_merge_of_equals_plans_nothing_anew() -> None:
    desk = Desk().read_all([alert("a", 0), alert("c", 15), alert("b", 16, started=8)])
    assert [one.TYPE for one in follow(desk)] == ["escalation.scheduled", "escalation.scheduled", "escalation.stopped"]
