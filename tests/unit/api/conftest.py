"""A running tocsin behind its real application, without a socket: the log in memory, the database in a file."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tocsin.api.app import create
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Channel, Sent
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.node import Node
from tocsin.settings import Settings
from tocsin.settings.tree import HttpPart
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker

PARTITIONS = 2


class Outbox:
    """A channel that delivers at once and keeps what it sent."""

    name = "console"
    kind = "memory"
    in_flight_max = 8
    timeout_seconds = 5.0

    def __init__(self) -> None:
        self.sent: list[Effect] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.sent.append(effect)
        return Sent("delivered")

    async def close(self) -> None:
        """Nothing to give back."""


class Rig:
    """What a test works with."""

    def __init__(
        self, client: httpx.AsyncClient, node: Node, broker: MemoryBroker, app: FastAPI, outbox: Outbox
    ) -> None:
        self.client = client
        self.outbox = outbox
        self.node = node
        self.broker = broker
        self.app = app

    async def send(self, *alerts: dict[str, Any]) -> dict[str, Any]:
        """Send native alerts and return the answer."""
        answer = await self.client.post("/api/v1/alerts", json=list(alerts))
        found: dict[str, Any] = answer.json()
        return found

    async def command(self, verb: str, incident: str = "", **more: Any) -> httpx.Response:
        body = {"verb": verb, "incident": incident, **more}
        return await self.client.post("/api/v1/commands", json=body, params={"wait": 20})

    async def declared(self, title: str = "Checkout is slow", **arguments: Any) -> str:
        """Declare an incident; its id. Its events up to here are in the database."""
        answer = await self.command("declare", arguments={"title": title, **arguments})
        assert answer.status_code == 200, answer.text
        incident: str = answer.json()["incident"]
        return incident

    async def incident_of_alert(self, title: str) -> dict[str, Any]:
        """The incident with that title, as soon as it is in the database."""
        while True:
            page = (await self.client.get("/api/incident_response", params={"q": title})).json()
            if page["items"]:
                found: dict[str, Any] = page["items"][0]
                return found
            await asyncio.sleep(0.002)


@pytest.fixture
def rules() -> Rules | None:
    """What the settings file says; a module that wants another one overrides it. None = the defaults."""
    return None


@pytest.fixture
def channels() -> dict[str, Channel]:
    """Channels besides `console`; a module that wants some overrides it."""
    return {}


@pytest.fixture
def http() -> HttpPart:
    """What the settings say of HTTP; a module that wants tokens or links overrides it."""
    return HttpPart()


@pytest.fixture
async def rig(tmp_path: Path, rules: Rules | None, channels: dict[str, Channel], http: HttpPart) -> AsyncIterator[Rig]:
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS, http=http)
    clock = SystemClock()
    broker = MemoryBroker(clock, PARTITIONS)
    event_log = EventLog.open(settings.event_log_path)
    outbox = Outbox()
    node = Node(
        broker=broker,
        clock=clock,
        instance="test",
        rules=rules or settings.rules(),
        event_log=event_log,
        channels={"console": outbox, **channels},
        partitions=PARTITIONS,
    )
    app = create(node, settings=settings, clock=clock)
    await node.start()
    while not node.health().ready:
        await asyncio.to_thread(event_log.high_water)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9393") as client:
        yield Rig(client, node, broker, app, outbox)
    await node.stop()
    event_log.close()
