"""Rejected records: shown with what became of them, and given back to ingest once."""

import asyncio
from typing import Any

import pytest

from tocsin.api import rejected as rejected_api
from tocsin.runtime.broker import Draft
from tocsin.runtime.rejects import rejected_draft
from tocsin.topics import RAW, REJECTED

GOOD = b'{"title": "Disk full", "labels": {"host": "db1"}}'
"""What an older tocsin may have rejected by mistake."""


def draft(
    value: bytes = GOOD, *, word: str = "ingest_bug", stage: str = "ingest", source: str = f"{RAW.name}/1"
) -> Draft:
    return rejected_draft(
        value=value,
        headers=(("tocsin_format", b"native"), ("x", b"1")),
        word=word,
        message="KeyError: 'title'",
        stage=stage,
        source=source,
        position="17/0",
    )


async def put(rig: Any, *drafts: Draft, partition: int = 1) -> None:
    await rig.broker.append(REJECTED.name, partition, drafts)


async def requeue(rig: Any, *ids: str, force: bool = False, actor: str = "ada") -> Any:
    body = {"ids": ids, "force": force}
    return await rig.client.post("/api/v1/rejected/requeue", json=body, headers={"X-Tocsin-Actor": actor})


async def raw_records(rig: Any, partition: int = 1) -> list[Any]:
    return list(await rig.broker.read(RAW.name, partition, 0))


async def test_the_original_bytes_and_headers_go_back_where_they_came_from(rig: Any) -> None:
    await put(rig, draft())
    answer = await requeue(rig, "1/0")
    assert answer.status_code == 200
    assert answer.json() == {"requeued": 1, "items": [{"id": "1/0", "to": "alerts.raw.v1/1/0"}]}
    [record] = await raw_records(rig)
    assert record.value == GOOD
    assert dict(record.headers) == {
        "tocsin_format": b"native",
        "x": b"1",
        "tocsin_requeued_from": b"alerts.rejected.v1/1/0",
        "tocsin_requeued_by": b"ada",
    }
    assert (await rig.incident_of_alert("Disk full"))["title"] == "Disk full"


async def test_the_log_says_what_became_of_it(rig: Any) -> None:
    await put(rig, draft(), draft())
    await requeue(rig, "1/0")
    items = (await rig.client.get("/api/v1/rejected")).json()["items"]
    assert [item["id"] for item in items] == ["1/1", "1/0"], "the marker is no rejected record"
    assert "requeued_at" not in items[0]
    assert (items[1]["requeued_by"], items[1]["requeued_to"]) == ("ada", "alerts.raw.v1/1/0")
    assert items[1]["requeued_at"] >= items[1]["timestamp"]
    whole = (await rig.client.get("/api/v1/rejected/1/0")).json()
    assert whole["requeued_by"] == "ada"
    assert whole["value"] == GOOD.decode()
    assert (await rig.client.get("/api/v1/rejected/1/2")).status_code == 404, "that is the marker"


async def test_a_second_time_needs_force(rig: Any) -> None:
    await put(rig, draft())
    await requeue(rig, "1/0")
    again = await requeue(rig, "1/0", actor="bob")
    assert again.status_code == 409
    [item] = again.json()["items"]
    assert (item["error"], item["message"]) == (
        "already_requeued",
        "ada requeued it before, to alerts.raw.v1/1/0",
    )
    assert len(await raw_records(rig)) == 1
    forced = await requeue(rig, "1/0", force=True, actor="bob")
    assert forced.json()["requeued"] == 1
    assert len(await raw_records(rig)) == 2
    [shown] = (await rig.client.get("/api/v1/rejected")).json()["items"]
    assert shown["requeued_by"] == "bob"


