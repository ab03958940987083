"""The rest of the surface: alerts of an incident, the log as it is, rejected records, metrics, pages."""

import base64
import re
import time
from typing import Any

import orjson

from tocsin.settings import Settings
from tocsin.topics import NORMALIZED, RAW, REJECTED, TOPICS
from tocsin.wire.record import Draft

DISK = {"title": "Disk full", "service": "db", "severity": "critical", "labels": {"host": "db1"}}


async def test_alerts_are_listed_with_filters(rig: Any) -> None:
    await rig.send(DISK, {**DISK, "title": "Slow", "severity": "low"})
    incident = await rig.incident_of_alert("Disk full")
    await rig.incident_of_alert("Disk full")
    found = (await rig.client.get("/api/alerting", params={"severity": "critical", "status": "firing"})).json()
    assert [item["title"] for item in found["items"]] == ["Disk full"]
    of_incident = (await rig.client.get("/api/alerting", params={"incident": incident["number"]})).json()
    assert {item["incident_id"] for item in of_incident["items"]} == {incident["id"]}


async def test_an_incident_shows_what_escalates_next(rig: Any) -> None:
    incident = await rig.declared(severity="high")
    await rig.command("note", incident, arguments={"text": "x"})
    while True:
        found = (await rig.client.get(f"/api/incident_response/{incident}")).json()
        if found["escalation"]["next"] and found["deliveries"]:
            break
    assert found["escalation"]["next"]["escalate_to"] == "on_call_engineer"
    assert found["escalation"]["next"]["due_at"] > found["opened_at"]
    assert found["deliveries"][0]["channel"] == "console"
    timeline = (await rig.client.get(f"/api/incident_response/{incident}/timeline", params={"limit": 1})).json()
    assert len(timeline["items"]) == 1
    assert timeline["next"]


async def test_topics_and_their_records_as_they_are(rig: Any) -> None:
    await rig.send(DISK)
    topics = {item["topic"]: item for item in (await rig.client.get("/api/v1/topics")).json()["items"]}
    assert topics.keys() == TOPICS.keys()
    [partition] = [one["partition"] for one in topics[RAW.name]["partitions"] if one["end"]]
    page = (await rig.client.get(f"/api/v1/topics/{RAW.name}/{partition}/records")).json()
    [record] = await rig.broker.read(RAW.name, partition, 0)
    assert page == {
        "records": [
            {
                "topic": RAW.name,
                "partition": partition,
                "offset": 0,
                "timestamp": record.timestamp,
                "key": record.key.decode(),
                "headers": {name: value.decode() for name, value in record.headers},
                "value": record.value.decode(),
            }
        ],
        "next": 1,
        "end": 1,
    }


async def test_records_are_paged_waited_for_and_bytes_are_base64(rig: Any) -> None:
    path = f"/api/v1/topics/{REJECTED.name}/1/records"
    drafts = [Draft(None, b"\xff%d" % n, (("tocsin_error_reason", b"bad_json"),)) for n in range(5)]
    await rig.broker.append(REJECTED.name, 1, drafts)
    first = (await rig.client.get(path, params={"limit": 2})).json()
    assert [one["offset"] for one in first["records"]] == [0, 1]
    assert (first["next"], first["end"]) == (2, 5)
    assert base64.b64decode(first["records"][0]["value_base64"]) == b"\xff0"
    last = (await rig.client.get(path, params={"from": -2})).json()
    assert [one["offset"] for one in last["records"]] == [3, 4]
    none = (await rig.client.get(path, params={"from": 5, "wait": 0.01})).json()
    assert none == {"records": [], "next": 5, "end": 5}


async def test_rejected_records_are_shown_with_reason_and_bytes(rig: Any) -> None:
    await rig.node.publish(RAW.name, 1, [Draft(None, b'{"nonsense": \xff', ())])
    while not await rig.broker.end(REJECTED.name, 1):
        await rig.broker.wait({(REJECTED.name, 1): 0}, 1.0)
    [item] = (await rig.client.get("/api/v1/rejected")).json()["items"]
    assert item["id"] == "1/0"
    assert item["reason"] == "bad_json"
    assert item["stage"] == "ingest"
    whole = (await rig.client.get(f"/api/v1/rejected/{item['id']}")).json()
    assert base64.b64decode(whole["value_base64"]) == b'{"nonsense": \xff'


async def test_metrics(rig: Any) -> None:
    await rig.send(DISK)
    await rig.incident_of_alert("Disk full")
    answer = await rig.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'tocsin_alerts_received_total{format="native"} 1.0' in answer.text
    assert "inc_" not in answer.text


async def test_metrics_say_whether_it_is_ready_and_what_time_it_takes_for_now(rig: Any) -> None:
    def values(text: str) -> dict[str, float]:
        lines = (line.split(" ") for line in text.splitlines() if line.startswith("tocsin_"))
        return {name: float(value) for name, value in lines}

    shown = values((await rig.client.get("/metrics")).text)
    assert (shown["tocsin_ready"], shown["tocsin_problems"]) == (1, 0)
    assert shown["tocsin_disk_free_bytes"] > 0
    earliest, latest = time.time() - 60, time.time()
    assert earliest < shown["tocsin_clock_seconds"] <= latest
    await rig.node.stop()
    shown = values((await rig.client.get("/metrics")).text)
    assert (shown["tocsin_ready"], shown["tocsin_problems"]) == (0, 1)


async def test_pages_load_nothing_from_outside(rig: Any) -> None:
    for path in ("/", "/api/docs", "/docs"):
        answer = await rig.client.get(path)
        assert answer.status_code == 200
        links = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
        assert links
        assert all(link.startswith("/") for link in links)
        for link in links:
            assert (await rig.client.get(link)).status_code == 200, link


async def test_the_operations_are_described(rig: Any) -> None:
    described = (await rig.client.get("/api/openapi.json")).json()
    assert described["openapi"].startswith("3.")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
    page = (await rig.client.get("/api/docs")).text
    assert all(path in page.replace("&#x27;", "'") for path in described["paths"])


async def test_what_comes_from_outside_is_escaped_on_pages(rig: Any) -> None:
    serving = rig.app.state.serving
    serving.settings = Settings.model_construct(**{**dict(serving.settings), "instance": "<script>x</script>"})
    page = (await rig.client.get("/")).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_normalized_batches_are_exported_as_base64(rig: Any) -> None:
    await rig.send(DISK)
    await rig.incident_of_alert("Disk full")
    for partition in range(2):
        page = (await rig.client.get(f"/api/v1/topics/{NORMALIZED.name}/{partition}/records")).json()
        for record in page["records"]:
            assert orjson.dumps(record)
            assert "value_base64" in record


async def test_the_topics_are_described_for_publishers_and_subscribers(rig: Any) -> None:
    answer = await rig.client.get("/api/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["asyncapi"] == "3.0.0"
    assert set(answer.json()["channels"]) <= set(TOPICS)
