"""Changes: reported once, listed, and shown with the incidents that open after them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.domain.rules import Rules, Service


@pytest.fixture
def rules() -> Rules:
    return Rules(services={"shop": Service(depends_on=("bank",))})


async def report(rig: Any, **said: Any) -> Any:
    return await rig.client.post("/api/v1/changes", json=said, params={"wait": 20})


async def test_a_change_is_recorded_and_listed(rig: Any) -> None:
    answer = await report(rig, title="4.2", service="shop", labels={"env": "prod"}, link="https://ci.example/1")
    assert (answer.status_code, answer.json()["outcome"]) == (201, "applied")
    assert answer.json()["id"].startswith("chg_")
    (found,) = (await rig.client.get("/api/v1/changes", params={"service": "shop"})).json()["items"]
    assert (found["id"], found["title"], found["author"]) == (answer.json()["id"], "4.2", "local")
    assert (found["labels"], found["link"]) == ({"env": "prod"}, "https://ci.example/1")
    assert (await rig.client.get("/api/v1/changes", params={"service": "bank"})).json()["items"] == []


async def test_the_same_id_is_recorded_once(rig: Any) -> None:
    first = await report(rig, title="4.2", id="deploy-17")
    again = await report(rig, title="4.2", id="deploy-17")
    assert first.json() == again.json()
    assert len((await rig.client.get("/api/v1/changes")).json()["items"]) == 1


async def test_changes_are_filtered_by_time_newest_first(rig: Any) -> None:
    for title, at in (("old", "2026-01-01T00:00:00Z"), ("new", "2026-02-01T01:00:00+01:00")):
        assert (await report(rig, title=title, at=at)).status_code == 201
    listed = (await rig.client.get("/api/v1/changes")).json()["items"]
    assert [(one["title"], one["at"]) for one in listed] == [
        ("new", "2026-02-01T00:00:00Z"),
        ("old", "2026-01-01T00:00:00Z"),
    ]
    early = await rig.client.get("/api/v1/changes", params={"before": "2026-02-01", "after": "2026-01-01"})
    assert [one["title"] for one in early.json()["items"]] == ["old"]


@pytest.mark.parametrize(
    "said", [{}, {"title": ""}, {"title": "x", "sevice": "y"}, {"title": "x", "link": "ftp://x"}, {"title": "x" * 301}]
)
async def test_what_is_no_change_is_refused(rig: Any, said: dict[str, Any]) -> None:
    assert (await report(rig, **said)).status_code == 422
    assert (await rig.client.get("/api/v1/changes")).json()["items"] == []


async def test_an_incident_shows_what_was_changed_around_it(rig: Any) -> None:
    now = datetime.now(UTC)
    for title, service, hours in (("bank 2", "bank", 1), ("shop 1", "shop", 2), ("too old", "shop", 30), ("x", "y", 1)):
        at = (now - timedelta(hours=hours)).isoformat()
        assert (await report(rig, title=title, service=service, at=at)).status_code == 201
    incident = await rig.declared("shop down", service="shop")
    found = (await rig.client.get(f"/api/v1/incidents/{incident}/context")).json()
    assert [(one["title"], one["distance"]) for one in found["changes"]] == [("bank 2", 1), ("shop 1", 0)]
    nowhere = await rig.declared("something")
    assert (await rig.client.get(f"/api/v1/incidents/{nowhere}/context")).json()["changes"] == []
