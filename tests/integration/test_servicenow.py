"""A real `tocsin run` beside a table API: an alert becomes a ticket, a person there acknowledges and resolves over a
signed business rule, forged calls do nothing, and the two systems do not answer each other for ever."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.servicenow_server import PASSWORD, USER, ServiceNowServer, servicenow_server
from integration.running import Tocsin
from integration.waiting import incident, only_incident, post, until
from tocsin.notify.channels.signing import key_of, signature

pytestmark = pytest.mark.integration

SECRET = "whsec_Y2FuYXJ5LW9mLXRoZS1pbmJvdW5kLWtleQ=="
EVENTS = ["incident.opened", "incident.acknowledged", "incident.resolved", "incident.closed"]


def installation(directory: Path, server: ServiceNowServer) -> Tocsin:
    desk = {
        "type": "servicenow",
        "url": server.url,
        "username": USER,
        "password": PASSWORD,
        "fields": {"assignment_group": "Database"},
        "inbound_secret": SECRET,
    }
    return Tocsin(
        directory,
        notify={
            "channels": {"desk": desk},
            "routes": [{"channels": ["desk"]}],
            "events": EVENTS,
            "retry_first": "300ms",
            "retry_longest": "500ms",
        },
        people={
            "users": {"ana": {"contacts": {"servicenow": "ana.lima"}}},
            "teams": {"everyone": {"members": ["ana"]}},
            "catch_all": "everyone",
        },
        escalate={"rules": []},
    )


async def told(tocsin: Tocsin, change: dict[str, str], *, secret: str = SECRET) -> int:
    """The business rule of the handbook; gives the status of the answer."""
    body = json.dumps(change).encode()
    stamp, identifier = str(int(time.time())), f"{change['sys_id']}.{change['sys_mod_count']}"
    headers = {
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(key_of(secret), identifier, stamp, body),
    }
    async with httpx.AsyncClient(timeout=20) as client:
        return (await client.post(f"{tocsin.url}/api/v1/inbound/desk", content=body, headers=headers)).status_code


@pytest.mark.timeout(120)
async def test_a_ticket_and_its_incident_follow_each_other(tmp_path: Path) -> None:
    async with servicenow_server() as server:
        server.fates.extend(["before", "ok", "after"])  # a bad start: two attempts lose the line
        tocsin = installation(tmp_path, server)
        await tocsin.start()

        async def ticket() -> dict[str, str]:
            return server.only() if server.tickets else {}

        async def status(word: str) -> Any:
            one = await only_incident(tocsin)
            found = await incident(tocsin, one["number"])
            return found if found["status"] == word else None

        try:
            alert = {"title": "Disk full", "severity": "critical", "service": "shop", "key": "disk-7"}
            assert (await post(tocsin, {**alert, "status": "firing"})).status_code == 202
            found = await until(ticket, "a ticket")
            one = await only_incident(tocsin)
            assert found["correlation_id"] == one["id"]
            assert found["assignment_group"] == "a" * 32
            change = server.by_hand(state="2", work_notes="I look at it")
            assert await told(tocsin, change, secret="whsec_Zm9yZ2Vk") == 401
            assert await told(tocsin, change) == 200
            assert await told(tocsin, change) == 200  # the provider sends it again
            acknowledged = await until(lambda: status("acknowledged"), "the acknowledgement")
            assert acknowledged["acknowledged_by"] == "user:ana"
            assert await told(tocsin, server.by_hand(state="6", close_code="Solution provided", close_notes="x")) == 200
            await until(lambda: status("resolved"), "the resolution")
            await tocsin.quiet()
            own = {**change, "state": "7", "sys_mod_count": "99", "updated_by": USER}  # what tocsin did itself
            assert await told(tocsin, own) == 200
            writes = len(server.writes)
            await tocsin.quiet()
            commands = [json.loads(record["value"]) for record in tocsin.exported("incidents.commands.v1")]
        finally:
            tocsin.stop()
        assert len(server.writes) == writes, "nobody answers for ever"
        assert server.only()["state"] == "6"
        asked = {command["command_id"]: command for command in commands}
        assert sorted(command["verb"] for command in asked.values()) == ["acknowledge", "note", "resolve"]
        assert all((command["actor"], command["origin"]) == ("user:ana", "desk") for command in asked.values())
        printed = tocsin.printed()
        for canary in (PASSWORD, SECRET, "canary"):
            assert canary not in printed
