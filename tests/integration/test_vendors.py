"""PagerDuty, Teams and a phone at a real `tocsin run`: told once each, and what people answer there happens here."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.pagerduty_server import ROUTING_KEY, WEBHOOK_SECRET, PagerdutyServer, signed, webhook
from contract.teams_server import TeamsServer, text_of
from contract.twilio_server import OURS, PUBLIC_URL, SID, TOKEN, TwilioServer, pressed, reply, spoken
from contract.vendor_server import serving
from integration.running import Tocsin
from integration.waiting import incidents, post, until

pytestmark = pytest.mark.integration

ANA = "+49 151 1234 5678"
TITLE = "Disk of orders-db is full"


class Vendors:
    """An installation with four channels, and the vendors behind them."""

    def __init__(self, directory: Path, duty: PagerdutyServer, team: TeamsServer, phone: TwilioServer) -> None:
        self.duty, self.team, self.phone = duty, team, phone
        channels = {
            "duty": {
                "type": "pagerduty",
                "routing_key": ROUTING_KEY,
                "api_url": duty.root,
                "webhook_secrets": WEBHOOK_SECRET,
            },
            "team": {"type": "teams", "url": team.url},
            "phone": {
                "type": "sms",
                "url": phone.messages_url,
                "from": OURS,
                "to": "+4930999",
                "username": SID,
                "password": TOKEN,
                "form": {"To": "{to}", "From": "{from}", "Body": "{text}"},
                "receipt": "/sid",
                "auth_tokens": [TOKEN],
                "public_url": PUBLIC_URL,
                "per_second": 0,
            },
        }
        channels["call"] = {
            **channels["phone"],
            "type": "voice",
            "url": phone.calls_url,
            "form": {
                "To": "{to}",
                "From": "{from}",
                "Twiml": '<Response><Gather action="{callback}"><Say>{text}</Say></Gather></Response>',
            },
        }
        told = ["incident.opened", "incident.acknowledged", "incident.resolved"]
        self.tocsin = Tocsin(
            directory,
            notify={"channels": channels, "routes": [{"channels": list(channels)}], "events": told},
            people={
                "users": {"ana": {"contacts": {"phone": ANA}}},
                "teams": {"ops": {"members": ["ana"]}},
                "catch_all": "ops",
            },
            escalate={"rules": []},
            correlate={"rules": [{"name": "quick", "resolve_delay": "100ms"}]},
        )

    async def heard(self, channel: str, call: tuple[dict[str, str], bytes]) -> httpx.Response:
        """What the vendor calls back with."""
        headers, body = call
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.post(f"{self.tocsin.url}/api/v1/inbound/{channel}", headers=headers, content=body)

    async def fires(self, key: str, status: str = "firing") -> None:
        alert = {
            "title": f"{TITLE} {key}",
            "severity": "critical",
            "service": "orders-db",
            "key": key,
            "status": status,
        }
        assert (await post(self.tocsin, alert)).status_code == 202

    async def alerted(self, incident: dict[str, Any], status: str) -> None:
        """PagerDuty's alert has that status. Who is answered first is not called at all."""

        async def look() -> bool:
            return self.duty.status(incident["id"]) == status

        await until(look, f"the alert at PagerDuty is {status}")

    async def one(self, key: str, status: str) -> dict[str, Any]:
        """The incident of an alert, once it has that status."""

        async def look() -> dict[str, Any]:
            found = [one for one in await incidents(self.tocsin) if one["title"].endswith(key)]
            return found[0] if found and found[0]["status"] == status else {}

        return await until(look, f"{key} {status}")


