"""Who is on call over HTTP: now, later, as a calendar; overrides, swaps and calendars that are taken over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

DAY = timedelta(days=1)


@pytest.fixture
async def desk(rig: Any) -> Any:
    """Ana and bo take turns of a day from last year on, at 09:00 in London."""
    documents = {
        "user/ana": {"name": "Ana", "contacts": {"email": ["ana@example.org"]}},
        "user/bo": {"time_zone": "Asia/Tokyo"},
        "schedule/ops": {
            "time_zone": "Europe/London",
            "layers": [{"name": "daily", "users": ["ana", "bo"], "starts_at": "2026-01-05T09:00", "unit": "day"}],
        },
        "team/dba": {"contacts": {}, "schedule": "ops", "members": ["ana"]},
    }
    for key, document in documents.items():
        answer = await rig.client.put(f"/api/v1/settings/{key}", json=document)
        assert answer.status_code == 201, answer.text
    return rig


async def get(desk: Any, path: str, **parameters: str) -> Any:
    answer = await desk.client.get(f"/api/v1/oncall{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(desk: Any, path: str, body: Any) -> Any:
    return await desk.client.post(f"/api/v1/oncall{path}", json=body)


async def test_who_is_on_call(desk: Any) -> None:
    found = await get(desk, "/ops", at="2026-03-29T08:30")
    assert found == {
        "schedule": "ops",
        "at": "2026-03-29T07:30:00Z",
        "users": ["ana"],
        "by": "layer",
        "source": "daily",
        "instead_of": "",
        "skipped": [],
        "until": "2026-03-29T08:00:00Z",
        "next": {"at": "2026-03-29T08:00:00Z", "giving": "ana", "taking": "bo"},
    }
    [now] = (await get(desk, ""))["items"]
    assert now["users"] in (["ana"], ["bo"])
    assert datetime.fromisoformat(now["until"]) > datetime.now(UTC)


async def test_the_final_schedule_has_no_gap(desk: Any) -> None:
    found = await get(desk, "/ops/shifts", **{"from": "2026-03-28", "to": "2026-03-31T00:00"})
    assert (found["from"], found["to"]) == ("2026-03-28T00:00:00Z", "2026-03-30T23:00:00Z")
    assert [one["user"] for one in found["items"]] == ["bo", "ana", "bo", "ana"]
    assert found["items"][1]["end"] == found["items"][2]["start"] == "2026-03-29T08:00:00Z"
    usual = await get(desk, "/ops/shifts")
    assert datetime.fromisoformat(usual["to"]) - datetime.fromisoformat(usual["from"]) == 14 * DAY


async def test_an_override_and_its_end(desk: Any) -> None:
    body = {"user": "ana", "from": "2026-03-29T10:00", "to": "2026-03-29T12:00Z", "reason": "dentist"}
    made = (await post(desk, "/ops/overrides", body)).json()
    assert (made["start"], made["made_by"]) == ("2026-03-29T09:00:00Z", "local")
    body |= {"user": "bo"}
    answer = await post(desk, "/ops/overrides", body)
    assert answer.status_code == 201
    later = answer.json()["id"]
    found = await get(desk, "/ops", at="2026-03-29T10:30")
    assert (found["users"], found["by"], found["source"], found["instead_of"]) == (["bo"], "override", later, "ana")
    listed = (await get(desk, "/ops/overrides", ended="true"))["items"]
    assert {one["id"] for one in listed} == {made["id"], later}
    assert (await desk.client.delete(f"/api/v1/settings/override/{later}")).status_code == 200
    assert (await get(desk, "/ops", at="2026-03-29T10:30"))["users"] == ["ana"]


async def test_a_swap_is_two_overrides_of_whole_shifts(desk: Any) -> None:
    body = {"users": ["ana", "bo"], "at": ["2026-03-29T03:00", "2026-03-30T03:00"]}
    answer = await post(desk, "/ops/swap", body)
    assert answer.status_code == 201, answer.text
    assert [(one["user"], one["replaces"], one["start"], one["end"]) for one in answer.json()["items"]] == [
        ("bo", "ana", "2026-03-28T09:00:00Z", "2026-03-29T08:00:00Z"),
        ("ana", "bo", "2026-03-29T08:00:00Z", "2026-03-30T08:00:00Z"),
    ]
    found = await get(desk, "/ops/shifts", **{"from": "2026-03-27T09:00", "to": "2026-03-31T09:00"})
    assert [one["user"] for one in found["items"]] == ["bo", "bo", "ana", "ana"]
    usual = await post(desk, "/ops/swap", {"users": ["ana", "bo"]})
    assert usual.status_code == 201, usual.text


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/ops/overrides", {"user": "anna", "from": "2026-03-29", "to": "2026-03-30"}, 422, "did you mean 'ana'?"),
        ("/ops/overrides", {"user": "ana", "from": "2026-03-30", "to": "2026-03-29"}, 422, "is not after start"),
        ("/ops/overrides", {"user": "ana", "from": "noon", "to": "2026-03-29"}, 422, "is no time"),
        ("/ops/overrides", {"user": "ana", "from": "0001-01-01", "to": "2026-03-29"}, 422, "out of range"),
        ("/ops/overrides", {"user": "ana", "from": "", "to": "2026-03-29"}, 422, "both are needed"),
        ("/ops/overrides", {"user": "ana"}, 422, "from"),
        ("/opps/overrides", {"user": "ana", "from": "2026-03-29", "to": "2026-03-30"}, 404, "did you mean 'ops'?"),
        ("/ops/swap", {"users": ["ana", "ana"]}, 422, "cannot swap"),
        ("/ops/swap", {"users": ["ana", "bo"], "at": ["2026-03-29T12:00", ""]}, 422, "bo is"),
    ],
)
async def test_what_cannot_be_is_refused(desk: Any, path: str, body: Any, status: int, word: str) -> None:
    answer = await post(desk, path, body)
    assert (answer.status_code, word in answer.json()["message"]) == (status, True), answer.text
    assert (await get(desk, "/ops/overrides", ended="true"))["items"] == []


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"from": "2026-03-30", "to": "2026-03-30"}, "is not after"),
        ({"from": "2026-03-30", "to": "2028-03-30"}, "longer than 400 days"),
        ({"to": "9999-12-31"}, "out of range"),
    ],
)
async def test_a_stretch_of_time_is_bounded(desk: Any, parameters: dict[str, str], word: str) -> None:
    for what in ("shifts", "report"):
        answer = await desk.client.get(f"/api/v1/oncall/ops/{what}", params=parameters)
        assert (answer.status_code, word in answer.json()["message"]) == (422, True), answer.text


async def test_load_in_hours(desk: Any) -> None:
    found = await get(desk, "/ops/report", **{"from": "2026-01-05T09:00", "to": "2026-01-09T09:00"})
    assert found["items"] == [
        {"user": user, "hours": 48.0, "night_hours": 16.0, "weekend_hours": 0.0, "taken_over_hours": 0.0, "shifts": 2}
        for user in ("ana", "bo")
    ]


async def test_a_handover_names_what_is_open(desk: Any) -> None:
    await desk.client.put("/api/v1/settings/correlate/assignment", json={"by_category": {"database": "dba"}})
    incident = await desk.declared(category="database", team="dba")
    await desk.command("assign", incident, arguments={"team": "dba"})
    found = await get(desk, "/ops/handover", at="2026-03-29T08:30")
    assert found["handover"] == {"at": "2026-03-29T08:00:00Z", "giving": "ana", "taking": "bo"}
    assert found["teams"] == ["dba"]
    assert [one["id"] for one in found["incidents"]] == [incident]


async def test_a_calendar_goes_out_and_comes_back(desk: Any) -> None:
    answer = await desk.client.get("/api/v1/oncall/ops.ics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.text.count("BEGIN:VEVENT") >= 200
    mine = await desk.client.get("/api/v1/oncall/users/ana.ics")
    assert 100 <= mine.text.count("BEGIN:VEVENT") < answer.text.count("BEGIN:VEVENT")
    same = await desk.client.post("/api/v1/oncall/ops/import", content=answer.content)
    assert same.json()["items"] == same.json()["problems"] == []
    assert same.json()["unchanged"] >= 200
    assert (await desk.client.put("/api/v1/settings/schedule/copy", json={"layers": []})).status_code == 201
    for dry_run in ("true", "false", "false"):
        taken = await desk.client.post("/api/v1/oncall/copy/import", content=mine.content, params={"dry_run": dry_run})
        assert taken.status_code == 200, taken.text
        wanted = mine.text.count("BEGIN:VEVENT")
        listed = (await get(desk, "/copy/overrides", ended="true"))["items"]
        assert len(listed) == (0 if dry_run == "true" else wanted)
    assert len(taken.json()["items"]) == 0  # the file again changes nothing


async def test_what_is_no_calendar_is_refused(desk: Any) -> None:
    answer = await desk.client.post("/api/v1/oncall/ops/import", content=b"hello")
    assert (answer.status_code, answer.json()["error"]) == (422, "bad_calendar")


async def test_the_next_shifts_of_somebody(desk: Any) -> None:
    found = (await get(desk, "/users/ana/shifts", limit="3"))["items"]
    assert [(one["schedule"], one["user"]) for one in found] == [("ops", "ana")] * 3
    assert (await desk.client.get("/api/v1/oncall/users/zoe/shifts")).status_code == 404
    assert (await desk.client.get("/api/v1/oncall/users/zoe.ics")).status_code == 404
    assert "did you mean 'ana'?" in (await desk.client.get("/api/v1/oncall/users/anna/shifts")).json()["message"]


async def test_overrides_that_are_long_over_are_forgotten(desk: Any) -> None:
    old = {"user": "ana", "from": "2020-01-01", "to": "2020-01-02"}
    assert (await post(desk, "/ops/overrides", old)).status_code == 201
    new = {"user": "ana", "from": "2030-01-01", "to": "2030-01-02"}
    assert (await post(desk, "/ops/overrides", new)).status_code == 201
    await desk.node.feed.drop_expired()
    [left] = (await get(desk, "/ops/overrides", ended="true"))["items"]
    assert left["start"] == "2030-01-01T00:00:00Z"


async def test_a_circle_of_backups_is_refused(desk: Any) -> None:
    document = {"layers": [], "backup": "ops"}
    assert (await desk.client.put("/api/v1/settings/schedule/second", json=document)).status_code == 201
    before = (await desk.client.get("/api/v1/settings/schedule/ops")).json()["document"]
    answer = await desk.client.put("/api/v1/settings/schedule/ops", json={**before, "backup": "second"})
    assert (answer.status_code, "ops -> second -> ops" in answer.json()["message"]) == (422, True), answer.text
    answer = await desk.client.put("/api/v1/settings/schedule/ops", json={**before, "time_zone": "Europe/Lundon"})
    assert (answer.status_code, "'Europe/London'" in answer.json()["message"]) == (422, True), answer.text
