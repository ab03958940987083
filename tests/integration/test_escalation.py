"""The situations of `tests/scenarios` with a real `tocsin run` and a real clock: a second here is a minute there."""

import asyncio
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from integration.running import Sink, Tocsin, running
from scenarios.situations import SITUATIONS, Situation
from tocsin.testing.scenario import instant

pytestmark = pytest.mark.integration

NAMES: Final = (
    *("r-emergency", "r-critical", "r-high", "r-low", "t-nobody", "t-low", "t-ack-between", "t-resolved"),
    *("t-asked", "t-asked-next", "t-asked-level", "t-asked-behind", "t-snoozed", "p-nobody", "p-ack", "p-snoozed"),
    "e-nobody",
)
"""Rows in which nothing that people do is within a second before a page; no rounds, which take a minute at least."""
ENDS: Final = 38.0
LATE_MAX: Final = 3.0
"""Seconds: a busy machine, not a promise."""

TWO: Final = {"levels": [{"targets": "user:ana", "after": "5s"}, {"targets": "user:bob", "after": "10s"}]}
AGAIN: Final = {"after": "5s", "repeat_every": "5s", "repeat_times": 2}
POLICIES: Final = {
    "two": TWO,
    "repeating": {"levels": [{"targets": "user:ana", **AGAIN}, {"targets": "team:dba", "after": "20s"}]},
    "each": {"levels": [{"targets": ["user:ana", "user:bob"], "every_target": True, **AGAIN}]},
}
ROWS: Final = [
    {
        "condition": f"severity == '{severity}'",
        "escalate_to": team,
        "escalate_after_minutes": minutes / 60,
    }
    for severity, team, minutes in (
        ("emergency", "emergency_team", 0),
        ("critical", "senior_engineers", 5),
        ("high", "on_call_engineer", 15),
    )
]


def settings(rows: list[Situation]) -> dict[str, Any]:
    teams = ("everyone", "emergency_team", "senior_engineers", "on_call_engineer")
    return {
        "escalate": {"rules": ROWS, "policies": POLICIES},
        "sla": {},
        "people": {
            "users": {name: {"contacts": {"email": f"{name}@example.org"}} for name in ("ana", "bob", "carl")},
            "teams": {
                **{name: {"contacts": {"email": f"{name}@example.org"}} for name in teams},
                "dba": {"members": ["ana", "bob"]},
                "owners": {"members": ["ana"], "manager": "carl"},
            },
        },
        "correlate": {"assignment": {"by_category": {}, "by_severity": {}}},
        "services": {
            one.name: {"team": "owners", **({} if one.policy == "-" else {"policy": one.policy})} for one in rows
        },
    }


def second_of(time_of_day: str) -> float:
    return (instant(time_of_day) - instant("10:00")).total_seconds() / 60


async def does(client: httpx.AsyncClient, one: Situation, numbers: dict[str, str], what: str) -> None:
    if what == "open":
        alert = {"title": one.name, "severity": one.severity, "service": one.name}
        reply = await client.post("/api/v1/alerts", json=alert)
        assert reply.status_code == 202, reply.text
        return
    verb, *rest = what.split()
    given: dict[str, Any] = {}
    for word in rest:
        name, _, value = word.partition("=")
        given[name] = float(value) / 60 if name == "minutes" else int(value) if value.isdigit() else value
    verb = "acknowledge" if verb == "ack" else verb
    command = {"verb": verb, "incident": numbers[one.name], "arguments": given}
    reply = await client.post("/api/v1/commands", json=command)
    assert reply.json()["outcome"] == "applied", reply.text


async def played(tocsin: Tocsin, rows: list[Situation]) -> float:
    """Do everything at its second; the instant at which all were opened."""
    numbers: dict[str, str] = {}
    doings = sorted(((second_of(at), one, what) for one in rows for at, what in one.doings), key=lambda doing: doing[0])
    async with httpx.AsyncClient(base_url=tocsin.url, timeout=20) as client:
        began = time.time()
        for at, one, what in doings:
            await asyncio.sleep(max(0.0, began + at - time.time()))
            while at and len(numbers) < len(rows):
                assert time.time() < began + ENDS, f"opened: {numbers}"
                await asyncio.sleep(0.05)
                page = (await client.get("/api/incident_response", params={"limit": 500})).json()
                numbers = {item["title"]: item["number"] for item in page["items"]}
            await does(client, one, numbers, what)
        await asyncio.sleep(max(0.0, began + ENDS - time.time()))
    return began


def pages_of(sink: Sink) -> dict[str, list[tuple[str, float]]]:
    """By title: (`L<level> <recipient>`, the instant it arrived), in order."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for request in sink.journal:
        body = request["body"]
        if call := body.get("escalation"):
            who = body["recipient"].removeprefix("user:")
            found[body["incident"]["title"]].append((f"L{call['level']} {who}", request["at"]))
    return found


@pytest.mark.timeout(150)
async def test_everybody_is_paged_at_the_second(tmp_path: Path) -> None:
    rows = [one for one in SITUATIONS if one.name in NAMES]
    assert len(rows) == len(NAMES)
    async with running(tmp_path, **settings(rows)) as (tocsin, sink):
        began = await played(tocsin, rows)
        pages = pages_of(sink)
    wrong = []
    for one in rows:
        calls = [page.split(" ", 1) for page in one.pages]
        expected = [(who, second_of(at)) for at, who in calls if second_of(at) < ENDS]
        came = sorted((round(at - began, 2), who) for who, at in pages.get(one.name, []))
        if sorted(who for who, _ in expected) != sorted(who for _, who in came):
            wrong.append(f"{one.name}: came {came}, expected {expected}")
            continue
        for (who, second), (at, seen) in zip(sorted(expected, key=lambda call: call[1]), came, strict=True):
            if not second <= at <= second + LATE_MAX or (
                who != seen and [w for w, s in expected if s == second] == [who]
            ):
                wrong.append(f"{one.name}: {seen} at {at}, expected {who} at {second}")
    assert not wrong, "\n".join(wrong)
