"""Commands and queries over HTTP: outcomes, the same answer to the same id, precise refusals."""

from typing import Any

import pytest

from tocsin.api.commands import REFERENCES
from tocsin.domain.command import VERBS
from tocsin.topics import COMMANDS

ARGUMENTS: dict[str, dict[str, Any]] = {
    "resend": {"delivery": "ntf_" + "a" * 20},
    "assign": {"assignee": "ada"},
    "note": {"text": "x"},
    "declare": {"title": "t"},
    "change": {"root_cause": "a full disk", "root_cause_category": "capacity"},
    "set_roles": {"incident_commander": "ada"},
    "snooze": {"minutes": 5},
    "watch": {"minutes": 5},
    **{verb: {"text": "x"} for verb in ("evidence", "decision", "validation", "follow_up", "post_update")},
    "follow_up_done": {"follow_up": "f1"},
    "playbook_step": {"outcome": "done"},
    "playbook_start": {"playbook": "high-error-rate"},
}
PREPARED = {
    "watch": ("mitigate",),
    "follow_up_done": ("follow_up",),
    "reopen": ("close",),
    "playbook_step": ("playbook_start",),
}
"""What an incident needs before a verb is possible."""


async def commands_in_the_log(rig: Any) -> int:
    return sum([await rig.broker.end(COMMANDS.name, partition) for partition in range(2)])


async def test_a_command_is_applied_by_its_actor_and_stands_in_the_timeline(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow", severity="critical", service="checkout")
    body = {"verb": "acknowledge", "incident": incident, "reason": "on it"}
    answer = await rig.client.post("/api/v1/commands", json=body, headers={"X-Tocsin-Actor": "ada"})
    assert answer.status_code == 200
    outcome = answer.json()
    assert outcome["outcome"] == "applied"
    assert outcome["incident"] == incident
    assert outcome["events"] == [f"{incident}.2"]
    found = (await rig.client.get(f"/api/incident_response/{incident}")).json()
    assert found["status"] == "acknowledged"
    assert found["acknowledged_by"] == "ada"
    assert [
        (entry["type"], entry["actor"]) for entry in found["timeline"] if entry["type"].startswith("incident.")
    ] == [
        ("incident.opened", "local"),
        ("incident.acknowledged", "ada"),
    ]


async def test_the_number_works_like_the_id(rig: Any) -> None:
    ids = [await rig.declared(f"Incident {n}", correlation_id=f"c{n}") for n in range(8)]
    for incident in ids:
        number = (await rig.client.get(f"/api/incident_response/{incident}")).json()["number"]
        assert (await rig.client.get(f"/api/incident_response/{number}")).json()["id"] == incident
        answer = await rig.command("note", number, arguments={"text": "seen"})
        assert (answer.status_code, answer.json()["incident"]) == (200, incident)
    assert len({incident[4:6] for incident in ids}) == 2, "both partitions are used"


async def test_the_same_id_gets_the_same_answer_and_is_written_once(rig: Any) -> None:
    incident = await rig.declared()
    first = await rig.command("acknowledge", incident, command_id="button-1")
    before = await commands_in_the_log(rig)
    again = await rig.command("acknowledge", incident, command_id="button-1")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert await commands_in_the_log(rig) == before
    assert (await rig.client.get("/api/v1/commands/button-1")).json() == first.json()
    other = await rig.command("acknowledge", incident, command_id="button-2")
    assert (other.status_code, other.json()["outcome"]) == (200, "unchanged")


async def test_what_the_lifecycle_does_not_allow_is_409_with_the_reason(rig: Any) -> None:
    incident = await rig.declared()
    await rig.command("close", incident)
    answer = await rig.command("acknowledge", incident)
    assert answer.status_code == 409
    assert answer.json()["outcome"] == "rejected"
    assert answer.json()["reason"] == "illegal_transition"
    assert "possible: reopen" in answer.json()["message"]
    unknown = await rig.command("acknowledge", "inc_aa" + "a" * 20)
    assert (unknown.status_code, unknown.json()["reason"]) == (409, "unknown_incident")


async def test_an_outcome_that_is_not_known_yet_is_202(rig: Any) -> None:
    incident = await rig.declared()
    body = {"verb": "note", "incident": incident, "command_id": "later", "arguments": {"text": "x"}}
    answer = await rig.client.post("/api/v1/commands", json=body, params={"wait": 0})
    assert answer.status_code == 202
    assert answer.json() == {
        "command_id": "later",
        "outcome": "pending",
        "reason": "",
        "events": [],
        "incident": incident,
    }
    known = await rig.client.get("/api/v1/commands/later", params={"wait": 20})
    assert known.json()["outcome"] == "applied"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"verb": "acknowlege", "incident": "i"}, "unknown verb 'acknowlege', did you mean 'acknowledge'?"),
        ({"verb": "resolve"}, "resolve needs the incident"),
        ({"verb": "declare", "incident": "i", "arguments": {"title": "t"}}, "declare takes no incident"),
        ({"verb": "declare"}, "declare needs the argument 'title'"),
        (
            {"verb": "note", "incident": "i", "arguments": {"txt": "x"}},
            "note has no argument 'txt', did you mean 'text'?",
        ),
        ({"verb": "note", "incident": "i", "arguments": {"text": 5}}, "argument 'text' must be text"),
        ({"verb": "note", "incident": "i", "arguments": {"text": "x" * 4001}}, "of at most 4000 letters"),
        ({"verb": "assign", "incident": "i"}, "assign needs the argument 'assignee' or 'team'"),
        ({"verb": "close", "incident": "i", "arguments": {"why": "x"}}, "close has no argument 'why'; it takes none"),
        ({"verb": "declare", "arguments": {"title": "t", "severity": "hgh"}}, "did you mean 'high'?"),
        ({"verb": "declare", "arguments": {"title": "t", "labels": {"a": 1}}}, "labels must be"),
        ({"verb": "resolve", "incident": "incident 7"}, "'incident 7' is neither an incident id (inc_…) nor a number"),
        ({"verb": "resolve", "incident": "i", "incidnt": "i"}, "incidnt"),
        ({"verb": "resolve", "incident": "i", "command_id": "a b"}, "command_id"),
        ({"incident": "i"}, "verb"),
        ([], "should be an object"),
    ],
)
async def test_a_wrong_command_is_422_and_leaves_nothing(rig: Any, body: Any, message: str) -> None:
    answer = await rig.client.post("/api/v1/commands", json=body)
    assert answer.status_code == 422
    assert message in answer.json()["message"]
    assert await commands_in_the_log(rig) == 0