@pytest.mark.timeout(120)
async def test_vendors_are_told_and_their_answers_count(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        duty, team, phone = PagerdutyServer(), TeamsServer(), TwilioServer()
        for server in (duty, team, phone):
            await stack.enter_async_context(serving(server))
        vendors = Vendors(tmp_path, duty, team, phone)
        await vendors.tocsin.start()
        stack.callback(vendors.tocsin.stop)

        await vendors.fires("seven")
        first = await vendors.one("seven", "open")

        async def all_told() -> bool:
            return bool(duty.journal and team.journal and len(phone.journal) == 2)

        await until(all_told, "four messages")
        await vendors.alerted(first, "triggered")
        assert f"{TITLE} seven" in text_of(team.journal[0])
        (code,) = [one["Body"].split("Reply ACK ")[1].split()[0] for one in phone.journal if "Body" in one]
        (said,) = [spoken(one["Twiml"]) for one in phone.journal if "Twiml" in one]
        assert f"{TITLE} seven" in said

        await _answered_at_pagerduty(vendors, first)
        await _ended_by_the_alert(vendors, first)
        await _answered_by_phone(vendors, code)
        await _answered_in_a_call(vendors, code)
        topic = await asyncio.to_thread(vendors.tocsin.exported, "notifications.events.v1")
    for server in (duty, team, phone):
        assert server.refusals == []
    assert (first["id"], "acknowledge") not in [(one["dedup_key"], one["event_action"]) for one in duty.journal], (
        "what PagerDuty has said is not told to PagerDuty"
    )
    assert len(duty.opened) == 3, "one alert for each incident"
    written = vendors.tocsin.printed() + "".join(map(str, topic))
    assert first["id"] in written
    assert "canary" not in written, "it holds the words of no secret"


async def _answered_at_pagerduty(vendors: Vendors, incident: dict[str, Any]) -> None:
    call = webhook("incident.acknowledged", incident["id"], occurred_at=datetime.now(UTC).isoformat())
    headers, body = signed(call)
    for wrong in ({}, {**headers, "x-pagerduty-signature": "v1=" + "0" * 64}):
        assert (await vendors.heard("duty", (wrong, body))).status_code == 401
    await vendors.one("seven", "open")
    for _ in range(2):  # the vendor delivers at least once
        assert (await vendors.heard("duty", (headers, body))).status_code == 200
    found = await vendors.one("seven", "acknowledged")
    assert "Ana Lima" in found["acknowledged_by"]

    async def told() -> bool:
        return any("Acknowledged" in text_of(card) for card in vendors.team.journal)

    await until(told, "the others hear of the acknowledgement")


async def _ended_by_the_alert(vendors: Vendors, incident: dict[str, Any]) -> None:
    await vendors.fires("seven", "resolved")
    await vendors.one("seven", "resolved")
    await vendors.alerted(incident, "resolved")


async def _answered_by_phone(vendors: Vendors, code: str) -> None:
    await vendors.fires("eight")
    second = await vendors.one("eight", "open")
    await vendors.alerted(second, "triggered")
    day = code.split("-")[0]
    code = f"{day}-{int(second['number'].rsplit('-', 1)[1])}"
    stranger = await vendors.heard("phone", reply(f"ACK {code}", From="+4917000000000", MessageSid="SM1"))
    assert stranger.status_code == 400, "anybody can send a short message"
    known = await vendors.heard("phone", reply(f"ACK {code} on my way", From="+4915112345678", MessageSid="SM2"))
    assert (known.status_code, "Taken" in known.text) == (200, True), known.text
    found = await vendors.one("eight", "acknowledged")
    assert found["acknowledged_by"] == "user:ana"
    await vendors.alerted(second, "acknowledged")


async def _answered_in_a_call(vendors: Vendors, code: str) -> None:
    await vendors.fires("nine")
    third = await vendors.one("nine", "open")
    await vendors.alerted(third, "triggered")
    digits = f"{code.split('-')[0]}*{int(third['number'].rsplit('-', 1)[1])}"
    called = await vendors.heard("call", pressed(digits))
    assert (called.status_code, "Thank you" in called.text) == (200, True), called.text
    assert (await vendors.one("nine", "acknowledged"))["acknowledged_by"] == "user:ana"