async def test_two_who_ask_at_once_requeue_it_once(rig: Any) -> None:
    await put(rig, draft())
    answers = await asyncio.gather(*(requeue(rig, "1/0") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert len(await raw_records(rig)) == 1


async def test_what_is_rejected_again_names_where_it_came_from(rig: Any) -> None:
    await put(rig, draft(b'{"titel": 1}', word="unknown_field"))
    await requeue(rig, "1/0")
    await rig.broker.wait({(REJECTED.name, 1): 2}, 10)
    [newest, _] = (await rig.client.get("/api/v1/rejected")).json()["items"]
    assert (newest["id"], newest["requeued_from"]) == ("1/2", "alerts.rejected.v1/1/0")
    third = await requeue(rig, "1/2")
    assert third.status_code == 200
    last = (await raw_records(rig))[-1]
    assert [value for name, value in last.headers if name == "tocsin_requeued_from"] == [b"alerts.rejected.v1/1/2"]


async def test_what_cannot_be_requeued_is_named_and_the_rest_is_done(rig: Any) -> None:
    command = draft(b'{"verb": 1}', word="bad_command", stage="correlate", source="incidents.commands.v1/1")
    cut = Draft(None, b"x", (*draft().headers, ("tocsin_error_cut", b"headers, value")))
    await put(rig, command, cut, draft())
    answer = await requeue(rig, "1/0", "1/1", "1/2", "1/9", "7/0", "x", "1/02", "1/2")
    assert answer.status_code == 207
    assert {item["id"]: item.get("error") for item in answer.json()["items"]} == {
        "1/0": "not_alerts",
        "1/1": "cut",
        "1/2": None,
        "1/9": "not_found",
        "7/0": "not_found",
        "x": "not_found",
        "1/02": "not_found",
    }
    assert len(await raw_records(rig)) == 1


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": ["0/0"] * 501}, {"ids": ["0/0"], "forced": True}, {}])
async def test_a_wrong_request_is_422(rig: Any, body: Any) -> None:
    assert (await rig.client.post("/api/v1/rejected/requeue", json=body)).status_code == 422


async def test_a_source_of_another_topic_goes_to_a_raw_partition_that_exists(rig: Any) -> None:
    await put(rig, draft(source="monitoring.alerts/7"), draft(source="odd/٧"), partition=0)
    answer = await requeue(rig, "0/0", "0/1")
    assert [item["to"] for item in answer.json()["items"]] == ["alerts.raw.v1/1/0", "alerts.raw.v1/0/0"]


async def test_many_are_published_in_parts(rig: Any) -> None:
    size = rejected_api.REQUEUED_BYTES_MAX // 10
    values = [b'{"title": "Disk %d full"}' % n + b" " * size for n in range(25)]
    for value in values:
        await put(rig, draft(value))
    answer = await requeue(rig, *(f"1/{n}" for n in range(25)))
    assert answer.json()["requeued"] == 25
    assert [item["to"] for item in answer.json()["items"]] == [f"alerts.raw.v1/1/{n}" for n in range(25)]
    ends = {(RAW.name, 1): 25, (REJECTED.name, 1): 50}
    assert {place: await rig.broker.end(*place) for place in ends} == ends
    [last] = await rig.broker.read(RAW.name, 1, 24)
    assert last.value == values[-1]


async def test_lists_by_reason_and_page_by_page(rig: Any) -> None:
    words = ["bad_json", "too_deep", "bad_json", "ingest_bug"] * 5
    await put(rig, *(draft(word=word) for word in words))
    await put(rig, draft(word="too_deep"), partition=0)
    items = (await rig.client.get("/api/v1/rejected", params={"reason": "too_deep", "limit": 6})).json()["items"]
    ids = [item["id"] for item in items]
    assert [one for one in ids if one != "0/0"] == ["1/17", "1/13", "1/9", "1/5", "1/1"]
    assert len(ids) == 6
    parameters = {"partition": 1, "from": 2, "limit": 7, "reason": "bad_json"}
    page = (await rig.client.get("/api/v1/rejected", params=parameters)).json()
    assert [item["id"] for item in page["items"]] == ["1/2", "1/4", "1/6", "1/8"]
    assert (page["next"], page["end"]) == (9, 20)
    over = (await rig.client.get("/api/v1/rejected", params={"partition": 1, "from": 99})).json()
    assert (over["items"], over["next"]) == ([], 99)
    assert (await rig.client.get("/api/v1/rejected", params={"partition": 2})).status_code == 404
