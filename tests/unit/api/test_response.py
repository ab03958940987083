"""The sixteen routes that clients of incident tools expect: incidents as a resource, alerts with their outcome."""

import asyncio
from typing import Any

import httpx
import pytest

from unit.api.conftest import Rig

WAIT = {"wait": 20}


def alert(name: str, **fields: Any) -> dict[str, Any]:
    return {"title": name, "severity": "low", "service": "shop", "key": name, **fields}


async def made(rig: Rig, **fields: Any) -> dict[str, Any]:
    answer = await rig.client.post("/api/incident_response", json={"title": "Slow", **fields}, params=WAIT)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sent(rig: Rig, body: dict[str, Any]) -> dict[str, Any]:
    answer = await rig.client.post("/api/alerting/send", json=body, params=WAIT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


ROUTES = [
    ("get", "/api/incident_response"),
    ("get", "/api/incident_response/{reference}"),
    ("post", "/api/incident_response"),
    ("post", "/api/incident_response/from-alert"),
    ("put", "/api/incident_response/{reference}"),
    ("delete", "/api/incident_response/{reference}"),
    ("post", "/api/incident_response/escalate"),
    ("get", "/api/incident_response/escalation-rules"),
    ("get", "/api/incident_response/playbooks"),
    ("get", "/api/alerting"),
    ("post", "/api/alerting/send"),
    ("post", "/api/alerting/bulk"),
    ("post", "/api/alerting/test"),
    ("get", "/api/alerting/rules"),
    ("put", "/api/alerting/rules"),
    ("get", "/api/alerting/templates"),
]


async def test_the_sixteen_routes_are_there(rig: Rig) -> None:
    paths = rig.app.openapi()["paths"]
    assert [route for route in ROUTES if route[0] not in paths.get(route[1], {})] == []
    assert len(ROUTES) == 16


# ---- incidents ---------------------------------------------------------------------------------------------------


async def test_an_incident_is_created_with_its_fields_and_once_per_command(rig: Rig) -> None:
    fields = {"severity": "critical", "category": "database", "description": "Since nine", "command_id": "c-1"}
    found = await made(rig, **fields)
    assert (found["status"], found["severity"], found["summary"]) == ("open", "critical", "Since nine")
    assert (found["action"], found["reason"], found["existing_alert_id"]) == ("create_new", "declared", None)
    assert (await made(rig, **fields))["id"] == found["id"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "title"),
        ({"title": "x", "severty": "low"}, "severity"),
        ({"title": "x", "severity": "dreadful"}, "dreadful"),
        ([], "object"),
    ],
)
async def test_what_is_wrong_with_a_new_incident_is_said(rig: Rig, body: Any, part: str) -> None:
    answer = await rig.client.post("/api/incident_response", json=body, params=WAIT)
    assert answer.status_code in (409, 422)
    assert part in answer.json()["message"]


async def test_an_update_carries_out_its_fields_and_the_status_last(rig: Rig) -> None:
    found = await made(rig)
    body = {"severity": "critical", "assignee": "ana", "note": "looking", "status": "acknowledged", "reason": "mine"}
    answer = await rig.client.put(f"/api/incident_response/{found['number']}", json=body, params=WAIT)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["severity"], after["assignee"], after["status"]) == ("critical", "ana", "acknowledged")
    assert [one["verb"] for one in after["outcomes"]] == ["assign", "change", "note", "acknowledge"]


async def test_an_update_that_is_refused_says_what_was_done_before(rig: Rig) -> None:
    found = await made(rig)
    path = f"/api/incident_response/{found['id']}"
    assert (await rig.client.put(path, json={"status": "closed"}, params=WAIT)).status_code == 200
    answer = await rig.client.put(path, json={"note": "late", "status": "mitigated"}, params=WAIT)
    assert answer.status_code == 409
    assert answer.json()["error"] == "illegal_transition"
    assert answer.json()["problems"][0] == "note: applied"


@pytest.mark.parametrize(
    ("body", "part"),
    [({"asignee": "ana"}, "did you mean 'assignee'"), ({}, "nothing to change"), ({"status": "opne"}, "did you mean")],
)
async def test_what_is_wrong_with_an_update_is_said(rig: Rig, body: dict[str, Any], part: str) -> None:
    found = await made(rig)
    answer = await rig.client.put(f"/api/incident_response/{found['id']}", json=body, params=WAIT)
    assert answer.status_code == 422
    assert part in answer.json()["message"]


