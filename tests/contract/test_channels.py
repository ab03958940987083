"""One contract for every channel, on real servers: delivered, failed, refused, in time, recognisable."""

import asyncio
import contextlib
import os
import socket
from typing import Any

import pytest

from contract.channel_kits import (
    CONTEXT,
    SHORT,
    KitMaker,
    console,
    effect,
    email,
    slack,
    webhook,
)
from contract.servicenow_kit import servicenow
from contract.vendor_kits import pagerduty, sms, teams, voice
from tocsin.notify.channels.console import Console

DIGEST: dict[str, Any] = {
    "type": "digest",
    "reason": "over_limit",
    "actor": "tocsin",
    "event_id": "ntf_aadigest.1",
    "recorded_at": "2026-11-21T12:05:00Z",
    "incident": {
        **dict.fromkeys(("id", "number", "service", "team", "assignee", "acknowledged_by", "summary"), ""),
        "version": 0,
        "title": "260 messages about 30 incidents",
        "severity": "high",
        "status": "open",
        "acknowledged_at": None,
        "labels": {},
        "links": {},
    },
    "digest": {
        "count": 260,
        "since": "2026-11-21T12:00:00Z",
        "until": "2026-11-21T12:05:00Z",
        "incidents": [
            {"id": f"inc_{n}", "number": f"INC-{n}", "title": f"Disk {n} is full", "severity": "high", "status": "open"}
            for n in range(25)
        ],
        "more": 5,
        "by_severity": {"high": 30},
        "by_step": {"incident.opened": 260},
    },
}
"""As `notify.digest` makes it."""

every = pytest.mark.parametrize("kit", [console, webhook, email, slack, pagerduty, teams, sms, voice, servicenow])
networked = pytest.mark.parametrize("kit", [webhook, email, slack, pagerduty, teams, sms, voice, servicenow])


# ---- the contract ----------------------------------------------------------------------------------------------------


@every
async def test_a_message_is_delivered_with_what_a_person_needs(kit: KitMaker) -> None:
    async with kit("ok") as one:
        assert (await one.send()).outcome == "delivered"
        (arrived,) = one.arrived()
        for word in ("Disk of shop is full", "INC-2026-11-21-001", "shop", "lead"):
            assert word in arrived.text
        assert not arrived.duplicate


@every
async def test_a_possible_duplicate_says_so(kit: KitMaker) -> None:
    async with kit("ok") as one:
        await one.send(possible_duplicate=True)
        assert one.arrived()[0].duplicate


@networked
async def test_every_attempt_of_a_delivery_has_one_identity(kit: KitMaker) -> None:
    async with kit("ok") as one:
        for attempt in (1, 2):
            await one.send(effect(attempt), possible_duplicate=attempt == 2)
        await one.send(effect(delivery="ntf_aatwo"))
        first, second, other = (arrived.identity for arrived in one.arrived())
        assert first == second != other
        assert "ntf_aaone" in first


@networked
@pytest.mark.parametrize(
    ("mode", "outcome"), [("failing", "failed"), ("refusing", "refused"), ("hang", "failed"), ("reset", "failed")]
)
async def test_what_the_receiver_does_is_told_and_never_raised(kit: KitMaker, mode: str, outcome: str) -> None:
    async with kit(mode) as one:
        sent = await one.send()
        assert sent.outcome == outcome
        assert 0 < len(sent.detail) <= 300


@networked
async def test_a_receiver_that_is_not_there_is_worth_another_attempt(kit: KitMaker) -> None:
    async with kit("gone") as one:
        assert (await one.send()).outcome == "failed"


@networked
async def test_a_hanging_receiver_ends_within_the_time_out(kit: KitMaker) -> None:
    async with kit("hang") as one:
        async with asyncio.timeout(SHORT + 5):
            sent = await one.send()
        assert sent.detail == f"no answer within {SHORT:g} s"


@every
async def test_what_a_source_wrote_stays_text(kit: KitMaker) -> None:
    hostile = "Disk\r\nBcc: victim@c.example\r\n\r\n\x1b[2J<script>alert(1)</script>{{ 7*7 }}\u202e"
    incident = {**CONTEXT["incident"], "title": hostile, "service": hostile, "summary": hostile, "number": hostile}
    async with kit("ok") as one:
        sent = await one.send(effect(context={**CONTEXT, "incident": incident, "note": hostile}))
        assert sent.outcome == "delivered"
        (arrived,) = one.arrived()
        assert "\x1b" not in arrived.text
        assert "49" not in arrived.text


@every
async def test_a_context_with_gaps_is_sent_all_the_same(kit: KitMaker) -> None:
    async with kit("ok") as one:
        assert (await one.send(effect(context={}))).outcome == "delivered"
        assert len(one.arrived()) == 1


# ---- console ---------------------------------------------------------------------------------------------------------


async def test_the_console_prints_one_line_a_message() -> None:
    async with console("ok") as one:
        await one.send()
        (arrived,) = one.arrived()
    assert arrived.text == (
        "2026-11-21 12:05:00 UTC PAGE CRITICAL INC-2026-11-21-001 Nobody has answered: escalation level 1, on_call: "
        "Disk of shop is full [shop] alerts 3, 2 firing -> team:on_call (Without an answer, lead is called at "
        "2026-11-21 12:15:00 UTC (level 2))"
    )


async def test_a_terminal_that_went_away_fails_no_page() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    sent = await Console("console", stream).send(effect(), possible_duplicate=False)
    assert sent.outcome == "delivered"
    assert "nobody reads" in sent.detail
    with contextlib.suppress(BrokenPipeError):
        stream.close()
    assert (await Console("console", stream).send(effect(), possible_duplicate=False)).outcome == "delivered"


async def test_a_terminal_that_does_not_read_delays_nobody() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        ours.setblocking(True)
        with ours.makefile("w") as stream:
            sent = await Console("console", stream).send(effect(), possible_duplicate=False)
    assert sent.outcome == "failed"


@pytest.mark.parametrize("kit", [console, webhook, email, slack, teams, sms, voice])
async def test_a_digest_says_what_it_stands_for(kit: KitMaker) -> None:
    async with kit("ok") as one:
        assert (await one.send(effect(delivery="ntf_aadigest", context=DIGEST))).outcome == "delivered"
        (arrived,) = one.arrived()
        assert "260" in arrived.text
        assert "30 incidents" in arrived.text
        assert kit is console or "Disk 0 is full" in arrived.text
