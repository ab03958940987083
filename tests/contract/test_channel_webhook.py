"""The webhook on a real HTTP server: signature, status, Retry-After, limits, secrets."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from contract.channel_kits import (
    CONTEXT,
    SECRET,
    SHORT,
    effect,
    webhook_to,
)
from contract.receivers import http_receiver
from tocsin.notify.channel import Asked, Forged, Heard, Malformed
from tocsin.notify.channels.signing import key_of, signature, verify
from tocsin.notify.channels.webhook import Webhook


async def test_the_webhook_is_signed_so_that_the_receiver_can_check_it() -> None:
    async with http_receiver() as receiver:
        channel = webhook_to(receiver)
        await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    (request,) = receiver.requests
    stamp = request.headers["webhook-timestamp"]
    assert abs(datetime.now(UTC).timestamp() - int(stamp)) < 60
    signed = f"ntf_aaone.{stamp}.".encode() + request.body
    expected = base64.b64encode(hmac.new(b"canary-of-the-webhook-key", signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["webhook-id"] == "ntf_aaone"


async def test_the_webhook_body_is_the_envelope_and_the_incident() -> None:
    async with http_receiver() as receiver:
        channel = webhook_to(receiver, secret="")
        await channel.send(effect(attempt=3), possible_duplicate=True)
        await channel.close()
    (request,) = receiver.requests
    assert "webhook-signature" not in request.headers
    body = request.json
    assert (body["type"], body["timestamp"]) == ("escalation.fired", "2026-11-21T12:05:00Z")
    assert (body["delivery_id"], body["attempt"], body["possible_duplicate"]) == ("ntf_aaone", 3, True)
    assert body["incident"] == CONTEXT["incident"]
    assert body["escalation"]["level"] == 1
    assert body["next"]["target"] == "lead"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, "delivered"),
        (301, "refused"),
        (307, "refused"),
        (400, "refused"),
        (404, "refused"),
        (408, "failed"),
        (425, "failed"),
        (429, "failed"),
        (503, "failed"),
    ],
)
async def test_the_status_decides_what_becomes_of_a_webhook(status: int, outcome: str) -> None:
    async with http_receiver(status=status, headers={"location": "/elsewhere"}) as receiver:
        channel = webhook_to(receiver)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, len(receiver.requests)) == (outcome, 1)
    assert sent.detail == f"HTTP {status}: thank you"


NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
async def test_a_receiver_may_say_when_to_come_again(headers: dict[str, str], seconds: float | None) -> None:
    stamped = {**headers, "date": format_datetime(NOW, usegmt=True)}
    async with http_receiver(status=429, headers=stamped) as receiver:
        channel = webhook_to(receiver)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.retry_after_seconds == seconds


async def test_an_endless_answer_to_a_webhook_does_not_make_it_fail() -> None:
    async with http_receiver(mode="drip") as receiver:
        channel = webhook_to(receiver, timeout_seconds=SHORT)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "delivered"


async def test_a_large_answer_to_a_webhook_is_read_in_part() -> None:
    async with http_receiver(status=400, answer=b"x" * 1_000_000) as receiver:
        channel = webhook_to(receiver)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, len(sent.detail)) == ("refused", 300)


async def test_an_answer_that_is_no_http_is_worth_another_attempt() -> None:
    async with http_receiver(mode="garbage") as receiver:
        channel = webhook_to(receiver)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "failed"


async def test_a_webhook_receiver_that_echoes_everything_betrays_no_secret() -> None:
    async with http_receiver(status=400) as receiver:
        receiver.answer = f"bad {receiver.url} {SECRET} T0P53CR3T-hook-path token=quite-secret".encode()
        channel = webhook_to(receiver)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    for canary in ("T0P53CR3T", "quite-secret", SECRET.removeprefix("whsec_")):
        assert canary not in sent.detail


async def test_a_webhook_runs_as_many_sends_at_once_as_it_says() -> None:
    async with http_receiver(wait_for=3) as receiver:
        channel = webhook_to(receiver, in_flight_max=3)
        sends = [channel.send(effect(delivery=f"ntf_{n}"), possible_duplicate=False) for n in range(3)]
        assert [sent.outcome for sent in await asyncio.gather(*sends)] == ["delivered"] * 3
        await channel.close()
    assert receiver.at_once_max == 3


OLD_SECRET = "canary-of-the-key-of-before"
INBOUND = "canary-of-the-key-of-the-receiver"


async def test_while_a_key_is_replaced_a_message_is_signed_with_both() -> None:
    async with http_receiver(status=400) as receiver:
        receiver.answer = OLD_SECRET.encode()
        channel = webhook_to(receiver, secrets=(OLD_SECRET,))
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    now = datetime.now(UTC)
    for secret in (SECRET, OLD_SECRET):
        assert verify([key_of(secret)], request.headers, request.body, now) == "ntf_aaone"
    assert "canary" not in sent.detail


def called(channel: Webhook, document: object, *, secret: str = INBOUND, identifier: str = "call_1") -> Heard:
    body = json.dumps(document).encode()
    stamp = str(int(NOW.timestamp()))
    headers = {"webhook-id": identifier, "webhook-timestamp": stamp}
    headers["webhook-signature"] = signature(key_of(secret), identifier, stamp, body)
    return channel.hear(headers, body, NOW)


def hearing(**options: Any) -> Webhook:
    return Webhook("hook", "http://a.example/", **{"inbound_secret": (INBOUND,), **options})


def test_a_receiver_may_ask_for_something_when_it_signs() -> None:
    heard = called(
        hearing(),
        {"verb": "acknowledge", "incident": "INC-2026-11-21-001", "reason": "ours", "sender_name": "Robot"},
    )
    assert heard.status == 200
    assert heard.asked == (
        Asked(key="call_1", verb="acknowledge", incident="INC-2026-11-21-001", reason="ours", sender_name="Robot"),
    )


def test_what_goes_out_cannot_be_sent_back() -> None:
    """The keys are others: who has a signed message has no signed call."""
    with pytest.raises(ValueError, match=r"inbound_secret: another key"):
        hearing(secret=INBOUND)
    channel = hearing(secret=SECRET)
    for secret in (SECRET, "another"):
        with pytest.raises(Forged):
            called(channel, {"verb": "close", "incident": "INC-2026-11-21-001"}, secret=secret)


def test_a_webhook_without_a_key_for_calls_takes_none() -> None:
    with pytest.raises(Forged, match="no inbound_secret"):
        called(hearing(inbound_secret=()), {"verb": "close", "incident": "INC-2026-11-21-001"})


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "not a JSON object"),
        ({}, "verb is missing"),
        ({"verb": "acknowledge"}, "incident is missing"),
        ({"verb": ["acknowledge"], "incident": "x"}, "verb is not a text"),
        ({"verb": "acknowledge", "incident": "x" * 200}, "incident has more than 128 characters"),
        ({"verb": "acknowledge", "incident": "x", "arguments": []}, "arguments is not an object"),
        ({"verb": "acknowledge", "incident": "x", "reasn": "y"}, "unknown field 'reasn', did you mean 'reason'"),
    ],
)
def test_a_call_that_is_signed_and_wrong_is_told_what_is_wrong(document: object, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        called(hearing(), document)
