"""Intake: what is accepted, what is answered, and that it is durable before the answer."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tocsin.api import intake
from tocsin.domain import ids
from tocsin.testing.broker import Fault
from tocsin.topics import RAW

DISK = {"title": "Disk full", "labels": {"host": "db1"}, "severity": "critical"}
PROMETHEUS = {"labels": {"alertname": "Down", "job": "api"}, "startsAt": "2026-11-21T10:00:00Z"}
EVENT = {
    "routing_key": "R" * 32,
    "event_action": "trigger",
    "payload": {"summary": "Disk full", "source": "db1", "severity": "critical"},
}

EVENT_OF = {"specversion": "1.0", "id": "1", "source": "/probes/eu-1", "type": "disk.full", "subject": "db1/disk"}


async def raw_records(rig: Any) -> list[tuple[int, Any]]:
    return [
        (partition, record)
        for partition in range(rig.broker.partitions(RAW.name))
        for record in await rig.broker.read(RAW.name, partition, 0)
    ]


async def test_an_accepted_alert_is_in_the_log_under_the_id_that_was_answered(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/alerts", json=DISK)
    assert answer.status_code == 202
    [(partition, record)] = await raw_records(rig)
    incarnation = await rig.broker.incarnation(RAW.name)
    expected = ids.alert_id(partition, incarnation, record.offset, 0)
    assert answer.json() == {"accepted": 1, "items": [{"index": 0, "alert_id": expected, "error": None}]}
    assert record.header("tocsin_format") == b"native"
    assert orjson.loads(record.value) == DISK


async def test_the_answered_id_is_the_id_that_the_incident_shows(rig: Any) -> None:
    answer = await rig.send(*({**DISK, "title": f"Disk {n} full", "service": f"s{n}"} for n in range(6)))
    for n, item in enumerate(answer["items"]):
        incident = await rig.incident_of_alert(f"Disk {n} full")
        found = (await rig.client.get(f"/api/incident_response/{incident['id']}")).json()
        assert [alert["alert_id"] for alert in found["alert_list"]["items"]] == [item["alert_id"]]


async def test_valid_items_of_a_mixed_batch_are_accepted(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/alerts", json=[DISK, {"titel": "x"}, {**DISK, "title": "Two"}])
    assert answer.status_code == 207
    found = answer.json()
    assert found["accepted"] == 2
    assert [bool(item["alert_id"]) for item in found["items"]] == [True, False, True]
    assert found["items"][1]["error"]["error"]
    assert "titel" in found["items"][1]["error"]["message"]
    published = [one for _, record in await raw_records(rig) for one in orjson.loads(record.value)]
    assert sorted(one["title"] for one in published) == ["Disk full", "Two"]


@pytest.mark.parametrize(
    ("body", "query", "word"),
    [
        (b"{", {}, "bad_json"),
        (b"", {}, "bad_json"),
        (b'{"a": 1}', {}, "unknown_format"),
        (b"{}", {"format": "natve"}, "unknown_format"),
    ],
)
async def test_what_is_wrong_as_a_whole_is_400(rig: Any, body: bytes, query: dict[str, str], word: str) -> None:
    answer = await rig.client.post("/api/v1/alerts", content=body, params=query)
    assert answer.status_code == 400
    assert answer.json()["error"] == word
    assert await raw_records(rig) == []


async def test_prometheus_gets_the_answers_of_alertmanager(rig: Any) -> None:
    good = await rig.client.post("/api/v2/alerts", json=[PROMETHEUS])
    assert (good.status_code, good.content) == (200, b"")
    mixed = await rig.client.post("/api/v2/alerts", json=[{"labels": {}}, {"labels": {"alertname": "Other"}}])
    assert mixed.status_code == 400
    assert isinstance(mixed.json(), str)
    assert "alert 0" in mixed.json()
    bad = await rig.client.post("/api/v2/alerts", content=b"[")
    assert bad.status_code == 400
    assert isinstance(bad.json(), str)
    names = [orjson.loads(record.value)[0]["labels"]["alertname"] for _, record in await raw_records(rig)]
    assert sorted(names) == ["Down", "Other"]


async def test_pagerduty_clients_get_the_answers_of_pagerduty(rig: Any) -> None:
    good = await rig.client.post("/v2/enqueue", json={**EVENT, "dedup_key": "disk"})
    assert good.status_code == 202
    assert good.json() == {"status": "success", "message": "Event processed", "dedup_key": "disk"}
    keys = {(await rig.client.post("/v2/enqueue", json=EVENT)).json()["dedup_key"] for _ in range(2)}
    assert len(keys) == 2
    assert "" not in keys
    bad = await rig.client.post("/v2/enqueue", json={**EVENT, "event_action": "triger"})
    assert bad.status_code == 400
    assert bad.json()["status"] == "invalid event"
    assert bad.json()["errors"]
    assert all(b"R" * 32 not in record.value for _, record in await raw_records(rig))


async def three_megabytes() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b" " * (1 << 20)


async def test_a_body_without_a_length_is_cut_off_at_the_limit(rig: Any) -> None:
    request = rig.client.build_request("POST", "/v2/enqueue", content=three_megabytes())
    assert "content-length" not in request.headers
    answer = await rig.client.send(request)
    assert answer.status_code == 413
    assert str(intake.ENQUEUE_BYTES_MAX) in answer.json()["message"]
    assert rig.app.state.serving.bodies_bytes == 0


async def test_a_length_above_the_limit_is_refused_before_the_body(rig: Any) -> None:
    headers = {"content-length": str(intake.ALERTS_BYTES_MAX + 1)}
    answer = await rig.client.post("/api/v1/alerts", content=b"{}", headers=headers)
    assert answer.status_code == 413
    assert answer.json()["error"] == "too_large"


async def test_nothing_is_accepted_that_the_log_does_not_take(rig: Any) -> None:
    def full(operation: str, topic: str, partition: int) -> Fault | None:
        return Fault.DOUBT_LOST if topic == RAW.name else None

    rig.broker.fault = full
    answer = await rig.client.post("/api/v1/alerts", json=DISK)
    assert answer.status_code == 503
    assert answer.json()["error"] == "log_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    rig.broker.fault = None
    assert (await rig.client.post("/api/v1/alerts", json=DISK)).status_code == 202


async def test_a_stopped_node_takes_nothing_and_is_not_ready(rig: Any) -> None:
    assert (await rig.client.get("/-/ready")).json() == {"ready": True, "problems": [], "notes": []}
    await rig.node.stop()
    for path in ("/api/v1/alerts", "/api/v2/alerts"):
        answer = await rig.client.post(path, json=[PROMETHEUS])
        assert answer.status_code == 503
        assert answer.json()["error"] == "not_ready"
    ready = await rig.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["problems"] == ["stopping"]
    assert (await rig.client.get("/healthz")).status_code == 200


async def test_a_large_webhook_becomes_several_records_with_every_id(rig: Any) -> None:
    alerts = [
        {"labels": {"alertname": "Down", "instance": f"i{n}"}, "annotations": {"description": "x" * 900}}
        for n in range(1000)
    ]
    answer = await rig.client.post("/api/v1/alerts", json=alerts, params={"format": "prometheus"})
    assert answer.status_code == 202
    assert len({item["alert_id"] for item in answer.json()["items"]}) == 1000
    assert len(await raw_records(rig)) > 3


@pytest.mark.parametrize(
    ("content_type", "headers", "body"),
    [
        ("application/cloudevents+json", {}, {**EVENT_OF, "data": DISK}),
        ("application/cloudevents-batch+json; charset=UTF-8", {}, [{**EVENT_OF, "data": DISK}]),
        ("application/json", {f"ce-{name}": text for name, text in EVENT_OF.items()}, DISK),
    ],
)
async def test_cloudevents_are_taken_in_every_mode(
    rig: Any, content_type: str, headers: dict[str, str], body: Any
) -> None:
    answer = await rig.client.post(
        "/api/v1/alerts", content=orjson.dumps(body), headers={"content-type": content_type, **headers}
    )
    assert answer.status_code == 202, answer.text
    [(_, record)] = await raw_records(rig)
    assert record.header("tocsin_format") == b"cloudevents"
    found = await rig.incident_of_alert("Disk full")
    alert = (await rig.client.get(f"/api/incident_response/{found['id']}")).json()["alert_list"]["items"][0]
    assert (alert["labels"], alert["source"]) == ({"host": "db1", "subject": "db1/disk"}, "/probes/eu-1")
