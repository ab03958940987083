"""What people answer over channels and links when several processes share a Kafka: a provider calls whichever process
its balancer picks, and the incident may belong to the other one.

Two workers, of which the first keeps the event log. Whoever is called writes the command to the log of the incident's
partition, and its owner decides it; so it makes no difference who is called, nor that both are.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from integration.kafka_running import SESSION, Worker
from integration.running import TOCSIN, Sink, call
from integration.waiting import incidents, until
from tocsin.notify.channels.signing import key_of, signature

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SECRET: Final = "whsec_" + "aW5ib3VuZC1vZi1zZXZlcmFsLXByb2Nlc3Nlcw=="
GROUPS: Final = 5
PARTITIONS: Final = 4


def worker(directory: Path, number: int, kafka: str, prefix: str, sink: Sink) -> Worker:
    groups = ["ingest", "core", "persist"] if number == 0 else ["ingest", "core"]
    found = Worker(
        directory / f"worker-{number}",
        broker=f"kafka://{kafka}",
        partitions=PARTITIONS,
        kafka={"prefix": prefix, "member": f"worker-{number}", "session_timeout": f"{SESSION:g}s"},
        run={"groups": groups},
        escalate={"rules": []},
        notify={
            "channels": {"desk": {"type": "webhook", "url": sink.url, "inbound_secret": SECRET}},
            "routes": [{"channels": ["desk"]}],
        },
    )
    return found


def signed(verb: str, incident: str) -> tuple[dict[str, str], bytes]:
    """A call as the receiver of the webhook makes it; the same one has the same id."""
    body = json.dumps({"verb": verb, "incident": incident, "sender": "desk@b.example"}).encode()
    identifier, stamp = f"{verb}-{incident}", str(int(time.time()))
    return {
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(key_of(SECRET), identifier, stamp, body),
    }, body


async def test_it_makes_no_difference_which_process_is_called(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with Sink() as sink, httpx.AsyncClient(timeout=20) as client:
        workers = [worker(tmp_path, number, kafka, prefix, sink) for number in range(2)]
        keeper, other = workers
        try:
            await call(str(TOCSIN), "topics", "apply", "-c", str(keeper.config))
            for one in workers:
                one.launch()
            await asyncio.gather(*(one.ready() for one in workers))
            for number in range(GROUPS):
                alert = {"title": f"db{number} is down", "service": f"db{number}", "severity": "critical"}
                assert (await client.post(f"{other.url}/api/v1/alerts", json=alert)).status_code == 202

            async def all_of(status: str) -> list[dict[str, Any]]:
                found = [one for one in await incidents(keeper) if one["status"] == status]
                return found if len(found) == GROUPS else []

            opened = await until(lambda: all_of("open"), "all incidents in the event log")
            assert len({one["id"][4:6] for one in opened}) > 1, "they are of several partitions"

            for one in opened:
                for process in (other, keeper):
                    headers, body = signed("acknowledge", one["id"])
                    reply = await client.post(f"{process.url}/api/v1/inbound/desk", content=body, headers=headers)
                    assert reply.status_code == 200, reply.text
            for one in await until(lambda: all_of("acknowledged"), "every acknowledgement, whoever was called"):
                found = (await client.get(f"{keeper.url}/api/incident_response/{one['id']}")).json()
                answers = [line for line in found["timeline"] if line["type"] == "incident.acknowledged"]
                assert [line["actor"] for line in answers] == ["webhook:desk@b.example"]

            page = await client.get(f"{keeper.url}/i/{opened[0]['id']}")
            assert (page.status_code, "is down" in page.text) == (200, True)
            elsewhere = await client.get(f"{other.url}/i/{opened[0]['id']}")
            assert (elsewhere.status_code, "keeps no event log" in elsewhere.text) == (503, True), elsewhere.text
        finally:
            for one in workers:
                if one.running:
                    await one.end()
