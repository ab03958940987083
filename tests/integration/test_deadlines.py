"""Calls in real time: to the second where they are due, and each once, wherever the process dies around the deadline.

Seconds stand for minutes. What is called when is the subject of `tests/scenarios/situations.py`; this is about the
real clock, the real processes and both logs.

Environment:
    TOCSIN_DEADLINE_DEATHS=<number>  how many points are taken, drawn by chance; 14 are all
"""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from integration.kafka_judging import read_log
from integration.kafka_running import Installation, Worker, count
from integration.running import Sink, running
from tocsin.testing.lines import read_line

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ESCALATIONS: Final = "escalations.events.v1"
FIRED: Final = "tocsin.escalation.fired.v1"
LATE_MAX: Final = 1.5
"""Seconds from the instant in the log to the page at the receiver, on a machine that does other things as well."""
POLICY: Final[dict[str, Any]] = {
    "people": {
        "users": {name: {"contacts": {"email": [f"{name}@example.org"]}} for name in ("ana", "bo")},
        "teams": {"everyone": {"contacts": {"email": ["all@example.org"]}}, "ops": {"members": ["ana", "bo"]}},
    },
    "escalate": {
        "rules": [],
        "catch_up": "all",
        "policies": {
            "default": {
                "levels": [
                    {"targets": ["user:ana"], "after": "2s"},
                    {"targets": ["user:bo"], "after": "2s", "repeat_every": "1500ms", "repeat_times": 1},
                    {"targets": ["team:everyone"], "after": "3s"},
                ]
            }
        },
    },
    "sla": {"critical": {"acknowledge": "5s", "resolve": "10m"}},
}
DUE: Final = {("user:ana", 1, 0): 2.0, ("user:bo", 2, 0): 4.0, ("user:bo", 2, 1): 5.5, ("team:everyone", 3, 0): 7.0}
"""(recipient, level, repeat) -> seconds after the opening."""
TIMES: Final = count("TOCSIN_DEADLINE_DEATHS", 5)
POINTS: Final = (
    "fire.before", "fire.after", "decide.after", "evolve.after", "append.before", "append.after", "confirm.after",
    "commit.before", "commit.after", "send.before", "send.after", "record.before", "fold.after", "claim.after",
)  # fmt: skip


async def post(url: str, *names: str) -> None:
    """One critical incident a name."""
    alerts = [
        {"title": f"{name} is down", "key": name, "correlation_id": name, "severity": "critical", "service": name}
        for name in names
    ]
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        answer = await client.post("/api/v1/alerts", json=alerts)
        assert answer.status_code == 202, answer.text


async def test_calls_come_to_the_second_and_stop_at_the_acknowledgement(tmp_path: Path) -> None:
    async with running(tmp_path, **POLICY) as (tocsin, sink):
        await post(tocsin.url, "shop", "billing")
        async with httpx.AsyncClient(base_url=tocsin.url, timeout=10) as client:
            ends = time.monotonic() + 30
            while len(found := (await client.get("/api/incident_response")).json()["items"]) < 2:
                assert time.monotonic() < ends
                await asyncio.sleep(0.05)
            by_service = {one["service"]: one for one in found}
            while not pages(sink, by_service["shop"]["id"]):
                assert time.monotonic() < ends
                await asyncio.sleep(0.05)
            answered = await client.post(
                "/api/v1/commands", json={"verb": "acknowledge", "incident": by_service["shop"]["id"]}
            )
            assert answered.json()["outcome"] == "applied"
            while len(pages(sink, by_service["billing"]["id"])) < len(DUE):
                assert time.monotonic() < ends, tocsin.printed()
                await asyncio.sleep(0.05)
        opened = datetime.fromisoformat(by_service["billing"]["opened_at"]).timestamp()
        came = {(to, level, again): at - opened for to, level, again, at in pages(sink, by_service["billing"]["id"])}
        assert came.keys() == DUE.keys()
        assert {key: late for key, at in came.items() if not 0 <= (late := at - DUE[key]) <= LATE_MAX} == {}
        assert [page[:3] for page in pages(sink, by_service["shop"]["id"])] == [("user:ana", 1, 0)]


def pages(sink: Sink, incident_id: str) -> list[tuple[str, int, int, float]]:
    """(recipient, level, repeat, when it came) of the calls that the receiver got for an incident."""
    found = []
    for one in sink.journal:
        body = one["body"]
        if body["incident"]["id"] == incident_id and (call := body.get("escalation")):
            found.append((body["recipient"], call["level"], call["repeat"], one["at"]))
    return found


# ---- wherever it dies --------------------------------------------------------------------------------------------


async def dies_around_deadlines(worker: Worker, chance: random.Random) -> int:
    """Take the points with incidents that fall due, on one worker that is started anew each time; how many."""
    usual, opened = worker.entry, 0
    for number, point in enumerate(chance.sample(POINTS, min(TIMES, len(POINTS)))):
        nth = chance.randint(1, 3)
        worker.entry = (sys.executable, "-m", "tocsin.testing.failing", f"{point}:{nth}")
        worker.launch()
        names = [f"{point}-{number}-{n}" for n in range(3)]
        with contextlib.suppress(AssertionError, httpx.HTTPError):  # some points come before it is ready
            await worker.ready(20)
            await post(worker.url, *names)
        assert worker.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(worker.process.wait, 15)
        if worker.running:  # the point comes less often than that
            worker.kill()
        worker.entry = usual
        await worker.start()
        await post(worker.url, *names)  # a client that got no answer sends again
        opened += len(names)
        if number % 2:  # every other time the calls of the last round fall due while it is down
            await asyncio.sleep(chance.uniform(0.5, 2.5))
        worker.kill()
    await worker.start()
    return opened


def judged(log: Iterable[Mapping[str, Any]], opened: int) -> None:
    """Every call of every incident once, in what counts."""
    events = [line.value for line in map(read_line, log) if line.counts and line.headers.get("ce_type") == FIRED]
    calls = Counter((one["incident_id"], one["step"]["level"], one["step"].get("repeat", 0)) for one in events)
    assert [call for call, times in calls.items() if times > 1] == []
    by_incident = Counter(incident for incident, _, _ in calls)
    assert len(by_incident) == opened
    assert {incident: count for incident, count in by_incident.items() if count != len(DUE)} == {}


async def test_each_call_once_wherever_the_process_dies(tmp_path: Path, seed: int) -> None:
    async with Sink() as sink:
        worker = Worker(tmp_path, sink.url, **POLICY)
        opened = await dies_around_deadlines(worker, random.Random(seed))
        await worker.quiet()  # no two calls are further apart than it waits
        log = worker.exported(ESCALATIONS)
        assert worker.stop() == 0
    judged(log, opened)


async def test_each_call_once_wherever_the_process_dies_on_kafka(
    tmp_path: Path, kafka: str, prefix: str, seed: int
) -> None:
    async with Sink() as sink:
        topics = Installation(tmp_path, kafka, prefix, sink.url, workers=1, partitions=2)
        await topics.prepare()
        on_kafka = {"broker": f"kafka://{kafka}", "partitions": 2, "kafka": {"prefix": prefix, "member": "only"}}
        worker = Worker(tmp_path / "only", sink.url, **on_kafka, **POLICY)
        opened = await dies_around_deadlines(worker, random.Random(seed))
        await worker.quiet()  # no two calls are further apart than it waits
        assert worker.stop() == 0
        log = await read_log(topics)
    judged((line for line in log if line["topic"] == ESCALATIONS), opened)
