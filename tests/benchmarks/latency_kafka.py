"""From an alert in Kafka to its incident event: P3 at 1,000 and 5,000 alerts a second.

    python tests/benchmarks/latency_kafka.py [--smoke] [--rate 1000] [--runs 3] [--kafka host:port] [--no-peers]

Open loop: a process of its own sends alerts at intended times (aiokafka, acknowledged by all, no linger), one in twenty
is new and opens an incident. Another process notes when `incident.opened` can be read. Latency counts from the intended
time, so a stall hides nothing; the first seconds warm up. tocsin is `tocsin run` with ingest and all deciders.

Peers: stock Faust (`peers/faust_stock.py`), Alertmanager with group_wait 0 over HTTP to a webhook. Limit: the same two
processes on one topic, produce to consume. Checked: every new alert of the run has its event. Prints JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from asking import options
from log import broker, create, prefixed
from measuring import Latencies, Load, Sink, process_cpu_seconds
from open_loop import markers, planned
from peer import HERE, LeftOut, alertmanager
from results import right, say, spread, stamped
from workers import INCIDENTS, RAW, TOCSIN, Workers

RATES: Final = (1000, 5000)
SECONDS: Final = 10.0
WARM_SECONDS: Final = 3.0
RUNS: Final = 3
PARTITIONS: Final = 4
DRAIN_SECONDS_MAX: Final = 20.0
REQUESTS_A_SECOND: Final = 1000
"""To Alertmanager; at higher rates each request carries several alerts, as those of Prometheus do."""
PROGRAM: Final = (sys.executable, str(Path(__file__).with_name("open_loop.py")))


class Sending:
    """One load of one run."""

    def __init__(self, rate: int, seconds: float, seed: int) -> None:
        self.rate = rate
        self.seconds = seconds + WARM_SECONDS
        self.seed = seed
        self.markers = markers(planned(rate, self.seconds, seed))

    @property
    def alerts(self) -> int:
        return round(self.rate * self.seconds)

    def latencies(self, start: float, seen: Mapping[str, float]) -> dict[str, Any]:
        """What is said of the new alerts after the warm-up; `ok` when none is missing."""
        found = Latencies()
        asked = {service: number for service, number in self.markers.items() if number >= self.rate * WARM_SECONDS}
        for service, number in asked.items():
            if service in seen:
                found.add((seen[service] - start - number / self.rate) * 1000)
        missing = len(asked.keys() - seen.keys())
        return {"latency_ms": found.summary(), "missing": missing, "ok": missing == 0}


async def through_kafka(servers: str, raw: str, events: str, sending: Sending) -> dict[str, Any]:
    """Send into `raw`, watch `events`."""
    common = [f"--servers={servers}", f"--partitions={PARTITIONS}"]
    pipe = asyncio.subprocess.PIPE
    wait = f"--seconds={sending.seconds + DRAIN_SECONDS_MAX}"
    watch_words = [*PROGRAM, "watch", *common, f"--topic={events}", f"--count={len(sending.markers)}", wait]
    watcher = await asyncio.create_subprocess_exec(*watch_words, stdout=pipe)
    assert watcher.stdout is not None
    try:
        if await asyncio.wait_for(watcher.stdout.readline(), 30) != b"ready\n":
            raise RuntimeError("the watching process does not start")
        send_words = [*PROGRAM, "send", *common, f"--topic={raw}", f"--rate={sending.rate}"]
        send_words += [f"--seconds={sending.seconds}", f"--seed={sending.seed}"]
        sender = await asyncio.create_subprocess_exec(*send_words, stdout=pipe)
        sent = json.loads((await sender.communicate())[0])
        seen = json.loads((await watcher.communicate())[0])
    finally:
        if watcher.returncode is None:
            watcher.kill()
            await watcher.wait()
    found = sending.latencies(sent["start"], seen)
    return {**found, "ok": found["ok"] and not sent["failed"], "sender_late_ms_max": sent["sender_late_ms_max"]}


async def tocsin(servers: str, rate: int, seconds: float, runs: int) -> dict[str, Any]:
    """Runs of one process, one after the other; the first warms up and is not counted: a young broker takes some
    seconds of just this traffic until it has compiled itself."""
    each = []
    async with prefixed(servers) as prefix:
        with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as folder:
            async with Workers(Path(folder), servers, prefix, entry=TOCSIN, partitions=PARTITIONS) as workers:
                for number in range(runs + 1):
                    sending = Sending(rate, seconds, seed=number + 1)
                    cpu = workers.all[0].cpu()
                    found = await through_kafka(servers, prefix + RAW, prefix + INCIDENTS, sending)
                    cpu = workers.all[0].cpu() - cpu
                    each.append({**found, "cpu_us_per_alert": round(cpu / sending.alerts * 1e6, 1)})
    return summed(f"tocsin at {rate}/s", each[1:])


def summed(name: str, each: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and spread of what the runs say."""
    values = {
        part: spread([one["latency_ms"].get(part, float("inf")) for one in each]) for part in ("p50", "p99", "max")
    }
    say(f"{name}: p50 {values['p50']} p99 {values['p99']} max {values['max']} ms")
    return {**values, "ok": all(one["ok"] for one in each), "runs": each}


