"""Explanations over HTTP: where an alert would go, who is called when, why somebody was paged."""

import asyncio
from typing import Any

import pytest

from tocsin.explain.why import flat
from unit.api.conftest import Rig


async def told(rig: Rig, severity: str = "emergency") -> dict[str, Any]:
    """An incident of an alert that somebody was paged for, with its deliveries."""
    await rig.send({"title": "Down", "severity": severity, "service": "shop", "labels": {"alertname": "Down"}})
    found = await rig.incident_of_alert("Down")
    while True:
        shown: dict[str, Any] = (await rig.client.get(f"/api/incident_response/{found['id']}")).json()
        if {"escalation.1", "incident.opened"} <= {one["step"] for one in shown["deliveries"] if one["finished_at"]}:
            return shown
        await asyncio.sleep(0.002)


async def test_a_route_is_explained_for_labels_and_for_an_alert(rig: Rig) -> None:
    labels = {"labels": "severity=critical,service=shop,category=database"}
    found = (await rig.client.get("/api/v1/explain/route", params=labels)).json()
    assert (found["rule"], found["incident"]["team"]) == ("default", "database_team")
    body = {"labels": {"severity": "critical", "service": "shop", "category": "database"}, "title": "shop"}
    same = (await rig.client.post("/api/v1/explain/route", json=body)).json()
    assert same["incident"]["team"] == found["incident"]["team"]
    assert [row["target"] for row in same["escalation"]] == [row["target"] for row in found["escalation"]]


async def test_an_explanation_tells_nobody(rig: Rig) -> None:
    await rig.client.get("/api/v1/explain/route", params={"labels": "severity=emergency,service=shop"})
    assert (await rig.client.get("/api/incident_response")).json()["items"] == []


@pytest.mark.parametrize(
    ("parameters", "part"),
    [({}, "labels"), ({"labels": "severity"}, "name=value"), ({"labels": "a=b", "hours": 1e9}, "hours")],
)
async def test_what_is_wrong_with_the_question_is_said(rig: Rig, parameters: dict[str, Any], part: str) -> None:
    answer = await rig.client.get("/api/v1/explain/route", params=parameters)
    assert answer.status_code == 422
    assert part in answer.json()["message"]


async def test_the_calls_of_an_incident_are_those_that_were_made_and_those_to_come(rig: Rig) -> None:
    shown = await told(rig)
    found = (await rig.client.get(f"/api/v1/explain/escalation/{shown['number']}")).json()
    done = [row for row in found["rows"] if row["state"] == "done" and row["kind"] == "escalation.fired"]
    assert [(row["level"], row["reached"][0]["channels"]) for row in done] == [(1, ["console"])]
    assert any(row["kind"] == "sla.breached" and row["state"] == "to_come" for row in found["rows"])
    await rig.command("acknowledge", shown["id"])
    while True:
        found = (await rig.client.get(f"/api/v1/explain/escalation/{shown['id']}")).json()
        if found["ended"]:
            break
        await asyncio.sleep(0.002)
    assert found["ended"] == "acknowledged"
    assert [row["level"] for row in found["rows"] if row["state"] == "done" and "level" in row] == [1]
    assert all(row["after_minutes"] >= 8 for row in found["rows"] if row["state"] == "to_come"), (
        "only the promise to resolve goes on"
    )


async def test_a_page_leads_back_to_the_raw_alert(rig: Rig) -> None:
    shown = await told(rig)
    found = (await rig.client.get(f"/api/v1/explain/why/{shown['number']}")).json()
    (root,) = found["roots"]
    assert root["type"] == "alert"
    assert root["place"].startswith("alerts.raw.v1/")
    nodes = [(depth, node["type"]) for depth, node in flat(found["roots"])]
    assert nodes[:2] == [(0, "alert"), (1, "incident.opened")]
    depth = {kind: depth for depth, kind in nodes}
    assert depth["escalation.scheduled"] == 2
    assert depth["escalation.fired"] == 3
    assert (4, "delivery.planned") in nodes
    assert (5, "delivery.delivered") in nodes

    page = next(one for one in shown["deliveries"] if one["step"] == "escalation.1")
    chain = (await rig.client.get(f"/api/v1/explain/why/{page['delivery_id']}")).json()["roots"]
    assert [node["type"] for node in chain] == [
        "alert",
        "incident.opened",
        "escalation.scheduled",
        "escalation.fired",
        "delivery.planned",
        "delivery.attempted",
        "delivery.delivered",
    ]


async def test_commands_are_causes_as_well(rig: Rig) -> None:
    incident = await rig.declared()
    await rig.command("note", incident, arguments={"text": "looking"})
    found = (await rig.client.get(f"/api/v1/explain/why/{incident}", params={"all": True})).json()
    assert [root["type"] for root in found["roots"]] == ["command", "command"]
    types = [node["type"] for _, node in flat(found["roots"])]
    assert {"incident.opened", "incident.noted", "command.applied"} <= set(types)


async def test_what_is_not_there_is_not_found(rig: Rig) -> None:
    for what in ("why", "escalation"):
        assert (await rig.client.get(f"/api/v1/explain/{what}/INC-2026-01-01-001")).status_code == 404
