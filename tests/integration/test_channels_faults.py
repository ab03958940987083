"""Twelve ways in which a receiver fails, at each channel: the other channels deliver everything meanwhile, and when it
works again nothing is lost.

A sample runs by default: each way once, at channels that are drawn; `TOCSIN_FAULT_CELLS=all` runs every pair.
"""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from integration.all_channels import CHANNELS, Everything, alert, everything
from integration.fault_proxy import MODES, in_front_of
from tocsin.domain.command import Command
from tocsin.notify.channels.build import build
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.node import Node
from tocsin.settings import Settings
from tocsin.testing.broker import MemoryBroker
from tocsin.topics import COMMANDS, NOTIFICATIONS, RAW
from tocsin.wire.command import encode_command
from tocsin.wire.record import Draft

pytestmark = pytest.mark.integration

ALERTS = 3
SECONDS = 20.0
"""For what takes a second or two on a machine of its own."""
TAKEN_FOR_A_YES = {"html": ("hook", "team"), "drip": ("hook", "team", "phone", "calls")}
"""Where the head of a 2xx is a yes: nothing else is said in the answer, or to ask again would call twice."""
ATTEMPTS_MAX = 20


def cells() -> list[tuple[str, str]]:
    every = [(mode, channel) for mode in MODES for channel in CHANNELS]
    if os.environ.get("TOCSIN_FAULT_CELLS") == "all":
        return every
    chance = random.Random(os.environ.get("TOCSIN_TEST_SEED", "1"))
    drawn = chance.sample(CHANNELS, len(CHANNELS))
    return [(mode, drawn[place % len(drawn)]) for place, mode in enumerate(MODES)]


class Rig:
    """One log, and one process after another on it."""

    def __init__(self, receivers: Everything, clock: SystemClock) -> None:
        self.receivers = receivers
        self.clock = clock
        self.broker = MemoryBroker(clock)

    @contextlib.asynccontextmanager
    async def running(self, channels: dict[str, dict[str, Any]], **notify: Any) -> AsyncIterator[Node]:
        settings = Settings.model_validate(
            {
                "notify": {
                    "channels": channels,
                    "routes": [{"channels": list(channels)}],
                    "events": ["incident.opened"],
                    "retry_first": "100ms",
                    "retry_longest": "1s",
                    "attempts_max": ATTEMPTS_MAX,
                    **notify,
                },
                "escalate": {"rules": []},
            }
        )
        built = build(settings.channels())
        node = Node(
            broker=self.broker,
            clock=self.clock,
            instance="test",
            rules=settings.rules(),
            event_log=None,
            channels=built,
            partitions=1,
        )
        await node.start()
        try:
            yield node
        finally:
            await node.stop(1.0)
            for channel in built.values():
                await channel.close()

    async def alerts(self, node: Node) -> None:
        drafts = [
            Draft(b"", json.dumps(alert(number)).encode(), (("tocsin_format", b"native"),)) for number in range(ALERTS)
        ]
        await node.publish(RAW.name, 0, drafts)

    async def ledger(self) -> dict[str, tuple[str, str, int]]:
        """Delivery id -> (channel, its last word, attempts), by the records alone."""
        found: dict[str, tuple[str, str, int]] = {}
        for record in await self.broker.read(NOTIFICATIONS.name, 0, 0, records_max=10_000):
            kind = dict(record.headers)["ce_type"].decode().removeprefix("tocsin.").removesuffix(".v1")
            if kind.startswith("delivery."):
                value = json.loads(record.value or b"")
                _, _, attempts = found.get(value["delivery_id"], ("", "", 0))
                attempts += kind == "delivery.attempted"
                found[value["delivery_id"]] = (value["channel"], kind.removeprefix("delivery."), attempts)
        return found

    async def until(self, what: str, done: Any) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not done(await self.ledger()):  # noqa: ASYNC110 - the log is looked at
                    await asyncio.sleep(0.02)
                return
        raise AssertionError(f"{what}: not within {SECONDS:g} s: {Counter((await self.ledger()).values())}")


def at_fault(options: dict[str, Any], mode: str, real: int, proxy: int) -> dict[str, Any]:
    """The settings of a channel that goes through the line that misbehaves."""
    # To a host elsewhere a password goes over TLS only.
    scheme, host = (
        ("https" if mode in ("tls", "dns") else "http"),
        ("no-such-host.invalid" if mode == "dns" else "127.0.0.1"),
    )
    found = {
        name: value.replace(f"http://127.0.0.1:{real}", f"{scheme}://{host}:{proxy}")
        if isinstance(value, str)
        else value
        for name, value in options.items()
    }
    if "port" in found:
        found |= {"port": proxy, "host": host, "tls": "tls" if mode == "tls" else "none"}
    return {**found, "timeout": "1s"}


