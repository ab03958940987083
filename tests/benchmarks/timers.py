"""Deadlines that fire while a million incidents are open (P6): how many a second, and how late.

The real stage and the real owner on a durable embedded log. Two loads: everything is due at once (`backlog`), and so
many a second, each at an instant of its own (`open_loop`: late = committed minus due). Peers in the run, which record
nothing: a heap, `asyncio` timers, APScheduler where it is installed. The limit is a timing wheel alone. Checked in the
run: each due incident has exactly one call in the log, no call is early, and nothing is left over.
Prints JSON. Run: `python tests/benchmarks/timers.py [--smoke]`.
"""

import asyncio
import gc
import heapq
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))
from asking import asked, options
from results import spread, stamped

from tocsin.cli.run import YOUNG
from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import EscalationRule, Rules
from tocsin.domain.severity import Severity
from tocsin.escalate.decide import Escalate
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.owner import Owner
from tocsin.runtime.pace import Pace
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import World
from tocsin.stage import Fact
from tocsin.topics import ESCALATIONS, INCIDENTS
from tocsin.wire.events import decode

SMOKE: Final = __name__ == "__main__" and asked(options(__doc__)).smoke
OPEN: Final = 20_000 if SMOKE else 1_000_000
BACKLOG: Final = 10_000 if SMOKE else 200_000
RATE: Final = 10_000
"""A second: what P6 must."""
SECONDS: Final = 1 if SMOKE else 10
RUNS: Final = 1 if SMOKE else 3
LEAD: Final = timedelta(seconds=2)
"""From the end of the preparation to the first deadline of the open loop."""
PACE: Final = Pace(records_min=1 << 40, seconds=1e12, release_entries_max=0)
"""No checkpoint falls into the measured time."""
RULES: Final = Rules(version=1, escalation=(EscalationRule(escalate_to="on_call", escalate_after_minutes=0),), sla={})


def header(n: int) -> IncidentHeader:
    return IncidentHeader(
        id=f"inc_aa{n:020d}",
        number=f"INC-2026-11-21-{n}",
        version=1,
        title=f"More than 5 % of the requests to service-{n} fail",
        severity=Severity.CRITICAL,
        status=Status.OPEN,
        opened_at=datetime.fromisoformat("2026-11-21T12:00:00+00:00"),
        service=f"service-{n}",
        alerts=1,
        firing=1,
        labels={"alertname": "HighErrorRate", "service": f"service-{n}", "cluster": f"eu-{n % 7}"},
    )


def filled(stage: Escalate, due_at: Callable[[int], Instant]) -> Any:
    """The state with so many open incidents, incident `n` due at `due_at(n)`: made by the stage itself."""
    state = stage.empty()
    for n in range(OPEN):
        about, at = header(n), due_at(n)
        opened = ev.Opened(incident_id=about.id, version=1, header=about, recorded_at=at, ordinal=n, group="g")
        for event in stage.decide(state, Fact(opened, INCIDENTS.name, 0, n), RULES, at):
            stage.evolve(state, event)
    return state


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def owner_on(directory: Path, stage: Escalate, metrics: Metrics) -> tuple[Owner, World]:
    clock = SystemClock()
    broker = EmbeddedBroker.open(directory / "log.sqlite3", partitions=1, clock=clock, instance="bench")
    world = World(
        broker=broker,
        arrivals=Polled(broker),
        clock=clock,
        instance="bench",
        member="bench",
        metrics=metrics,
        random=Random(1),
        pause=no_pause,
        pace=PACE,
    )
    feed = SettingsFeed(world)
    await feed.refresh()
    await feed.publish(RULES)
    owner = Owner(stage, world, feed, partitions=1)
    await owner.load()
    await owner.tick()
    return owner, world


class Timed:
    """A log that notes when each append of the escalations was durable."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.appended: list[tuple[int, int, float]] = []
        """(first offset, records, wall clock)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def append(self, topic: str, partition: int, drafts: Any, expected: int | None = None) -> int:
        first: int = await self._broker.append(topic, partition, drafts, expected)
        if topic == ESCALATIONS.name:
            self.appended.append((first, len(drafts), time.time()))
        return first


async def fired(due_at: Callable[[int], Instant], count: int, begins: Callable[[], None]) -> dict[str, float]:
    """Let `count` deadlines fire; how long that took, and how late each was durable."""
    stage = Escalate(0, 1)
    begins()
    state = filled(stage, due_at)
    with TemporaryDirectory() as directory:
        owner, world = await owner_on(Path(directory), stage, Metrics())
        timed = Timed(world.broker)
        world.broker = timed
        owner.state = state  # as if it had been folded: the making of it is not measured here
        gc.collect()
        gc.freeze()
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        while done < count:
            if not await owner.tick() and (wait := owner.idle_for()) > 0:
                await asyncio.sleep(min(wait, 0.05))
            done = sum(records for _, records, _ in timed.appended)
        found = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        found |= await checked(world, timed, count)
        await timed.close()
        gc.unfreeze()
    return found


