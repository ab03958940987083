"""A PagerDuty client that is pointed at a real `tocsin run`: trigger, repeat, acknowledge, resolve, and what it is
told; with four partitions, of which only one knows the key."""

from pathlib import Path
from typing import Any

import pytest

from integration.running import Tocsin, running
from integration.waiting import incidents, post, until

pytestmark = pytest.mark.integration

ROUTING_KEY = "c0ffee00c0ffee00c0ffee00c0ffee00"
QUICK = {"rules": [{"name": "quick", "resolve_delay": "100ms"}]}


def event(action: str, key: str = "", **payload: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"routing_key": ROUTING_KEY, "event_action": action}
    found |= {"dedup_key": key} if key else {}
    return found | ({"payload": {"source": "probe", "severity": "critical", **payload}} if payload else {})


async def has(tocsin: Tocsin, *expected: tuple[str, str]) -> bool:
    return sorted((one["title"], one["status"]) for one in await incidents(tocsin)) == sorted(expected)


@pytest.mark.timeout(90)
async def test_the_life_of_an_event(tmp_path: Path) -> None:
    async with running(tmp_path, partitions=4, correlate=QUICK) as (tocsin, sink):

        async def sends(*words: str, **payload: Any) -> dict[str, Any]:
            reply = await post(tocsin, event(*words, **payload), "/v2/enqueue")
            assert reply.status_code == 202, reply.text
            answer: dict[str, Any] = reply.json()
            assert answer["status"] == "success"
            return answer

        key = (await sends("trigger", summary="Disk 7 is full", component="storage"))["dedup_key"]
        assert key, "a trigger without a key is given one"
        assert (await sends("trigger", key, summary="Disk 7 is full", component="storage"))["dedup_key"] == key
        await sends("trigger", "other", summary="Disk 8 is full", component="archive")
        await until(lambda: has(tocsin, ("Disk 7 is full", "open"), ("Disk 8 is full", "open")), "two incidents")
        await sends("acknowledge", key)
        await until(lambda: has(tocsin, ("Disk 7 is full", "acknowledged"), ("Disk 8 is full", "open")), "one answered")
        await sends("acknowledge", "nobody-knows")
        await sends("resolve", "nobody-knows")
        await sends("resolve", key)
        await until(lambda: has(tocsin, ("Disk 7 is full", "resolved"), ("Disk 8 is full", "open")), "one resolved")
        await tocsin.quiet()
        assert len(sink.journal) == 3, "two openings, one end"
        assert ROUTING_KEY not in "".join(str(line) for line in tocsin.exported("alerts.raw.v1")), "it is a secret"


WRONG: tuple[Any, ...] = (
    event("explode", "k"),
    event("resolve"),
    event("trigger", "k", severity="bad", summary="x"),
    event("trigger", "k", summary=""),
    {"event_action": "trigger"},
    [],
    b"{",
)


@pytest.mark.timeout(60)
async def test_what_pagerduty_refuses_is_refused_the_same_way(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        for wrong in WRONG:
            reply = await post(tocsin, wrong, "/v2/enqueue")
            assert reply.status_code == 400, wrong
            answer = reply.json()
            assert (answer["status"], answer["message"]) == ("invalid event", "Event object is invalid")
            assert answer["errors"], wrong