async def test_a_deleted_incident_is_voided_and_kept(rig: Rig) -> None:
    found = await made(rig)
    path = f"/api/incident_response/{found['id']}"
    answer = await rig.client.delete(path, params={**WAIT, "reason": "a mistake"})
    assert answer.status_code == 200, answer.text
    assert (await rig.client.get(path)).json()["status"] == "closed"
    missing = await rig.client.delete("/api/incident_response/INC-2026-11-21-9999", params=WAIT)
    assert missing.status_code == 404


async def test_an_escalation_that_is_asked_for_is_in_the_timeline(rig: Rig) -> None:
    found = await made(rig, severity="high")
    body = {"incident": found["number"], "escalation_level": 1, "reason": "nobody answers"}
    answer = await rig.client.post("/api/incident_response/escalate", json=body, params=WAIT)
    assert answer.status_code == 200, answer.text
    timeline = (await rig.client.get(f"/api/incident_response/{found['id']}")).json()["timeline"]
    assert "incident.escalation_requested" in [entry["type"] for entry in timeline]
    nobody = await rig.client.post("/api/incident_response/escalate", json={"level": 1}, params=WAIT)
    assert nobody.status_code == 422


async def test_the_escalation_rules_have_their_names(rig: Rig) -> None:
    items = (await rig.client.get("/api/incident_response/escalation-rules")).json()["items"]
    assert [(one["escalate_to"], one["escalate_after_minutes"]) for one in items] == [
        ("emergency_team", 0),
        ("senior_engineers", 5),
        ("on_call_engineer", 15),
        ("support_team", 60),
    ]
    assert items[1]["condition"] == "severity == 'critical' AND status == 'open'"
    assert {"escalation_level", "notification_channels"} <= set(items[0])


async def test_the_playbooks_can_be_asked_by_category_and_severity(rig: Rig) -> None:
    found = (await rig.client.get("/api/incident_response/playbooks")).json()
    assert len(found["items"]) == 4
    assert {"title", "steps", "estimated_duration_minutes", "required_skills"} <= set(found["items"][0])
    assert len(found["runbooks"]) == 8
    parameters = {"category": "database", "severity": "critical"}
    chosen = (await rig.client.get("/api/incident_response/playbooks", params=parameters)).json()["items"]
    assert [one["name"] for one in chosen] == ["database-connection-failure"]
    incident = await made(rig, category="database", severity="critical")
    shown = (await rig.client.get(f"/api/incident_response/{incident['id']}")).json()
    assert [one["name"] for one in shown["suggested_playbooks"]] == ["database-connection-failure"]


async def test_runbooks_are_read_by_name(rig: Rig) -> None:
    for one in (await rig.client.get("/api/v1/runbooks")).json()["items"]:
        answer = await rig.client.get(f"/api/v1/runbooks/{one['name']}")
        assert answer.text.startswith(f"# {one['title']}\n")
    wrong = await rig.client.get("/api/v1/runbooks/rolback")
    assert (wrong.status_code, "did you mean 'rollback'" in wrong.json()["message"]) == (404, True)


# ---- alerts ------------------------------------------------------------------------------------------------------


async def test_an_alert_creates_and_one_of_the_same_correlation_updates(rig: Rig) -> None:
    first = await sent(rig, alert("a", correlation_id="deploy-1"))
    second = await sent(rig, alert("b", correlation_id="deploy-1"))
    assert (first["action"], first["existing_alert_id"]) == ("create_new", None)
    assert (second["action"], second["existing_alert_id"]) == ("update_existing", first["alert_id"])
    assert second["incident"] == first["incident"]
    assert second["correlation_id"] == "deploy-1"
    assert first["reason"] != second["reason"]