async def echo(servers: str, rate: int, seconds: float, runs: int) -> dict[str, Any]:
    """The broker alone: the same bytes out again."""
    each = []
    async with prefixed(servers) as prefix:
        await create(servers, {f"{prefix}echo": PARTITIONS})
        for number in range(runs):
            topic = f"{prefix}echo"
            each.append(await through_kafka(servers, topic, topic, Sending(rate, seconds, seed=number + 1)))
    return summed(f"broker echo at {rate}/s", each)


async def faust(servers: str, rate: int, seconds: float, runs: int) -> dict[str, Any]:
    """Stock Faust in a process of its own; one that falls behind shows it."""
    each = []
    for number in range(runs):
        sending = Sending(rate, seconds, seed=number + 1)
        async with prefixed(servers) as prefix:
            raw, events = f"{prefix}raw", f"{prefix}events"
            await create(servers, {raw: PARTITIONS, events: PARTITIONS})
            async with _faust_running(servers, raw, events, sending.alerts) as pid:
                cpu = process_cpu_seconds(pid)
                found = await through_kafka(servers, raw, events, sending)
                cpu = process_cpu_seconds(pid) - cpu
        each.append({**found, "cpu_us_per_alert": round(cpu / sending.alerts * 1e6, 1)})
    found = summed(f"stock Faust at {rate}/s", each)
    return {**found, "kept_up": found.pop("ok")}


@asynccontextmanager
async def _faust_running(servers: str, raw: str, events: str, alerts: int) -> AsyncIterator[int]:
    words = [sys.executable, str(HERE / "faust_stock.py"), f"--servers={servers}", f"--topic={raw}"]
    # One more than come: it must not end while it is looked at.
    words += [f"--out={events}", f"--partitions={PARTITIONS}", f"--records={alerts + 1}", f"--alerts={alerts}"]
    with tempfile.TemporaryDirectory(prefix="tocsin-peer-") as folder:
        process = await asyncio.create_subprocess_exec(*words, cwd=folder, stderr=asyncio.subprocess.DEVNULL)
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        await admin.start()
        try:
            async with asyncio.timeout(30):
                while "Stable" not in repr(await admin.describe_consumer_groups([f"{raw}.faust"])):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            yield process.pid
        finally:
            await admin.close()
            process.kill()
            await process.wait()


class Heard(Sink):
    """Takes Alertmanager's webhooks; notes when the first of each service came."""

    def _take(self, content: bytes, at: float) -> None:
        self.received.setdefault(json.loads(content)["groupLabels"]["service"], time.monotonic())


async def alertmanager_once(rate: int, seconds: float, seed: int) -> dict[str, Any]:
    """One run over HTTP."""
    sending = Sending(rate, seconds, seed)
    of_one = max(1, rate // REQUESTS_A_SECOND)
    values = list(planned(rate, sending.seconds, seed).records())
    names = ("labels", "annotations", "startsAt", "generatorURL")
    alerts = [{name: json.loads(value)["alerts"][0][name] for name in names} for value in values]
    bodies = [json.dumps(alerts[first : first + of_one]).encode() for first in range(0, len(alerts), of_one)]
    async with Heard() as sink:
        config = (
            "route: {receiver: sink, group_by: [service], group_wait: 0s, group_interval: 1h, repeat_interval: 1h}\n"
            f'receivers: [{{name: sink, webhook_configs: [{{url: "{sink.url}"}}]}}]\n'
        )
        async with alertmanager(config) as (pid, address), Load(address, "/api/v2/alerts") as load:
            cpu = process_cpu_seconds(pid)
            start = time.monotonic() + 0.05  # as `send` begins
            await load.send(bodies, rate / of_one)
            try:
                await asyncio.wait_for(sink.has(len(sending.markers)), DRAIN_SECONDS_MAX)
            except TimeoutError:
                say("Alertmanager has not told of everything")
            cpu = process_cpu_seconds(pid) - cpu
        # A request goes when its last alert is due.
        found = sending.latencies(start - (of_one - 1) / rate, sink.received)
    return {**found, "cpu_us_per_alert": round(cpu / sending.alerts * 1e6, 1)}


async def measure(servers: str, rate: int, seconds: float, runs: int, peers: bool) -> dict[str, Any]:
    """Everything at one rate."""
    found: dict[str, Any] = {"tocsin": await tocsin(servers, rate, seconds, runs)}
    if peers:
        found["broker_echo"] = await echo(servers, rate, seconds, 1)
        found["faust"] = await faust(servers, rate, seconds, 1)
        try:
            one = await alertmanager_once(rate, seconds, 1)
            heard = summed(f"Alertmanager at {rate}/s", [one])
            found["alertmanager"] = {**heard, "kept_up": heard.pop("ok")}
        except LeftOut as reason:
            found["alertmanager"] = {"left_out": str(reason)}
    return found


async def main(asked: argparse.Namespace) -> int:
    found: dict[str, Any] = {}
    async with broker(asked.kafka) as servers:
        await echo(servers, RATES[-1], 2.0, 1)  # a broker that has just started compiles itself first
        for rate in [asked.rate] if asked.rate else RATES:
            seconds, runs = (2.0, 1) if asked.smoke else (SECONDS, asked.runs)
            found[f"{rate}_a_second"] = await measure(servers, rate, seconds, runs, not asked.no_peers)
    print(json.dumps(stamped("latency_kafka", asked.smoke, found), indent=1))
    return 0 if right(found) else 1


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--rate", type=int, help="one rate only")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--kafka", help="host:port of a broker; without it one is started")
    parser.add_argument("--no-peers", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
