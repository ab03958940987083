"""Settings documents reach whoever works on the log, on both brokers, and have one history."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration import kafka_node
from integration.running import running
from integration.waiting import incident, incidents, post, until
from kafka import topics
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.rules import Refused
from tocsin.topics import SETTINGS
from tocsin.wire.events import decode

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SOON = 1.0
"""Seconds: what is promised for a change of the rules to hold everywhere."""


async def test_a_policy_that_is_put_holds_for_the_next_incident(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _), httpx.AsyncClient(base_url=tocsin.url, timeout=20) as client:
        step = {"condition": {"severity": ["critical"]}, "escalate_to": "night_shift", "escalate_after_minutes": 600}
        answer = await client.put("/api/v1/settings/escalate/rules", json=[step])
        assert answer.status_code == 200, answer.text
        alert = {"title": "After", "severity": "critical", "service": "shop", "labels": {"alertname": "After"}}
        assert (await post(tocsin, alert)).status_code == 202

        async def planned() -> dict[str, Any] | None:
            found = [await incident(tocsin, one["number"]) for one in await incidents(tocsin)]
            return next((one for one in found if one["escalation"]["next"]), None)

        found = await until(planned, "the plan")
        assert found["escalation"]["next"]["escalate_to"] == "night_shift"
        assert tocsin.stop() == 0
        await tocsin.start()
        kept = (await client.get("/api/v1/settings/escalate/rules")).json()
        assert (kept["origin"], kept["document"][0]["escalate_to"]) == ("api", "night_shift"), "a start changes nothing"


async def test_two_processes_on_kafka_write_at_once_and_have_one_history(kafka: str, prefix: str) -> None:
    await topics.create(kafka, prefix)
    async with AsyncExitStack() as stack:
        nodes = [(await stack.enter_async_context(kafka_node.running(kafka, prefix)))[0] for _ in range(2)]

        async def write(number: int) -> list[str]:
            """Words of what was refused."""
            refused = []
            for turn in range(8):
                await nodes[number].change_settings({f"user/u{number}-{turn}": {}}, actor=f"p{number}")
                version = nodes[number].feed.version("calendar/office")
                try:
                    await nodes[number].change_settings(
                        {"calendar/office": {"holidays": [f"20{number}0-01-{turn + 1:02}"]}},
                        actor=f"p{number}",
                        expected={"calendar/office": version},
                    )
                except Refused as error:
                    refused.append(error.word)
            return refused

        refused = [word for words in await asyncio.gather(write(0), write(1)) for word in words]
        assert set(refused) <= {"version_mismatch"}

        async def same() -> bool:
            return nodes[0].rules == nodes[1].rules

        await until(same, "the same rules", 10)
        assert len(nodes[0].rules.users) == 16
        records, _ = await JournalReader(nodes[0]._world).read(SETTINGS.name, 0, 0)
        events = [decode(one.headers, one.value) for one in records]
        office = [one for one in events if getattr(one, "key", "") == "calendar/office"]
        assert len(office) == 16 - len(refused)


async def test_a_change_holds_in_the_other_process_within_a_second(kafka: str, prefix: str) -> None:
    await topics.create(kafka, prefix)
    async with AsyncExitStack() as stack:
        one, other = [(await stack.enter_async_context(kafka_node.running(kafka, prefix)))[0] for _ in range(2)]
        told = asyncio.Event()
        other.feed.watch(told.set)
        took = []
        for turn in range(5):
            told.clear()
            await one.change_settings({f"user/u{turn}": {}}, actor="leo")
            began = time.monotonic()
            await asyncio.wait_for(told.wait(), 10)
            took.append(time.monotonic() - began)
            assert f"u{turn}" in other.rules.users
        assert sorted(took)[2] < SOON, took