async def test_a_repeat_and_a_resolve_name_the_alert_that_they_continue(rig: Rig) -> None:
    first = await sent(rig, alert("a"))
    repeat = await sent(rig, alert("a"))
    assert (repeat["action"], repeat["reason"]) == ("update_existing", "repeat")
    assert repeat["existing_alert_id"] == first["alert_id"]
    resolved = await sent(rig, alert("a", status="resolved"))
    assert (resolved["action"], resolved["reason"]) == ("update_existing", "resolved")


async def test_an_outcome_that_is_not_waited_for_is_pending(rig: Rig) -> None:
    answer = await rig.client.post("/api/alerting/send", json=alert("a"), params={"wait": 0})
    assert answer.status_code in (200, 202)
    assert answer.json()["alert_id"].startswith("alt_")
    nothing = await rig.client.post("/api/alerting/send", json=alert("z", status="resolved"), params={"wait": 0.1})
    assert (nothing.status_code, nothing.json()["action"]) == (202, "pending")


@pytest.mark.parametrize("body", [{"nonsense": 1}, [alert("a"), alert("b")], []])
async def test_send_takes_one_good_alert(rig: Rig, body: Any) -> None:
    assert (await rig.client.post("/api/alerting/send", json=body)).status_code == 400


async def test_bulk_answers_for_each(rig: Rig) -> None:
    body = {"alerts": [alert("a"), {"nonsense": 1}, alert("b", service="mail")]}
    answer = await rig.client.post("/api/alerting/bulk", json=body, params=WAIT)
    assert answer.status_code == 207, answer.text
    found = answer.json()
    assert (found["accepted"], found["rejected"], found["created"]) == (2, 1, 2)
    assert [bool(one["error"]) for one in found["items"]] == [False, True, False]
    assert len(found["incidents"]) == 2


async def test_the_path_is_tried_out_and_the_test_alert_taken_back(rig: Rig) -> None:
    answer = await rig.client.post("/api/alerting/test", params=WAIT)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["passed"] is True
    while True:
        incident = (await rig.client.get(f"/api/incident_response/{found['incident']}")).json()
        if not incident["firing"]:
            break
        await asyncio.sleep(0.002)


async def test_an_alert_becomes_an_incident_and_a_known_one_leads_to_its_own(rig: Rig) -> None:
    answer = await rig.client.post("/api/incident_response/from-alert", json=alert("a"), params=WAIT)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    body = {"alert_id": found["alert_id"]}
    known = await rig.client.post("/api/incident_response/from-alert", json=body, params=WAIT)
    assert (known.status_code, known.json()["id"], known.json()["action"]) == (200, found["id"], "update_existing")
    await rig.client.put(f"/api/incident_response/{found['id']}", json={"status": "closed"}, params=WAIT)
    anew = await rig.client.post("/api/incident_response/from-alert", json=body, params=WAIT)
    assert (anew.status_code, anew.json()["title"]) == (201, "a")
    assert anew.json()["id"] != found["id"]
    gone = await rig.client.post("/api/incident_response/from-alert", json={"alert_id": "alt_x"}, params=WAIT)
    assert gone.status_code == 404


async def test_the_rules_are_read_and_replaced(rig: Rig) -> None:
    before = (await rig.client.get("/api/alerting/rules")).json()
    assert before["items"][-1]["name"] == "default"
    assert before["managed_by_file"] is False
    wanted = [{"name": "by-cluster", "when": {"job": "pg"}, "group_by": ["cluster"]}, {"name": "default"}]
    answer = await rig.client.put("/api/alerting/rules", json={"rules": wanted})
    assert answer.status_code == 200, answer.text
    assert [one["name"] for one in answer.json()["items"]] == ["by-cluster", "default"]
    wrong: httpx.Response = await rig.client.put("/api/alerting/rules", json=[{"nmae": "x"}])
    assert wrong.status_code == 422


async def test_the_templates_have_the_variables_in_single_braces(rig: Rig) -> None:
    items = {one["name"]: one for one in (await rig.client.get("/api/alerting/templates")).json()["items"]}
    opened = items["incident.opened"]
    assert (opened["origin"], opened["events"], opened["audience"]) == ("built_in", ["incident.opened"], "team")
    text = opened["subject_template"] + opened["body_template"]
    assert all(name in text for name in ("{title}", "{description}", "{severity}", "{timestamp}"))
    assert "{target}" in items["escalation.fired"]["body_template"]