async def test_a_partition_that_does_not_exist_is_404(rig: Any) -> None:
    answer = await rig.command("resolve", "inc_ah" + "a" * 20)
    assert answer.status_code == 404
    assert "there are 2 partitions" in answer.json()["message"]


async def test_a_large_command_is_413(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/commands", content=b" " * 70_000)
    assert answer.status_code == 413


async def test_every_verb_is_taken(rig: Any) -> None:
    other = await rig.declared("another")
    for verb in VERBS:
        incident = "" if verb == "declare" else await rig.declared(verb)
        for before in PREPARED.get(verb, ()):
            assert (await rig.command(before, incident, arguments=ARGUMENTS.get(before, {}))).status_code == 200
        arguments = ARGUMENTS.get(verb, {})
        if verb in REFERENCES:
            arguments = {REFERENCES[verb]: other}
        answer = await rig.command(verb, incident, arguments=arguments)
        assert answer.status_code == 200, answer.text


async def test_lists_are_filtered_and_paged(rig: Any) -> None:
    made = [await rig.declared(f"Incident {n}", severity="high" if n % 2 else "low") for n in range(5)]
    high = (await rig.client.get("/api/incident_response", params={"severity": "high,critical"})).json()
    assert {item["id"] for item in high["items"]} == {made[1], made[3]}
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await rig.client.get("/api/incident_response", params={"limit": 2, "cursor": cursor})).json()
        assert page["total"] == 5
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/incident_response?status=opn", 422, "status: 'opn' is not one of"),
        ("/api/incident_response?severity=hgh", 422, "did you mean 'high'?"),
        ("/api/incident_response?severity=P1", 422, "did you mean 'critical'?"),
        ("/api/incident_response?limit=0", 422, "limit"),
        ("/api/incident_response?limit=501", 422, "limit"),
        ("/api/incident_response?opened_after=yesterday", 422, "opened_after"),
        ("/api/incident_response?opened_after=0001-01-01T00:00:00%2B14:00", 422, "opened_after: out of range"),
        (f"/api/v1/topics/incidents.events.v1/0/records?from={10**30}", 422, "from"),
        (f"/api/v1/topics/incidents.events.v1/{10**30}/records", 404, "has 2 partitions"),
        (f"/api/v1/rejected/0/{10**30}", 422, "offset"),
        ("/api/incident_response?status=" + ",".join(["open"] * 21), 422, "at most 20"),
        ("/api/incident_response?q=" + "x" * 257, 422, "q"),
        ("/api/incident_response?cursor=xyz", 422, "the cursor is none of ours"),
        ("/api/incident_response/INC-2026-01-01-001", 404, "no incident 'INC-2026-01-01-001'"),
        ("/api/alerting?status=open", 422, "status: 'open' is not one of firing, resolved"),
        ("/api/alerting?incident=nope", 404, "no incident 'nope'"),
        ("/api/v1/commands/nope", 404, "'nope'"),
        ("/api/v1/topics/incidents.event.v1/0/records", 404, "did you mean 'incidents.events.v1'?"),
        ("/api/v1/topics/incidents.events.v1/2/records", 404, "has 2 partitions"),
        ("/api/v1/rejected/0/17", 404, "no rejected record '0/17'"),
        ("/nowhere", 404, "/nowhere"),
        ("/docs/nowhere", 404, "no chapter 'nowhere'"),
    ],
)
async def test_a_wrong_question_is_answered_precisely(rig: Any, path: str, status: int, message: str) -> None:
    answer = await rig.client.get(path)
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert answer.json()["error"]
