"""Whose a new incident is, and a page that only tries the way."""

from datetime import timedelta

from msgspec.structs import replace

from tocsin.domain.header import TEST_LABEL, TEST_SOURCE, is_test
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Assignment, Rules, Service, Team, User
from tocsin.testing.story import Desk, alert, types

RULES = Rules(
    assignment=Assignment(by_category={"system": "ops"}, by_severity={}, balance=True),
    users={name: User() for name in ("ana", "bob")},
    teams={"ops": Team(members=("ana", "bob")), "web": Team()},
    services={"web": Service(team="web")},
)


def test_incidents_go_round_by_load_and_the_opening_says_why() -> None:
    desk = Desk(rules=RULES)
    for number in range(3):
        desk.read(alert(f"a{number}", number, group=f"g{number}"))
    opened = [event for event in desk.events if event.TYPE == "incident.opened"]
    assert [(one.header.team, one.header.assignee, one.assigned_because) for one in opened] == [
        ("ops", "ana", "by_load: 2 of 2 can be called, ana has fewest (0)"),
        ("ops", "bob", "by_load: 2 of 2 can be called, bob has fewest (0)"),
        ("ops", "ana", "by_load: 2 of 2 can be called, ana has fewest (1)"),
    ]
    desk.command("resolve", opened[0].incident_id)
    desk.command("resolve", opened[2].incident_id)
    assert desk.state.load == {"bob": 1}
    desk.read(alert("a9", 9, group="g9"))
    assert desk.events[-1].header.assignee == "ana"


def test_the_service_of_the_alert_and_of_a_declared_one_names_the_team() -> None:
    desk = Desk(rules=RULES).read_all([alert("a", 0, service="web")])
    assert (desk.events[0].header.team, desk.events[0].assigned_because) == ("web", "by_service")
    declared, _ = desk.command("declare", title="down", service="web")
    assert (declared.header.team, declared.assigned_because) == ("web", "by_service")
    declared, _ = desk.command("declare", title="down", assignee="bob")
    assert (declared.header.assignee, declared.assigned_because) == ("bob", "by_command")


def test_the_links_of_the_service_come_with_the_incident_as_far_as_there_is_room() -> None:
    board = {f"{letter}-board": f"https://{letter}.example" for letter in "dcba"}
    service = Service(runbook="https://wiki.example/web", links=board)
    rules = replace(RULES, services={"web": service, "named": Service(runbook="service down")})
    (opened, *_) = Desk(rules=rules).read(alert("a", 0, service="web"))
    assert opened.header.links == {
        "a-board": "https://a.example",
        "b-board": "https://b.example",
        "c-board": "https://c.example",
        "runbook": "https://wiki.example/web",
    }
    own = {"runbook": "https://own.example"}
    declared, _ = Desk(rules=rules).command("declare", title="down", service="web", links=own)
    assert declared.header.links["runbook"] == "https://own.example"
    declared, _ = Desk(rules=rules).command("declare", title="down", service="named")
    assert declared.header.links == {}


def test_a_test_page_calls_its_target_and_closes_by_itself() -> None:
    desk = Desk()
    told = desk.command("test_page", target="user:ana")
    assert types(told) == ["incident.opened", "incident.escalation_requested", "command.applied"]
    opened, requested, _ = told
    assert is_test(opened.header)
    assert requested.target == "user:ana"
    assert opened.close_due_at == desk.now + timedelta(minutes=15)
    assert desk.replayed() == desk.state
    desk.until(20)
    incident = desk.state.incidents[opened.incident_id]
    assert (incident.header.status, desk.events[-1].reason) == (Status.CLOSED, "test_over")


def test_neither_a_declared_incident_nor_one_of_alerts_can_say_that_it_is_a_test() -> None:
    desk = Desk()
    declared, *_ = desk.command("declare", title="down", source=TEST_SOURCE, labels={TEST_LABEL: "true"})
    assert not is_test(declared.header)
    (opened, *_) = Desk().read(alert("a", 0))
    assert not is_test(replace(opened.header, source=TEST_SOURCE, labels={TEST_LABEL: "true"}))
