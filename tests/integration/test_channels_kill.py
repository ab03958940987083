"""kill -9 of `tocsin run` at random moments while notifications go out over a channel of every type.

Judged by the journals of the receivers and by what `topics export` prints, with none of the product's code: every page
reaches its receiver; what came twice was in the gap between send and record, and says that it may be a repeat; by the
receiver's own key nothing is there twice.
"""

import asyncio
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from integration.all_channels import CHANNELS, Everything, alert, everything
from integration.running import Tocsin
from integration.waiting import post

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("TOCSIN_NOTIFY_KILLS", "5"))
"""A sample; 100 at length."""
NOTIFICATIONS = 20 * max(10, KILLS)
"""Over all channels: 200, or 2,000 at length."""
ALERTS = -(-NOTIFICATIONS // (len(CHANNELS) + 1))
START_WITHIN = 60.0
"""Seconds: a hundred starts on a machine that does other things, too."""
TOPIC = "notifications.events.v1"


@pytest.mark.timeout(90 + 10 * KILLS)
async def test_every_page_arrives_and_what_comes_twice_says_so(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with everything(tmp_path) as receivers:
        tocsin = receivers.tocsin()
        await tocsin.start(START_WITHIN)
        try:
            sent = 0
            for kill in range(KILLS):
                until = ALERTS * (kill + 1) // KILLS
                for number in range(sent, until):
                    assert (await post(tocsin, [alert(number)])).status_code == 202
                wanted = (len(CHANNELS) * sent, len(CHANNELS) * until)
                sent = until
                # While they go out, as fast as that may be here: what has arrived last is hardly recorded then.
                await _arrived(receivers, chance.randint(*wanted))
                tocsin.kill()
                await tocsin.start(START_WITHIN)
            await _finished(tocsin)
            log = await asyncio.to_thread(tocsin.exported, TOPIC)
        finally:
            tocsin.kill()
    twice = _judged(receivers, log)
    printed = (tmp_path / "log.txt").read_text(errors="replace")
    for number in range(ALERTS):
        assert f"Disk {number} is full" in printed, "the console"
    print(f"{KILLS} kills, {ALERTS} alerts, {ALERTS * (len(CHANNELS) + 1)} notifications, seed {seed}; twice: {twice}")


async def _arrived(receivers: Everything, count: int) -> None:
    """Wait until the receivers have taken `count` messages, repeats among them."""
    async with asyncio.timeout(START_WITHIN):
        while sum(len(receivers.messages(channel)) for channel in CHANNELS) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def _finished(tocsin: Tocsin) -> None:
    """Wait until no delivery is unfinished, by the ledger."""
    words: Counter[tuple[str, str]] = Counter()
    try:
        async with asyncio.timeout(60):
            while True:
                words = Counter(_last(await asyncio.to_thread(tocsin.exported, TOPIC)).values())
                if words == {(channel, "delivered"): ALERTS for channel in (*CHANNELS, "console")}:
                    return
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"{ALERTS} alerts, and the ledger says {dict(words)}") from None


def _last(log: list[dict[str, object]]) -> dict[str, tuple[str, str]]:
    """Delivery id -> (channel, word of its last event)."""
    found: dict[str, tuple[str, str]] = {}
    for line in log:
        kind, value = _event(line)
        if kind.startswith("delivery."):
            found[value["delivery_id"]] = (value["channel"], kind.removeprefix("delivery."))
    return found


def _event(line: dict[str, object]) -> tuple[str, dict[str, str]]:
    headers, value = line["headers"], line["value"]
    assert isinstance(headers, dict)
    kind = str(headers["ce_type"]).removeprefix("tocsin.").removesuffix(".v1")
    return kind, json.loads(value) if isinstance(value, str) else value  # type: ignore[return-value]


def _judged(receivers: Everything, log: list[dict[str, object]]) -> dict[str, int]:
    """Channel -> messages that came more than once."""
    ledger = _last(log)
    attempts: Counter[str] = Counter()
    for line in log:
        kind, value = _event(line)
        attempts[value.get("delivery_id", "")] += kind == "delivery.attempted"
    twice: dict[str, int] = {}
    for channel in CHANNELS:
        wanted = {delivery for delivery, (over, _) in ledger.items() if over == channel}
        messages = receivers.messages(channel)
        times = Counter(one.delivery for one in messages)
        assert times.keys() == wanted, f"{channel}: lost, or never planned"
        for delivery, count in times.items():
            marked = sum(one.marked for one in messages if one.delivery == delivery)
            if channel != "tickets":  # a ticket that is there already is written to once more, with the same words
                assert count - marked <= 1, f"{channel}: {delivery} came {count} times and said so {marked} times"
        twice[channel] = sum(count - 1 for count in times.values())
    _once_by_their_own_keys(receivers)
    return twice


def _once_by_their_own_keys(receivers: Everything) -> None:
    """What the vendor makes one of, it has once for each incident."""
    assert len({one["dedup_key"] for one in receivers.duty.journal}) == ALERTS
    correlated = Counter(ticket["correlation_id"] for ticket in receivers.tickets.tickets.values())
    assert len(correlated) == ALERTS
    assert set(correlated.values()) == {1}, "one ticket an incident"
    assert len(receivers.chat.standing()) == ALERTS, "one message an incident"
    assert len({str(mail["Message-ID"]) for mail in receivers.mail.mails}) == ALERTS
