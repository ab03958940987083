"""Plain producers on a real Kafka: every format by headers and bytes alone, and rejected records that come back."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from integration.running import running
from integration.waiting import incidents, shown, until
from kafka.topics import create
from tocsin.client import counted_async
from tocsin.topics import INCIDENTS, RAW

pytestmark = pytest.mark.integration

Sent = tuple[bytes, list[tuple[str, bytes]]]


def alert(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "labels": {"alertname": title.replace(" ", "-")}, **more}


def event(title: str, **attributes: str) -> CloudEvent:
    return CloudEvent({"type": "com.example.failed", "source": "/probes", **attributes}, alert(title))


def binary(title: str, **attributes: str) -> Sent:
    message = to_binary_event(event(title, datacontenttype="application/json", **attributes))
    return message.value, list(message.headers.items())


def structured(title: str) -> Sent:
    message = to_structured_event(event(title))
    return message.value, list(message.headers.items())


def webhook(title: str) -> bytes:
    fired = {"status": "firing", "labels": {"alertname": title}, "annotations": {"summary": title}}
    return json.dumps({"version": "4", "status": "firing", "groupLabels": {}, "alerts": [fired]}).encode()


SENT: dict[str, Sent] = {
    "native": (json.dumps(alert("native")).encode(), []),
    "native and said so": (json.dumps([alert("native and said so")]).encode(), [("tocsin_format", b"native")]),
    "webhook": (webhook("webhook"), []),
    "event in headers": binary("event in headers"),
    "event in the value": structured("event in the value"),
    "batch": (b"[" + structured("batch")[0] + b"]", []),
}
POISON = b'{"titel": "x", "severity": "high"}'


async def installed(servers: str, prefix: str) -> dict[str, Any]:
    """Settings of an installation with its topics, and a topic of somebody else that it reads, too."""
    await create(servers, prefix, partitions=2)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}legacy", 3, 1)])
    await admin.close()
    return {
        "broker": f"kafka://{servers}",
        "kafka": {"prefix": prefix},
        "partitions": 2,
        "ingest": {"topics": [f"{prefix}legacy"]},
    }


@pytest.mark.timeout(120)
async def test_whatever_a_plain_producer_sends_becomes_an_incident(kafka: str, prefix: str, tmp_path: Path) -> None:
    settings = await installed(kafka, prefix)
    async with running(tmp_path, **settings) as (tocsin, _), AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for value, headers in SENT.values():
            await producer.send_and_wait(prefix + RAW.name, value, headers=headers)
        legacy, headers = binary("event of a foreign topic", subject="db1")
        await producer.send_and_wait(f"{prefix}legacy", legacy, headers=headers, partition=2)
        # The same event again: it is a repeat, whatever it is called.
        again, headers = binary("event in headers", id="another")
        await producer.send_and_wait(prefix + RAW.name, again, headers=headers)
        wanted = sorted([*SENT, "event of a foreign topic"])

        async def all_there() -> bool:
            return sorted(one["title"] for one in await incidents(tocsin)) == wanted

        await until(all_there, "all incidents")
        await tocsin.quiet()
        assert sorted(one["title"] for one in await incidents(tocsin)) == wanted
        assert await shown(tocsin, "rejected", "list") == []
        opened = await subscribed(kafka, prefix + INCIDENTS.name, len(wanted))
        assert sorted(opened) == wanted
        assert tocsin.stop() == 0


async def subscribed(servers: str, topic: str, count: int) -> list[str]:
    """Titles of the first `count` incidents that a subscriber with the rule sees opened."""
    titles: list[str] = []
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        async for record in counted_async(consumer):
            if record.type == "incident.opened":
                titles.append(record.document()["header"]["title"])
                if len(titles) == count:
                    break
    return titles


@pytest.mark.timeout(120)
async def test_rejected_records_come_back_on_kafka(kafka: str, prefix: str, tmp_path: Path) -> None:
    settings = await installed(kafka, prefix)
    async with running(tmp_path, **settings) as (tocsin, _), AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(prefix + RAW.name, POISON, partition=1, headers=[("trace", b"7")])
        await producer.send_and_wait(f"{prefix}legacy", b"\xff", partition=2)

        async def rejected(count: int) -> list[dict[str, Any]]:
            listed: list[dict[str, Any]] = await shown(tocsin, "rejected", "list")
            return listed if len(listed) == count else []

        first = {one["reason"]: one for one in await until(lambda: rejected(2), "two rejected records")}
        assert first["unknown_field"]["source"] == f"{RAW.name}/1"
        done = await asyncio.to_thread(
            tocsin.command, "rejected", "requeue", "--all", "--yes", "--as", "ada", "-o", "jsonl"
        )
        assert done.returncode == 0, done.stderr
        went = {one["id"]: one["to"] for one in map(json.loads, done.stdout.splitlines())}
        assert went[first["unknown_field"]["id"]].startswith(f"{RAW.name}/1/")
        second = await until(lambda: rejected(4), "both rejected again")
        again = {one["reason"]: one for one in second if "requeued_from" in one}
        assert again["unknown_field"]["requeued_from"] == f"alerts.rejected.v1/{first['unknown_field']['id']}"
        whole = await shown(tocsin, "rejected", "show", again["bad_json"]["id"])
        assert base64.b64decode(whole["value_base64"]) == b"\xff"
        shown_now = await shown(tocsin, "rejected", "show", again["unknown_field"]["id"])
        assert (shown_now["value"].encode(), shown_now["headers"]["trace"]) == (POISON, "7")
        once_more = await asyncio.to_thread(tocsin.command, "rejected", "requeue", first["bad_json"]["id"])
        assert (once_more.returncode, "ada requeued it before" in once_more.stdout) == (1, True)
        assert tocsin.stop() == 0
