"""One verb for many incidents over HTTP."""

from typing import Any

import pytest

BULK = "/api/v1/commands/bulk"


async def sent(rig: Any, **body: Any) -> Any:
    return await rig.client.post(BULK, json=body, params={"wait": 20})


async def test_each_incident_gets_its_own_answer_in_the_order_of_the_question(rig: Any) -> None:
    made = [await rig.declared(f"Incident {n}") for n in range(6)]
    answer = await sent(rig, verb="acknowledge", incidents=made, reason="all mine")
    assert answer.status_code == 200
    found = answer.json()
    assert found["counts"] == {"applied": 6}
    assert [item["incident"] for item in found["items"]] == made
    again = await sent(rig, verb="acknowledge", incidents=[*made, *made])
    assert (again.status_code, again.json()["counts"]) == (200, {"unchanged": 6}), "each once"


async def test_what_is_refused_says_why_and_the_rest_is_done(rig: Any) -> None:
    one, two = await rig.declared("one"), await rig.declared("two")
    await rig.command("close", two)
    answer = await sent(
        rig, verb="mitigate", incidents=[one, two, "nonsense", "INC-2020-01-01-001", "inc_zz" + "a" * 20]
    )
    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [(item["outcome"], item["reason"]) for item in items] == [
        ("applied", "applied"),
        ("rejected", "illegal_transition"),
        ("rejected", "invalid"),
        ("rejected", "unknown_incident"),
        ("rejected", "not_found"),
    ]
    assert [item["asked"] for item in items][2:4] == ["nonsense", "INC-2020-01-01-001"]


async def test_the_same_bulk_id_gets_the_same_answers(rig: Any) -> None:
    made = [await rig.declared(f"Incident {n}") for n in range(2)]
    first = await sent(rig, verb="note", incidents=made, arguments={"text": "x"}, command_id="shift-7")
    again = await sent(rig, verb="note", incidents=made, arguments={"text": "x"}, command_id="shift-7")
    assert first.json() == again.json()
    timeline = (await rig.client.get(f"/api/incident_response/{made[0]}")).json()["timeline"]
    assert len([entry for entry in timeline if entry["type"] == "incident.noted"]) == 1


async def test_a_filter_says_which(rig: Any) -> None:
    shop = [await rig.declared(f"Shop {n}", service="shop") for n in range(3)]
    other = await rig.declared("Mail", service="mail")
    answer = await sent(rig, verb="resolve", filter={"service": "shop", "status": ["open"]})
    assert {item["incident"] for item in answer.json()["items"]} == set(shop)
    assert (await rig.client.get(f"/api/incident_response/{other}")).json()["status"] == "open"
    nobody = await sent(rig, verb="resolve", filter={"service": "nowhere"})
    assert (nobody.status_code, nobody.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"verb": "close"}, "bulk needs either incidents or a filter"),
        ({"verb": "close", "incidents": ["i"], "filter": {"service": "x"}}, "bulk needs either incidents or a filter"),
        ({"verb": "close", "filter": {}}, "an empty filter would mean every incident that ever was"),
        ({"verb": "close", "filter": {"colour": "red"}}, "colour"),
        ({"verb": "close", "filter": {"status": ["opn"]}}, "did you mean 'open'?"),
        ({"verb": "close", "incidents": ["i"] * 501}, "500"),
        ({"verb": "clse", "incidents": ["i"]}, "did you mean 'close'?"),
        ({"verb": "note", "incidents": ["i"]}, "note needs the argument 'text'"),
        ({"verb": "absorb", "incidents": ["i"], "arguments": {"absorbed": "i"}}, "unknown verb 'absorb'"),
        ({"verb": "declare", "incidents": ["i"], "arguments": {"title": "t"}}, "declare opens one incident at a time"),
    ],
)
async def test_what_is_wrong_with_all_of_them_is_422(rig: Any, body: dict[str, Any], message: str) -> None:
    answer = await sent(rig, **body)
    assert answer.status_code == 422
    assert message in answer.json()["message"]


async def test_an_incident_is_named_by_its_number_in_another_partition(rig: Any) -> None:
    made = [await rig.declared(f"Incident {n}", correlation_id=f"c{n}") for n in range(6)]
    one = made[0]
    two = next(other for other in made if other[4:6] != one[4:6])
    number = (await rig.client.get(f"/api/incident_response/{two}")).json()["number"]
    merged = await rig.command("merge", one, arguments={"into": number})
    assert merged.json()["outcome"] == "applied"
    assert (await rig.client.get(f"/api/incident_response/{one}")).json()["merged_into"] == two
    found: dict[str, Any] = {}
    while not found.get("absorbed"):
        found = (await rig.client.get(f"/api/incident_response/{two}")).json()
    assert [absorbed["id"] for absorbed in found["absorbed"]] == [one]
    nobody = await rig.command("merge", made[1], arguments={"into": "INC-2020-01-01-001"})
    assert (nobody.status_code, nobody.json()["error"]) == (404, "not_found")


async def test_what_was_voided_is_left_out_of_lists(rig: Any) -> None:
    one, two = await rig.declared("one"), await rig.declared("two")
    await rig.command("void", one)
    assert [item["id"] for item in (await rig.client.get("/api/incident_response")).json()["items"]] == [two]
    shown = (await rig.client.get("/api/incident_response", params={"voided": True})).json()
    assert {item["id"] for item in shown["items"]} == {one, two}
    assert (await rig.client.get(f"/api/incident_response/{one}")).json()["voided"] is True
    closed = (await rig.client.get("/api/incident_response", params={"status": "closed"})).json()
    assert closed["items"] == []


async def test_what_follows_from_the_record_is_shown(rig: Any) -> None:
    incident = await rig.declared("Slow", severity="critical", impact={"users_affected": 12})
    await rig.command("resolve", incident)
    found = (await rig.client.get(f"/api/incident_response/{incident}")).json()
    assert found["priority_level"] == "P1"
    assert found["escalation_flag"] is False
    assert 0 <= found["resolution_time_minutes"] < 1
    assert found["incident_summary"]["users_affected"] == 12
