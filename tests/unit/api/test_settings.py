"""Settings documents over HTTP: written, read back, conditional, refused with the reason, with their history."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.api.rate import Rates
from tocsin.domain.soundness import DOCUMENT_BYTES_MAX

ANA = {"name": "Ana", "contacts": {"email": ["ana@example.org"]}}


async def put(rig: Any, key: str, document: Any, **more: Any) -> Any:
    return await rig.client.put(f"/api/v1/settings/{key}", json=document, **more)


async def history(rig: Any, key: str, count: int) -> list[dict[str, Any]]:
    while True:
        answer = await rig.client.get(f"/api/v1/settings/{key}/history")
        if answer.status_code == 200 and len(items := answer.json()["items"]) == count:
            found: list[dict[str, Any]] = items
            return found
        await asyncio.sleep(0.002)


async def test_a_document_is_in_force_when_the_answer_comes(rig: Any) -> None:
    answer = await put(rig, "user/ana", ANA, params={"reason": "she joined"}, headers={"X-Tocsin-Actor": "leo"})
    assert answer.status_code == 201, answer.text
    assert rig.node.rules.users["ana"].contacts == {"email": ("ana@example.org",)}
    found = await rig.client.get("/api/v1/settings/user/ana")
    assert found.json() == answer.json()
    assert found.headers["ETag"] == f'"{answer.json()["version"]}"'
    assert {name: found.json()[name] for name in ("document", "actor", "reason", "origin", "read_only")} == {
        "document": ANA,
        "actor": "leo",
        "reason": "she joined",
        "origin": "api",
        "read_only": False,
    }


async def test_the_list_names_what_the_file_says_and_what_was_added(rig: Any) -> None:
    await put(rig, "user/ana", ANA)
    items = {one["key"]: one for one in (await rig.client.get("/api/v1/settings")).json()["items"]}
    assert items["user/ana"]["origin"] == "api"
    assert items["notify/settings"]["origin"] == "file"
    only = (await rig.client.get("/api/v1/settings", params={"kind": "user"})).json()["items"]
    assert [one["key"] for one in only] == ["user/ana"]
    wrong = await rig.client.get("/api/v1/settings", params={"kind": "usr"})
    assert wrong.status_code == 422
    assert "'user'" in wrong.json()["message"]


async def test_what_is_there_already_makes_no_new_version(rig: Any) -> None:
    first = (await put(rig, "user/ana", ANA)).json()
    again = await put(rig, "user/ana", {**ANA, "skills": []})
    assert (again.status_code, again.json()["version"]) == (200, first["version"])


async def test_a_condition_that_does_not_hold_changes_nothing(rig: Any) -> None:
    version = (await put(rig, "user/ana", ANA)).json()["version"]
    changed = await put(rig, "user/ana", {"name": "Ana B."}, headers={"If-Match": f'"{version}"'})
    assert changed.status_code == 200
    late = await put(rig, "user/ana", {"name": "Ana C."}, headers={"If-Match": f'"{version}"'})
    assert (late.status_code, late.json()["error"]) == (412, "version_mismatch")
    assert str(changed.json()["version"]) in late.json()["message"]
    assert (await put(rig, "user/ana", ANA, headers={"If-None-Match": "*"})).status_code == 412
    assert (await put(rig, "user/bo", ANA, headers={"If-None-Match": "*"})).status_code == 201
    assert (await put(rig, "user/ana", ANA, headers={"If-Match": "new"})).status_code == 400
    assert rig.node.rules.users["ana"].name == "Ana B."


async def test_history_says_who_changed_what_and_what_it_replaced(rig: Any) -> None:
    await put(rig, "user/ana", ANA, headers={"X-Tocsin-Actor": "leo"})
    await put(rig, "user/ana", {"name": "Ana B."}, params={"reason": "married"})
    deleted = await rig.client.delete("/api/v1/settings/user/ana", params={"reason": "left"})
    assert deleted.status_code == 200
    items = await history(rig, "user/ana", 3)
    assert [(one["actor"], one["reason"]) for one in items] == [("local", "left"), ("local", "married"), ("leo", "")]
    assert [one["document"] for one in items] == [None, {"name": "Ana B."}, ANA]
    assert [one["replaced"] for one in items] == [{"name": "Ana B."}, ANA, None]
    assert items[0]["version"] == deleted.json()["version"]
    page = (await rig.client.get("/api/v1/settings/history", params={"limit": 2})).json()
    assert [one["version"] for one in page["items"]] == [one["version"] for one in items[:2]]
    following = (await rig.client.get("/api/v1/settings/history", params={"limit": 1, "before": page["next"]})).json()
    assert following["items"][0]["version"] == items[2]["version"]


async def test_what_is_not_there_is_named_with_what_is_near(rig: Any) -> None:
    for method, key, status, words in (
        ("GET", "user/ana", 404, "user/ana"),
        ("DELETE", "user/ana", 404, "user/ana"),
        ("GET", "usr/ana", 404, "'user/…'"),
        ("GET", "notify/setings", 404, "'notify/settings'"),
        ("GET", "user/ana/history", 404, "user/ana"),
    ):
        answer = await rig.client.request(method, f"/api/v1/settings/{key}")
        assert answer.status_code == status, answer.text
        assert words in answer.json()["message"]


async def test_documents_that_cannot_be_used_are_refused_with_the_reason(rig: Any) -> None:
    await put(rig, "user/ana", ANA)
    for key, document, status, words in (
        ("user/ana", {"nam": "x"}, 422, "did you mean 'name'"),
        ("user/ana", {"name": 7}, 422, "$.name"),
        ("user/a%20b", {}, 422, "cannot be a name"),
        ("user/-x", {}, 422, "cannot be a name"),
        ("usr/ana", {}, 404, "did you mean 'user/…'"),
        ("team/dba", {"members": ["anna"]}, 409, "did you mean 'ana'"),
        ("calendar/office", {"time_zone": "Europe/Londn"}, 422, "no time zone"),
        ("schedule/dba", {"layers": [{"users": ["ana"], "starts_at": "monday"}]}, 422, "not a date and time"),
        ("user/bo", {"away": [{"start": "2026-01-05T09:00:00", "end": "2026-01-06T09:00:00"}]}, 422, "needs a zone"),
        ("policy/p", {"levels": [{"targets": [{"kind": "usr", "name": "ana"}]}]}, 422, "did you mean 'user'"),
        ("user/bo", {"channels": ["consle"]}, 409, "did you mean 'console'"),
        ("policy/p", {"levels": [{"targets": [{"kind": "channel", "name": "ops"}]}]}, 409, "the channel 'ops'"),
        ("escalate/rules", [{"escalate_to": "user:anna"}], 409, "did you mean 'ana'"),
        ("escalate/rules", [{"escalate_to": "anna"}], 409, "team or user or schedule 'anna'"),
        ("escalate/rules", [{"escalate_to": "ana", "condition": {"expression": "severty == 'high'"}}], 422, "severity"),
        ("ingest/settings", {"partition_by": ["cluster"]}, 422, "fixed for the life"),
    ):
        answer = await put(rig, key, document)
        assert answer.status_code == status, f"{key}: {answer.text}"
        assert words in answer.json()["message"], answer.text
    null = await rig.client.put("/api/v1/settings/user/ana", content=b"null")
    assert (null.status_code, "DELETE" in null.json()["message"]) == (422, True)
    bad = await rig.client.put("/api/v1/settings/user/ana", content=b"{")
    assert (bad.status_code, bad.json()["error"]) == (400, "bad_json")
    large = await put(rig, "user/ana", {"name": "x" * DOCUMENT_BYTES_MAX})
    assert large.status_code == 413


async def test_what_others_refer_to_cannot_be_deleted(rig: Any) -> None:
    await put(rig, "user/ana", ANA)
    await put(rig, "team/dba", {"members": ["ana"]})
    answer = await rig.client.delete("/api/v1/settings/user/ana")
    assert answer.status_code == 409
    assert "team/dba refers to user 'ana'" in answer.json()["message"]
    assert (await rig.client.delete("/api/v1/settings/team/dba")).status_code == 200
    assert (await rig.client.delete("/api/v1/settings/user/ana")).status_code == 200


async def test_a_single_document_that_is_deleted_is_the_default_again(rig: Any) -> None:
    default = (await rig.client.get("/api/v1/settings/notify/settings")).json()["document"]
    changed = await put(rig, "notify/settings", {**default, "attempts_max": 3})
    assert changed.status_code == 200, changed.text
    assert rig.node.rules.notify.attempts_max == 3
    assert (await rig.client.delete("/api/v1/settings/notify/settings")).status_code == 200
    assert (await rig.client.get("/api/v1/settings/notify/settings")).json()["document"] == default


async def test_a_preview_names_the_alerts_and_incidents_that_a_silence_would_cover(rig: Any) -> None:
    await rig.send(
        {"title": "Disk full", "service": "db", "labels": {"host": "db1"}},
        {"title": "Slow", "service": "shop", "labels": {"host": "web1"}},
    )
    await rig.incident_of_alert("Disk full")
    await rig.incident_of_alert("Slow")
    before = rig.node.rules.version
    answer = await rig.client.post("/api/v1/silences/preview", json={"matchers": '{host=~"db.*"}'})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [alert["title"] for alert in found["alerts"]] == ["Disk full"]
    assert [(one["title"], one["quiet"]) for one in found["incidents"]] == [("Disk full", True)]
    assert rig.node.rules.version == before, "a preview changes nothing"
    wrong = await rig.client.post("/api/v1/silences/preview", json={"matchers": "{host=~"})
    assert wrong.status_code == 422


async def test_a_silence_is_a_document(rig: Any) -> None:
    now = datetime.now(UTC)
    document = {
        "matchers": [{"name": "host", "value": "db.*", "is_regex": True}],
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=1)).isoformat(),
        "created_by": "ana",
        "comment": "new disks",
    }
    assert (await put(rig, "silence/disks", document)).status_code == 201
    [silence] = (await rig.client.get("/api/v2/silences")).json()
    assert (silence["id"], silence["status"]) == ("disks", {"state": "active"})
    everything = {**document, "matchers": [{"name": "host", "value": ".*", "is_regex": True}]}
    refused = await put(rig, "silence/all", everything)
    assert refused.status_code == 422
    assert "silence everything" in refused.json()["message"]


async def test_a_program_in_a_loop_cannot_fill_the_journal(rig: Any) -> None:
    rig.app.state.serving.changes = Rates(per_second=0, burst=2)
    answers = [await put(rig, "user/ana", {"name": str(number)}) for number in range(3)]
    assert [one.status_code for one in answers] == [201, 200, 503]
    assert answers[2].headers["Retry-After"] == "1"
    assert (await rig.client.post("/api/v2/silences", json={})).status_code == 400, "what is wrong costs nothing"