async def checked(world: World, timed: Timed, count: int) -> dict[str, float]:
    """Lateness of each call, and whether the log is right."""
    times = {first: (number, at) for first, number, at in timed.appended}
    offset = min(times)
    calls: Counter[str] = Counter()
    late: list[float] = []
    early = 0
    durable = 0.0
    while records := await world.broker.read(ESCALATIONS.name, 0, offset):
        for record in records:
            durable = times.get(record.offset, (0, durable))[1]
            event = decode(record.headers, record.value)
            if isinstance(event, ev.EscalationFired):
                calls[event.incident_id] += 1
                early += event.recorded_at < event.step.due_at
                late.append(durable - event.step.due_at.timestamp())
        offset = records[-1].offset + 1
    late.sort()
    right = len(calls) == count and set(calls.values()) == {1} and not early
    return {
        "ok": right,
        "late_p50_ms": late[len(late) // 2] * 1000,
        "late_p99_ms": late[len(late) * 99 // 100] * 1000,
        "late_max_ms": late[-1] * 1000,
    }


async def backlog() -> dict[str, float]:
    """`BACKLOG` deadlines due at once, the others tomorrow."""
    now = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    tomorrow = SystemClock().now() + timedelta(days=1)
    return await fired(lambda n: now if n < BACKLOG else tomorrow, BACKLOG, lambda: None)


async def open_loop(prepared: float) -> dict[str, float]:
    """`RATE` deadlines a second for `SECONDS`, beginning once everything is prepared."""
    start = SystemClock().now()
    tomorrow = start + timedelta(days=1)
    first = start + timedelta(seconds=prepared) + LEAD
    count = RATE * SECONDS
    return await fired(lambda n: first + timedelta(seconds=n / RATE) if n < count else tomorrow, count, lambda: None)


# ---- peers, which record nothing ------------------------------------------------------------------------------------


def heap_rate() -> float:
    """Deadlines a second through a heap of `OPEN`."""
    chance = Random(1)
    heap = [(chance.random(), n) for n in range(OPEN)]
    heapq.heapify(heap)
    begin = time.perf_counter()
    for _ in range(BACKLOG):
        heapq.heappop(heap)
    return BACKLOG / (time.perf_counter() - begin)


def wheel_rate() -> float:
    """The limit: a wheel of slots, one of which is due after the other."""
    slots: list[list[int]] = [[] for _ in range(4096)]
    for n in range(OPEN):
        slots[n * 4096 // OPEN].append(n)
    count, begin = 0, time.perf_counter()
    for slot in slots:
        for n in slot:
            count += n >= 0
        slot.clear()
        if count >= BACKLOG:
            break
    return count / (time.perf_counter() - begin)


async def asyncio_rate() -> float:
    """`loop.call_at` with `OPEN` timers, `BACKLOG` of them due at once."""
    loop = asyncio.get_running_loop()
    done, over = 0, asyncio.Event()

    def fire() -> None:
        nonlocal done
        done += 1
        if done == BACKLOG:
            over.set()

    now = loop.time()
    later = [loop.call_at(now + 86_400, fire) for _ in range(OPEN - BACKLOG)]
    begin = time.perf_counter()
    for _ in range(BACKLOG):
        loop.call_at(now, fire)
    await over.wait()
    took = time.perf_counter() - begin
    for handle in later:
        handle.cancel()
    return BACKLOG / took


async def apscheduler_rate() -> float | None:
    """One-shot jobs of APScheduler's asyncio scheduler, at most a few thousand: it is slow with more. None = it is not
    installed."""
    if find_spec("apscheduler") is None:
        return None
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    jobs, done, over = 2000, 0, asyncio.Event()

    async def fire() -> None:
        nonlocal done
        done += 1
        if done == jobs:
            over.set()

    scheduler = AsyncIOScheduler()
    at = SystemClock().now() + timedelta(seconds=3)
    for _ in range(jobs):
        scheduler.add_job(fire, "date", run_date=at, misfire_grace_time=None)
    scheduler.start()
    await asyncio.sleep((at - SystemClock().now()).total_seconds())
    begin = time.perf_counter()
    await over.wait()
    scheduler.shutdown(wait=False)
    return jobs / (time.perf_counter() - begin)


def main() -> int:
    gc.set_threshold(*YOUNG)  # as `tocsin run` does
    begin = time.perf_counter()
    filled(Escalate(0, 1), lambda n: datetime.fromisoformat("2030-01-01T00:00:00+00:00"))  # a warm-up, and how long
    prepared = (time.perf_counter() - begin) * 1.5 + 1
    at_once = [asyncio.run(backlog()) for _ in range(RUNS)]
    in_turn = [asyncio.run(open_loop(prepared)) for _ in range(RUNS)]
    rates = {"heap": heap_rate(), "asyncio_call_at": asyncio.run(asyncio_rate())}
    if (scheduler := asyncio.run(apscheduler_rate())) is not None:
        rates["apscheduler"] = scheduler
    correct = all(one["ok"] for one in (*at_once, *in_turn))
    rate = [BACKLOG / one["seconds"] for one in at_once]
    p99 = [one["late_p99_ms"] for one in in_turn]
    found = {
        "open": OPEN,
        "ok": correct,
        "backlog": {
            "due_at_once": BACKLOG,
            "fired_a_second": spread(rate),
            "fired_a_cpu_second": spread([BACKLOG / one["cpu_seconds"] for one in at_once]),
        },
        "open_loop": {
            "due_a_second": RATE,
            "seconds": SECONDS,
            "late_p50_ms": spread([one["late_p50_ms"] for one in in_turn]),
            "late_p99_ms": spread(p99),
            "late_max_ms": spread([one["late_max_ms"] for one in in_turn]),
        },
        "peers_fired_a_second": {name: round(value) for name, value in rates.items()},
        "apscheduler": "measured" if scheduler is not None else "not installed",
        "limit_wheel_fired_a_second": round(wheel_rate()),
        "must": {"fired_a_second": RATE, "late_p99_ms": 1000},
        "met": correct and min(rate) >= RATE and max(p99) <= 1000,
    }
    print(json.dumps(stamped("timers", SMOKE, found), indent=1))
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
