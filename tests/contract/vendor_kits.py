"""PagerDuty, Teams, short messages and calls, each with its local vendor."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from contract.channel_kits import SHORT, Arrived, Kit
from contract.pagerduty_server import ROUTING_KEY, WEBHOOK_SECRET, PagerdutyServer
from contract.teams_server import TeamsServer, text_of
from contract.twilio_server import OURS, PUBLIC_URL, SID, TOKEN, TwilioServer, spoken
from contract.vendor_server import serving
from tocsin.notify.channels.pagerduty import Pagerduty
from tocsin.notify.channels.phone import SMS, VOICE, Phone
from tocsin.notify.channels.teams import Teams

TO = "+4915100000001"
SMS_FORM = {"To": "{to}", "From": "{from}", "Body": "{text}"}
CALL_FORM = {
    "To": "{to}",
    "From": "{from}",
    "Twiml": '<Response><Gather action="{callback}" finishOnKey="#"><Say>{text}</Say></Gather></Response>',
}


def seconds(mode: str) -> float:
    return SHORT if mode == "hang" else 10.0


def pagerduty_to(server: PagerdutyServer, **options: Any) -> Pagerduty:
    given = {"api_url": server.root, "webhook_secrets": (WEBHOOK_SECRET,), "timeout_seconds": 10.0, **options}
    return Pagerduty("duty", ROUTING_KEY, **given)


@asynccontextmanager
async def pagerduty(mode: str) -> AsyncIterator[Kit]:
    async with serving(PagerdutyServer(mode=mode)) as server:
        channel = pagerduty_to(server, timeout_seconds=seconds(mode))
        if mode == "gone":
            await server.stop()

        def arrived(event: dict[str, Any]) -> Arrived:
            details = event["payload"]["custom_details"]
            text = json.dumps(event, ensure_ascii=False)
            return Arrived(details["delivery_id"], details["possible_duplicate"], text)

        yield Kit(channel, lambda: [arrived(event) for event in server.journal])
        await channel.close()
        assert server.refusals == []


def teams_to(server: TeamsServer, **options: Any) -> Teams:
    return Teams("team", server.url, **{"timeout_seconds": 10.0, **options})


@asynccontextmanager
async def teams(mode: str) -> AsyncIterator[Kit]:
    async with serving(TeamsServer(mode=mode)) as server:
        channel = teams_to(server, timeout_seconds=seconds(mode))
        if mode == "gone":
            await server.stop()

        def arrived(card: dict[str, Any]) -> Arrived:
            text = text_of(card)
            return Arrived(text.split("Delivery ")[1].split(";")[0].split("\n")[0], "possible duplicate" in text, text)

        yield Kit(channel, lambda: [arrived(card) for card in server.journal])
        await channel.close()
        assert server.refusals == []


def sms_to(server: TwilioServer, **options: Any) -> Phone:
    given = {
        "sender": OURS,
        "to": (TO,),
        "username": SID,
        "password": TOKEN,
        "form": SMS_FORM,
        "receipt": "/sid",
        "auth_tokens": (TOKEN,),
        "public_url": PUBLIC_URL,
        "timeout_seconds": 10.0,
        **options,
    }
    return Phone("phone", SMS, server.messages_url, **given)


def voice_to(server: TwilioServer, **options: Any) -> Phone:
    given = {
        "sender": OURS,
        "to": (TO,),
        "username": SID,
        "password": TOKEN,
        "form": CALL_FORM,
        "receipt": "/sid",
        "auth_tokens": (TOKEN,),
        "public_url": PUBLIC_URL,
        "timeout_seconds": 10.0,
        **options,
    }
    return Phone("phone", VOICE, server.calls_url, **given)


@asynccontextmanager
async def sms(mode: str) -> AsyncIterator[Kit]:
    async with serving(TwilioServer(mode=mode)) as server:
        channel = sms_to(server, timeout_seconds=seconds(mode))
        if mode == "gone":
            await server.stop()

        def arrived() -> list[Arrived]:
            pairs = zip(server.idempotency, server.journal, strict=True)
            return [Arrived(key, "possible duplicate" in form["Body"], form["Body"]) for key, form in pairs]

        yield Kit(channel, arrived)
        await channel.close()
        assert server.refusals == []


@asynccontextmanager
async def voice(mode: str) -> AsyncIterator[Kit]:
    async with serving(TwilioServer(mode=mode)) as server:
        channel = voice_to(server, timeout_seconds=seconds(mode))
        if mode == "gone":
            await server.stop()

        def arrived() -> list[Arrived]:
            pairs = zip(server.idempotency, map(spoken, (form["Twiml"] for form in server.journal)), strict=True)
            return [Arrived(key, "possible duplicate" in text, text) for key, text in pairs]

        yield Kit(channel, arrived)
        await channel.close()
        assert server.refusals == []
