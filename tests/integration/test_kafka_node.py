"""The way that production takes, told as stories in one process: settings, composition, Faust's groups, inboxes,
owners, webhooks, HTTP, on a real Kafka and by the real clock.

The logic of stories is held by `tests/scenarios`, which step the owners by hand; here is what lies between: who is
called by whom, when partitions come and go, when settings change while others run.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiokafka import AIOKafkaProducer

from integration.kafka_log import opened
from integration.running import Sink, free_port
from integration.test_kill import received, rows
from integration.waiting import only_incident, until
from kafka import topics
from tocsin.cli.composition import Running, running
from tocsin.domain.ids import partition_of_key
from tocsin.settings.load import load
from tocsin.testing.checker import check
from tocsin.testing.simulator import export
from tocsin.topics import RAW

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PARTITIONS = 4
SOON = 0.05
"""Minutes."""
ESCALATE = {"rules": [{"escalate_to": "night", "escalate_after_minutes": SOON}]}
CORRELATE = {"rules": [{"name": "quick", "gap": "3s", "resolve_delay": "1s", "reopen_within": "1s"}]}


class Desk:
    """Processes of one installation that live in this one."""

    def __init__(self, directory: Path, servers: str, prefix: str, sink: Sink) -> None:
        self.directory = directory
        self.sink = sink
        self._servers = servers
        self._prefix = prefix
        self._stack = AsyncExitStack()

    @asynccontextmanager
    async def process(
        self, name: str, *, groups: tuple[str, ...] = ("ingest", "core"), **more: Any
    ) -> AsyncIterator[Running]:
        """One of them, until the end of the block."""
        tree = {
            "data_dir": str(self.directory / name),
            "broker": f"kafka://{self._servers}",
            "partitions": PARTITIONS,
            "kafka": {"prefix": self._prefix, "member": name, "session_timeout": "6s"},
            "http": {"listen": f"127.0.0.1:{free_port()}"},
            "run": {"groups": list(groups)},
            "correlate": CORRELATE,
            "escalate": ESCALATE,
            "sla": {},
            "notify": {
                "channels": {"sink": {"type": "webhook", "url": self.sink.url}},
                "catch_all": ["sink"],
            },
            **more,
        }
        file = self.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(tree))
        async with running(load(file, {})) as tocsin:
            await until(lambda: ready(tocsin), f"{name} is ready")
            yield tocsin

    def pages(self) -> list[str]:
        """`<step> <title>` of each page, sorted."""
        return sorted(f"{step(one['body'])} {one['body']['incident']['title']}" for one in self.sink.journal)

    async def paged(self, *wanted: str) -> None:
        """Wait until exactly these pages have come."""

        async def look() -> list[str]:
            return [] if self.pages() != sorted(wanted) else ["yes"]

        await until(look, f"pages {sorted(wanted)}")

    async def judged(self) -> Counter[str]:
        """What the checker counts once all have stopped; it finds nothing wrong."""
        async with opened(self._servers, self._prefix) as log:
            lines = await export(log)
        sends = [received(one) for one in self.sink.journal]
        checked = check(lines, sends, rows(self.directory / "keeper/events.sqlite3", lines))
        assert checked.problems == []
        return Counter(checked.counts)


def step(body: dict[str, Any]) -> str:
    return str(body["type"]).removeprefix("tocsin.").removesuffix(".v1").removeprefix("incident.")


async def ready(tocsin: Running) -> bool:
    return tocsin.node.health().ready


@pytest.fixture
async def desk(tmp_path: Path, kafka: str, prefix: str) -> AsyncIterator[Desk]:
    await topics.create(kafka, prefix, partitions=PARTITIONS)
    async with opened(kafka, prefix):
        pass  # until the broker itself knows of them
    async with Sink() as sink:
        yield Desk(tmp_path, kafka, prefix, sink)


async def passed(instant: datetime) -> None:
    """Wait until the real clock is there."""

    async def look() -> bool:
        return datetime.now(UTC) > instant

    await until(look, f"{instant}")


def alert(title: str, service: str = "shop", **more: Any) -> dict[str, Any]:
    return {"title": title, "severity": "critical", "service": service, "labels": {"alertname": title}, **more}


async def send(tocsin: Running, *alerts: dict[str, Any]) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        reply = await client.post(f"{tocsin.url}/api/v1/alerts", json=list(alerts))
    assert reply.status_code == 202, reply.text


async def order(tocsin: Running, verb: str, incident: str, **arguments: Any) -> dict[str, Any]:
    """What a command comes to."""
    asked = {"verb": verb, "incident": incident, "arguments": arguments}
    async with httpx.AsyncClient(timeout=20) as client:
        answer: dict[str, Any] = (await client.post(f"{tocsin.url}/api/v1/commands", json=asked)).json()
    return answer


async def incidents(tocsin: Running) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(timeout=20) as client:
        page = (await client.get(f"{tocsin.url}/api/incident_response", params={"limit": 500})).json()
    return list(reversed(page["items"]))


async def eventually(
    tocsin: Running, wanted: Callable[[list[dict[str, Any]]], bool], what: str
) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = await incidents(tocsin)
        return found if wanted(found) else []

    return await until(look, what)


async def test_an_outage_from_the_first_alert_to_the_last(desk: Desk) -> None:
    """Called, called again, acknowledged, noted, resolved, closed; each page once."""
    async with desk.process("keeper", groups=("ingest", "core", "persist")) as tocsin:
        await send(tocsin, alert("Outage"))
        await desk.paged("opened Outage", "escalation.fired Outage")
        outage = await only_incident(tocsin)
        assert (await order(tocsin, "acknowledge", outage["id"]))["outcome"] == "applied"
        assert (await order(tocsin, "acknowledge", outage["number"]))["outcome"] == "unchanged"
        assert (await order(tocsin, "note", outage["number"], text="the new release"))["outcome"] == "applied"
        await send(tocsin, alert("Outage", status="resolved"))
        await eventually(tocsin, lambda found: found[0]["status"] == "resolved", "it resolves")
        await desk.paged("opened Outage", "escalation.fired Outage", "resolved Outage")
        assert (await order(tocsin, "mitigate", outage["id"]))["outcome"] == "rejected"
        assert (await order(tocsin, "close", outage["id"]))["outcome"] == "applied"
    assert (await desk.judged())["delivery.delivered"] == 3


async def test_a_late_alert_makes_one_incident_of_two(desk: Desk) -> None:
    async with desk.process("keeper", groups=("ingest", "core", "persist"), escalate={"rules": []}) as tocsin:
        await send(tocsin, alert("Disk", key="a"))
        await eventually(tocsin, lambda found: len(found) == 1, "the first")
        between = datetime.now(UTC)
        await passed(between + timedelta(seconds=4))  # the gap of CORRELATE
        await send(tocsin, alert("Disk", key="c"))
        await eventually(tocsin, lambda found: len(found) == 2, "the second")
        await desk.paged("opened Disk", "opened Disk")
        await send(tocsin, alert("Disk", key="b", starts_at=between.isoformat()))
        found = await eventually(tocsin, lambda found: found[-1]["status"] == "closed", "they are merged")
        assert found[0]["alerts"] == 3
        await desk.paged("opened Disk", "opened Disk")
    assert (await desk.judged())["incident.merged"] == 1


async def test_settings_that_another_process_brings_hold_for_those_that_run(desk: Desk) -> None:
    slow = {"rules": [{"escalate_to": "day", "escalate_after_minutes": 600}]}
    async with desk.process("keeper", groups=("ingest", "core", "persist"), escalate=slow) as keeper:
        assert [rule.escalate_to for rule in keeper.node.rules.escalation] == ["day"]
        async with desk.process("worker", escalate=ESCALATE) as worker:

            async def adopted() -> bool:
                return [rule.escalate_to for rule in keeper.node.rules.escalation] == ["night"]

            await until(adopted, "the elder process goes by the new settings")
            for number in range(8):  # of partitions of both
                await send(worker, alert(f"New {number}", f"service {number}"))
            await desk.paged(
                *(f"{step} New {number}" for number in range(8) for step in ("opened", "escalation.fired"))
            )
        await until(lambda: ready(keeper), "the elder process has everything again")
    await desk.judged()


async def test_two_processes_share_partitions_and_one_leaves(desk: Desk, kafka: str, prefix: str) -> None:
    """Every alert pages once, whoever has its partition at that time, and no journal has a hole."""
    titles: list[str] = []
    async with (
        desk.process("keeper", groups=("core", "ingest", "persist"), escalate={"rules": []}) as keeper,
        AsyncExitStack() as stack,
    ):
        producer = await stack.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka, acks="all"))

        async def some(count: int) -> None:
            for _ in range(count):
                titles.append(f"Alert {len(titles)}")
                document = json.dumps(alert(titles[-1], titles[-1])).encode()
                partition = partition_of_key(titles[-1], PARTITIONS)
                await producer.send_and_wait(prefix + RAW.name, document, partition=partition)

        await some(10)
        async with desk.process("worker", escalate={"rules": []}) as worker:
            await some(20)

            async def dealt() -> bool:
                one, other = held(keeper), held(worker)
                return bool(one and other) and not one & other and one | other == set(range(PARTITIONS))

            await until(dealt, "each has some, and no partition is in both")
            leaving = asyncio.ensure_future(some(30))
        await leaving
        await until(lambda: all_of(keeper), "the keeper has everything again")
        await desk.paged(*(f"opened {title}" for title in titles))
        await eventually(keeper, lambda found: len(found) == len(titles), "all of them in the event log")
    counts = await desk.judged()
    assert counts["incident.opened"] == counts["delivery.delivered"] == len(titles)
    assert not [one for one in desk.sink.journal if one["body"]["possible_duplicate"]]


def held(tocsin: Running) -> set[int]:
    """Partitions whose owners live in this process, by the metric that an operator sees."""
    owners = tocsin.node.metrics.exposition().decode().splitlines()
    prefix = "tocsin_position_age_seconds{"
    return {
        int(line.partition('partition="')[2].partition('"')[0])
        for line in owners
        if line.startswith(prefix) and 'stage="correlate"' in line
    }


async def all_of(tocsin: Running) -> bool:
    return await ready(tocsin) and len(held(tocsin)) == PARTITIONS
