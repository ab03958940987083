"""A real `tocsin run` against a local Slack: a page with buttons, clicks over Socket Mode and over signed HTTP, the
message changed in place with the name of who pressed."""

import json
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.slack_server import APP_TOKEN, CHANNEL, SIGNING_SECRET, TOKEN, SlackServer, signed, slack_server
from integration.running import Tocsin
from integration.waiting import incident, post, until

pytestmark = pytest.mark.integration

EVENTS = ["incident.opened", "incident.acknowledged", "incident.investigating", "incident.resolved"]


def tree(server: SlackServer, **chat: Any) -> dict[str, Any]:
    """Settings with one Slack channel."""
    chat = {"type": "slack", "token": TOKEN, "channel": CHANNEL, "api_url": server.url, "per_second": 0, **chat}
    return {
        "notify": {"channels": {"chat": chat}, "routes": [{"channels": ["chat"]}], "events": EVENTS},
        "people": {
            "users": {"ana": {"contacts": {"slack": "U0ANA", "email": "ana@a.example"}}},
            "teams": {"everyone": {"members": ["ana"], "contacts": {"slack": CHANNEL}}},
            "catch_all": "everyone",
        },
        "escalate": {"rules": []},
    }


@asynccontextmanager
async def paged(directory: Path, server: SlackServer, **chat: Any) -> AsyncIterator[tuple[Tocsin, dict[str, Any]]]:
    """An installation that has paged for one incident, and the message in Slack."""
    tocsin = Tocsin(directory, **tree(server, **chat))
    await tocsin.start()
    try:
        alert = {"labels": {"alertname": "DiskFull", "severity": "critical", "service": "shop"}, "status": "firing"}
        await post(tocsin, {"alerts": [{**alert, "annotations": {"summary": "Disk <!channel> is full"}}]})

        async def message() -> list[dict[str, Any]]:
            return server.standing()

        yield tocsin, (await until(message, "a message in Slack"))[0]
    finally:
        if tocsin.process is not None and tocsin.process.poll() is None:
            tocsin.process.kill()
            tocsin.process.wait()


async def shows(server: SlackServer, stamp: str, text: str) -> bool:
    """Whether the message says so now, and its thread, too."""
    lines = server.thread(CHANNEL, stamp)
    return text in json.dumps(server.messages[CHANNEL][stamp]["blocks"]) and any(text in one["text"] for one in lines)


@pytest.mark.timeout(120)
async def test_a_click_over_socket_mode_acknowledges_in_the_name_of_who_pressed(tmp_path: Path) -> None:
    async with slack_server() as server, paged(tmp_path, server, app_token=APP_TOKEN) as (tocsin, message):
        stamp = message["ts"]
        number = message["blocks"][-1]["elements"][0]["value"]
        assert "<!channel>" not in json.dumps(message)

        async def lines() -> object:
            return server.lines

        await until(lines, "a line of Socket Mode")
        envelope = await server.over_socket(server.press(message, "acknowledge"))
        await until(lambda: shows(server, stamp, "Acknowledged by user:ana"), "the message says who")

        async def acknowledged() -> object:
            return (await incident(tocsin, number)).get("acknowledged_by")

        assert await until(acknowledged, "the acknowledgement, to be read") == "user:ana"
        assert envelope in server.acknowledged
        await server.over_socket(server.press(server.messages[CHANNEL][stamp], "resolve", "U0BEN"))
        await until(lambda: shows(server, stamp, "Resolved by slack:U0BEN (Ben Okri)"), "a stranger by their name")
        assert len(server.standing()) == 1
        assert TOKEN not in tocsin.printed()


@pytest.mark.timeout(120)
async def test_a_signed_click_over_http_acknowledges_once_and_a_forged_one_does_not(tmp_path: Path) -> None:
    async with slack_server() as server, paged(tmp_path, server, signing_secrets=SIGNING_SECRET) as (tocsin, message):
        stamp = message["ts"]
        address = f"{tocsin.url}/api/v1/inbound/chat"
        headers, body = signed(server.press(message, "acknowledge"), time.time())
        async with httpx.AsyncClient(timeout=20) as client:
            forged = {**headers, "x-slack-signature": "v0=" + "0" * 64}
            assert (await client.post(address, content=body, headers=forged)).status_code == 401
            old = signed(body, time.time() - 301)[0]
            assert (await client.post(address, content=body, headers=old)).status_code == 401
            for _ in range(2):
                answer = await client.post(address, content=body, headers=headers)
                assert (answer.status_code, answer.content) == (200, b"")
        await until(lambda: shows(server, stamp, "Acknowledged by user:ana"), "the message says who")
        commands = [one for one in tocsin.exported("incidents.commands.v1") if "acknowledge" in json.dumps(one)]
        assert len({json.dumps(one.get("key")) + json.dumps(one.get("value")) for one in commands}) == 1
        assert len(server.thread(CHANNEL, stamp)) == 1
        assert server.ephemerals == []


@pytest.mark.timeout(120)
async def test_what_was_posted_before_a_kill_is_not_posted_again(tmp_path: Path) -> None:
    held = {"chat.postMessage": deque(["held"])}
    async with slack_server(scripted=held) as server, paged(tmp_path, server, app_token=APP_TOKEN) as (tocsin, message):
        tocsin.kill()  # Slack has the message, and tocsin does not know
        await tocsin.start()

        async def lines() -> object:
            return server.lines

        await until(lines, "a line of Socket Mode")
        await server.over_socket(server.press(message, "acknowledge"))
        await until(lambda: shows(server, message["ts"], "Acknowledged by user:ana"), "its place was found")
        assert len(server.standing()) == 1
        assert len(server.called("conversations.history")) == 1