def port_of(options: dict[str, Any]) -> int:
    url = str(options.get("api_url") or options.get("url") or "")
    return int(options["port"]) if "port" in options else int(url.split("127.0.0.1:")[1].split("/")[0])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("mode", "channel"), cells(), ids=lambda one: str(one))
async def test_what_fails_holds_up_nobody_else_and_loses_nothing(tmp_path: Path, mode: str, channel: str) -> None:
    async with everything(tmp_path) as receivers:
        rig, healthy = Rig(receivers, SystemClock()), receivers.channels
        real = port_of(healthy[channel])
        async with in_front_of(real, mode=mode, smtp=channel == "mail") as proxy:
            ill = {**healthy, channel: at_fault(healthy[channel], mode, real, proxy.port)}
            async with rig.running(ill) as node:
                await rig.alerts(node)
                await rig.until("the other channels", lambda ledger: _delivered(ledger, set(CHANNELS) - {channel}))
                if mode != "slow":
                    await rig.until("an attempt that ended", lambda ledger: _ended_once(ledger, channel))
        found = [one for one in (await rig.ledger()).values() if one[0] == channel]
        assert all(attempts <= ATTEMPTS_MAX for _, _, attempts in found)
        taken_for_a_yes = channel in TAKEN_FOR_A_YES.get(mode, ())
        if mode != "slow" and not taken_for_a_yes:
            assert not any(word == "delivered" for _, word, _ in found), "nobody has it"
        async with rig.running(healthy) as node:
            await _requeued(rig, node)
            await rig.until("everything", lambda ledger: _finished(ledger))
        for name in CHANNELS:
            if not (name == channel and taken_for_a_yes):
                wanted = {
                    one for one, (over, word, _) in (await rig.ledger()).items() if (over, word) == (name, "delivered")
                }
                assert {message.delivery for message in receivers.messages(name)} == wanted
                assert len(wanted) == ALERTS, f"{name}: lost"


async def test_what_is_given_up_is_seen_and_can_be_sent_again(tmp_path: Path) -> None:
    async with everything(tmp_path) as receivers:
        rig, healthy = Rig(receivers, SystemClock()), receivers.channels
        real = port_of(healthy["team"])
        async with in_front_of(real, mode="error") as proxy:
            ill = {**healthy, "team": at_fault(healthy["team"], "error", real, proxy.port)}
            async with rig.running(ill, attempts_max=2) as node:
                await rig.alerts(node)
                await rig.until(
                    "given up", lambda ledger: Counter(one[1:] for one in ledger.values())["gave_up", 2] == 3
                )
                assert [one["state"] for one in node.lanes.shown(rig.clock) if one["name"] == "team"] == ["open"]
                assert node.health().ready
                assert "channel team: open" in node.health().notes[0]
        async with rig.running(healthy) as node:
            await _requeued(rig, node)
            await rig.until("sent again", lambda ledger: len(receivers.messages("team")) == ALERTS)
            await rig.until("everything", lambda ledger: _finished(ledger))


async def _requeued(rig: Rig, node: Node) -> None:
    """What was given up is asked for again, as `tocsin deliveries requeue` does."""
    drafts = []
    given_up: dict[str, dict[str, Any]] = {}
    for record in await rig.broker.read(NOTIFICATIONS.name, 0, 0, records_max=10_000):
        kind = dict(record.headers)["ce_type"].decode()
        value = json.loads(record.value or b"")
        if kind == "tocsin.delivery.planned.v1":
            given_up[value["delivery_id"]] = {**value, "word": "planned"}
        elif kind == "tocsin.delivery.gave_up.v1":
            given_up[value["delivery_id"]]["word"] = "gave_up"
    for name, one in given_up.items():
        if one["word"] == "gave_up":
            arguments = {"delivery": name, "channel": one["channel"], "recipient": one["recipient"]}
            command = Command(
                command_id=f"again.{name}", verb="resend", incident=one["incident_id"], arguments=arguments
            )
            drafts.append(Draft(*encode_command(command), (("content-type", b"application/json"),)))
    if drafts:
        await node.publish(COMMANDS.name, 0, drafts)
        await rig.until("planned anew", lambda ledger: len(ledger) >= len(given_up) + len(drafts))


def _delivered(ledger: dict[str, tuple[str, str, int]], channels: set[str]) -> bool:
    counts = Counter(channel for channel, word, _ in ledger.values() if word == "delivered")
    return all(counts[channel] == ALERTS for channel in channels)


def _ended_once(ledger: dict[str, tuple[str, str, int]], channel: str) -> bool:
    return any(over == channel and word in ("failed", "gave_up", "delivered") for over, word, _ in ledger.values())


def _finished(ledger: dict[str, tuple[str, str, int]]) -> bool:
    return all(word in ("delivered", "gave_up") for _, word, _ in ledger.values())
