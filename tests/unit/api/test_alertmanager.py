"""Alertmanager's API v2: what its clients send and read. Shapes and rules as its OpenAPI file and `silence.go` say."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.api.alertmanager.shape import fingerprint
from tocsin.domain.instant import Instant

HOUR = timedelta(hours=1)


def at(offset: timedelta) -> str:
    return (datetime.now(UTC) + offset).isoformat()


def silence(starts: timedelta = timedelta(0), ends: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    matchers = [{"name": "host", "value": "db.*", "isRegex": True}]
    return {
        "matchers": matchers,
        "startsAt": at(starts),
        "endsAt": at(ends),
        "createdBy": "ana",
        "comment": "new disks",
        **more,
    }


async def add(rig: Any, **more: Any) -> str:
    answer = await rig.client.post("/api/v2/silences", json=silence(**more))
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["silenceID"]
    return found


async def listed(rig: Any, path: str = "silences", **parameters: Any) -> list[dict[str, Any]]:
    answer = await rig.client.get(f"/api/v2/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def fire(rig: Any, name: str, **labels: str) -> None:
    body = [{"labels": {"alertname": name, **labels}, "annotations": {"summary": name}, "generatorURL": "http://p/g"}]
    assert (await rig.client.post("/api/v2/alerts", json=body)).status_code == 200
    while True:
        if name in {one["labels"]["alertname"] for one in await listed(rig, "alerts")}:
            return
        await asyncio.sleep(0.002)


def test_the_fingerprint_is_that_of_prometheus() -> None:
    """Values of the tests of prometheus/common, `model/signature_test.go`."""
    assert fingerprint({}) == "cbf29ce484222325"
    assert int(fingerprint({"name": "garland, briggs", "fear": "love is not enough"}), 16) == 5799056148416392346
    assert fingerprint({"a": "b", "c": "d"}) == fingerprint({"c": "d", "a": "b"})
    assert fingerprint({"ab": "c"}) != fingerprint({"a": "bc"})


async def test_a_silence_is_listed_as_it_was_posted(rig: Any) -> None:
    identifier = await add(rig)
    [found] = await listed(rig)
    assert found.keys() == {
        *("id", "status", "updatedAt", "comment", "createdBy", "startsAt", "endsAt", "matchers"),
    }
    assert found["id"] == identifier
    assert found["status"] == {"state": "active"}
    assert found["matchers"] == [{"name": "host", "value": "db.*", "isRegex": True, "isEqual": True}]
    assert (await rig.client.get(f"/api/v2/silence/{identifier}")).json() == found
    assert rig.node.rules.silences[identifier].created_by == "ana"


async def test_active_silences_come_first_the_expired_last(rig: Any) -> None:
    pending = await add(rig, starts=HOUR, ends=2 * HOUR)
    late = await add(rig, ends=3 * HOUR)
    soon = await add(rig, ends=HOUR)
    over = await add(rig)
    assert (await rig.client.delete(f"/api/v2/silence/{over}")).status_code == 200
    found = await listed(rig)
    assert [one["id"] for one in found] == [soon, late, pending, over]
    assert [one["status"]["state"] for one in found] == ["active", "active", "pending", "expired"]
    assert (await rig.client.delete(f"/api/v2/silence/{over}")).status_code == 200, "again is no failure"
    assert (await rig.client.delete(f"/api/v2/silence/{pending}")).status_code == 200
    assert [one["status"]["state"] for one in await listed(rig)][-2:] == ["expired", "expired"]


async def test_a_longer_end_changes_a_silence_in_place(rig: Any) -> None:
    identifier = await add(rig)
    [before] = await listed(rig)
    changed = {**silence(), "startsAt": before["startsAt"], "endsAt": at(5 * HOUR), "id": identifier}
    answer = await rig.client.post("/api/v2/silences", json=changed)
    assert answer.json() == {"silenceID": identifier}
    [after] = await listed(rig)
    assert after["endsAt"] > before["endsAt"]


async def test_other_matchers_make_another_silence_and_end_the_old_one(rig: Any) -> None:
    identifier = await add(rig)
    [before] = await listed(rig)
    changed = {**before, "matchers": [{"name": "host", "value": "web1", "isRegex": False, "isEqual": True}]}
    answer = await rig.client.post("/api/v2/silences", json=changed)
    new = answer.json()["silenceID"]
    assert new != identifier
    assert {one["id"]: one["status"]["state"] for one in await listed(rig)} == {new: "active", identifier: "expired"}


async def test_a_silence_that_began_in_the_past_begins_now(rig: Any) -> None:
    before = datetime.now(UTC)
    identifier = await add(rig, starts=-HOUR)
    assert rig.node.rules.silences[identifier].starts_at >= before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, "pattern"),
        ({"matchers": [{"name": "a", "value": ".*", "isRegex": True}]}, "silence everything"),
        ({"matchers": [{"name": "a", "isRegex": True}]}, "value"),
        ({"endsAt": at(-HOUR), "startsAt": at(-2 * HOUR)}, "end time can't be in the past"),
        ({"startsAt": at(2 * HOUR)}, "start time must be before end time"),
        ({"startsAt": "yesterday"}, "startsAt"),
        ({"startsAt": "2026-01-01T00:00:00"}, "timezone"),
        ({"createdBy": None}, "createdBy"),
    ],
)
async def test_what_is_no_silence_is_refused_with_a_json_text(rig: Any, change: dict[str, Any], words: str) -> None:
    answer = await rig.client.post("/api/v2/silences", json={**silence(), **change})
    assert answer.status_code == 400, answer.text
    assert isinstance(answer.json(), str)
    assert words in answer.json()
    assert not rig.node.rules.silences


async def test_a_silence_without_matchers_is_refused_as_its_openapi_file_says(rig: Any) -> None:
    answer = await rig.client.post("/api/v2/silences", json=silence(matchers=[]))
    assert (answer.status_code, answer.json()["code"]) == (422, 612)
    everywhere_else = [{"name": "host", "value": "db1", "isRegex": False, "isEqual": False}]
    await add(rig, matchers=everywhere_else)


async def test_an_unknown_silence_is_404(rig: Any) -> None:
    unknown = "6f6ee1ba-5a2b-4d5c-8f5c-2f3b3a1d9a55"
    assert (await rig.client.get(f"/api/v2/silence/{unknown}")).status_code == 404
    assert (await rig.client.delete(f"/api/v2/silence/{unknown}")).status_code == 404
    answer = await rig.client.post("/api/v2/silences", json={**silence(), "id": unknown})
    assert (answer.status_code, unknown in answer.json()) == (404, True)


async def test_silences_are_filtered_by_the_matchers_that_they_have(rig: Any) -> None:
    identifier = await add(rig)
    await add(rig, matchers=[{"name": "host", "value": "web1", "isRegex": False}])
    assert [one["id"] for one in await listed(rig, filter='host=~"db.*"')] == [identifier]
    assert await listed(rig, filter='host="db.*"') == []
    wrong = await rig.client.get("/api/v2/silences", params={"filter": "host~db"})
    assert (wrong.status_code, wrong.json().startswith("bad matcher format")) == (400, True)


async def test_alerts_are_listed_as_alertmanager_has_them(rig: Any) -> None:
    await fire(rig, "DiskFull", host="db1")
    [found] = await listed(rig, "alerts")
    assert found.keys() == {
        *("annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "generatorURL"),
        "labels",
    }
    assert found["labels"] == {"alertname": "DiskFull", "host": "db1"}
    assert found["fingerprint"] == fingerprint(found["labels"])
    assert found["annotations"] == {"summary": "DiskFull"}
    assert found["generatorURL"] == "http://p/g"
    assert found["receivers"] == [{"name": "console"}]
    assert found["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert Instant.fromisoformat(found["endsAt"]) > datetime.now(UTC)


async def test_a_silenced_alert_names_its_silences(rig: Any) -> None:
    await fire(rig, "DiskFull", host="db1")
    await fire(rig, "Slow", host="web1")
    identifier = await add(rig)
    await add(rig, starts=HOUR, ends=2 * HOUR)
    states = {one["labels"]["alertname"]: one["status"] for one in await listed(rig, "alerts")}
    assert states["DiskFull"]["state"] == "suppressed"
    assert states["DiskFull"]["silencedBy"] == [identifier]
    assert states["Slow"]["state"] == "active"
    for parameters, names in (
        ({"silenced": "false"}, ["Slow"]),
        ({"active": "false"}, ["DiskFull"]),
        ({"active": "false", "silenced": "false"}, []),
        ({"inhibited": "false", "unprocessed": "false"}, ["DiskFull", "Slow"]),
        ({"filter": ["alertname=Slow", "host!=db1"]}, ["Slow"]),
        ({"receiver": "con.*"}, ["DiskFull", "Slow"]),
        ({"receiver": "con"}, []),
    ):
        found = await listed(rig, "alerts", **parameters)
        assert sorted(one["labels"]["alertname"] for one in found) == names, parameters
    for parameters in ({"filter": "{"}, {"receiver": "("}):
        answer = await rig.client.get("/api/v2/alerts", params=parameters)
        assert (answer.status_code, type(answer.json())) == (400, str)


async def test_groups_are_incidents(rig: Any) -> None:
    await fire(rig, "DiskFull", host="db1", service="db")
    await fire(rig, "Slow", host="web1", service="shop")
    groups = await listed(rig, "alerts/groups")
    assert [one["receiver"] for one in groups] == [{"name": "console"}] * 2
    assert sorted(one["alerts"][0]["labels"]["alertname"] for one in groups) == ["DiskFull", "Slow"]
    incidents = (await rig.client.get("/api/incident_response")).json()["items"]
    assert sorted(str(one["labels"]) for one in groups) == sorted(str(one["labels"]) for one in incidents)


async def test_status_and_receivers_name_no_secret(rig: Any) -> None:
    found = (await rig.client.get("/api/v2/status")).json()
    assert found.keys() == {"cluster", "versionInfo", "config", "uptime"}
    assert found["cluster"]["status"] == "disabled"
    assert "receiver: console" in found["config"]["original"]
    assert await listed(rig, "receivers") == [{"name": "console"}]
