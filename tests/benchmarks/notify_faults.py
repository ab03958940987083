"""Whether a receiver that fails slows the other channels: twelve ways to fail, p99 of the others against undisturbed.

    python tests/benchmarks/notify.py --faults [--rate 50] [--seconds 3]

For each way a `tocsin run` of its own with three channels: two webhooks and mail over SMTP, each with a real receiver.
First all three work, then one webhook fails, under the same open-loop load; the latency counts from the intended time
of an alert to its message at the other webhook. The bound is 1.2 times the undisturbed p99 of the same process; whether
it holds is said, and no error: what is missing at a channel that works is one.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml
from measuring import started
from results import say

sys.path.insert(0, str(Path(__file__).parents[1]))
from contract.receivers import smtp_receiver
from integration.fault_proxy import MODES, FaultProxy, in_front_of

RATIO_MAX: Final = 1.2
IN_SETTINGS: Final = ("tls", "dns")
"""Ways that stand in the settings of the channel: their two halves are two processes."""


class Rig:
    """The receivers, and the load through one process after another."""

    def __init__(self, well: Any, mail: Any, proxy: FaultProxy, rate: float, count: int, first: int) -> None:
        self.well = well
        self.mail = mail
        self.proxy = proxy
        self.rate = rate
        self.count = count
        self.first = first

    async def half(self, address: tuple[str, int]) -> dict[str, Any]:
        """What the channel that works made of so many alerts."""
        from notify import OpenLoop, summary

        numbers = range(self.first, self.first + self.count)
        self.first += self.count
        load, mails = OpenLoop(address), len(self.mail.mails)
        intended = await load.send(numbers, self.rate, 1)
        await self.well.has(list(numbers))
        load.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while len(self.mail.mails) < mails + self.count:  # noqa: ASYNC110 - the journal is looked at
                    await asyncio.sleep(0.05)
        found = summary(self.well, intended)
        return {**found, "ok": found["ok"] and len(self.mail.mails) == mails + self.count}


async def compare(mode: str, rate: float, seconds: float, number: int) -> dict[str, Any]:
    """p99 of the channel that works, before and while the other one fails in the way `mode`."""
    from notify import Sink

    async with AsyncExitStack() as stack:
        well, ill = await stack.enter_async_context(Sink()), await stack.enter_async_context(Sink())
        mail = await stack.enter_async_context(smtp_receiver())
        proxy = await stack.enter_async_context(in_front_of(int(ill.url.rsplit(":", 1)[1].strip("/"))))
        rig = Rig(well, mail, proxy, rate, int(rate * seconds), number * 100_000)
        halves = []
        for settings in ("ok", mode) if mode in IN_SETTINGS else ("ok",):
            async with _tocsin(settings, rig) as address:
                await proxy.turn(settings)
                await rig.half(address)  # a warm-up
                halves.append(await rig.half(address))
                if mode not in IN_SETTINGS:
                    await proxy.turn(mode)
                    halves.append(await rig.half(address))
    before, during = (one["to_sink_ms"]["p99"] for one in halves)
    ratio = round(during / before, 2)
    return {"undisturbed_p99_ms": before, "p99_ms": during, "ratio": ratio, "ok": all(one["ok"] for one in halves)}


@asynccontextmanager
async def _tocsin(mode: str, rig: Rig) -> AsyncIterator[tuple[str, int]]:
    scheme, host = ("https" if mode == "tls" else "http"), ("no-such-host.invalid" if mode == "dns" else "127.0.0.1")
    channels = {
        "well": {"type": "webhook", "url": rig.well.url, "in_flight_max": 16},
        "ill": {"type": "webhook", "url": f"{scheme}://{host}:{rig.proxy.port}/", "timeout": "2s"},
        "mail": {
            "type": "email",
            "host": "127.0.0.1",
            "port": rig.mail.port,
            "from": "tocsin@a.example",
            "to": "ops@b.example",
            "tls": "none",
        },
    }
    notify = {
        "channels": channels,
        "routes": [{"channels": list(channels)}],
        "limits": {"mail": {"messages": 0, "pages": 0}},
    }
    with tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder:
        tree = {"data_dir": f"{folder}/data", "http": {"listen": "127.0.0.1:0"}, "notify": notify}
        path = Path(folder) / "tocsin.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        async with started(path) as running:
            yield running.address


async def measure_faults(rate: float, seconds: float) -> dict[str, Any]:
    found = {}
    for number, mode in enumerate(MODES, 1):
        found[mode] = await compare(mode, rate, seconds, number)
        say(f"{mode}: {found[mode]}")
    worst = max(one["ratio"] for one in found.values())
    middle = statistics.median(one["ratio"] for one in found.values())
    return {
        "load": {"rate": rate, "seconds": seconds},
        "bound": RATIO_MAX,
        "ratio": {"median": middle, "max": worst},
        "within_bound": worst <= RATIO_MAX,
        "modes": found,
    }
