"""amtool, a real Alertmanager with a webhook receiver, and a client that behaves like Prometheus work unchanged."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.monitors import alertmanager, needs, telling
from integration.running import Tocsin, call, running

pytestmark = pytest.mark.integration

WITHIN = 20.0


async def until(check: Callable[[], Any], what: str) -> Any:
    """Poll an outside program's effect; the only way to see it."""
    ends = time.monotonic() + WITHIN
    while time.monotonic() < ends:
        if result := check():
            return result
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {WITHIN} s")


def incidents(tocsin: Tocsin) -> list[dict[str, Any]]:
    return list(httpx.get(f"{tocsin.url}/api/incident_response").json()["items"])


async def test_amtool_adds_an_alert_to_tocsin_as_it_does_to_alertmanager(tmp_path: Path) -> None:
    amtool = needs("amtool", "prometheus-alertmanager")
    async with running(tmp_path) as (tocsin, _):
        summary = "--annotation=summary=Disk of a is full"
        await call(
            amtool,
            f"--alertmanager.url={tocsin.url}",
            "alert",
            "add",
            "DiskFull",
            "node=a",
            "severity=critical",
            summary,
        )
        (incident,) = await until(lambda: incidents(tocsin), "the incident")
        assert (incident["title"], incident["severity"]) == ("Disk of a is full", "critical")


async def test_a_real_alertmanager_fires_repeats_and_resolves(tmp_path: Path) -> None:
    amtool = needs("amtool", "prometheus-alertmanager")
    rule = {"correlate": {"rules": [{"name": "default", "resolve_delay": "1s"}]}}
    async with (
        running(tmp_path / "tocsin", **rule) as (tocsin, sink),
        alertmanager(tmp_path, telling(f"{tocsin.url}/api/v1/alerts")) as url,
    ):
        add = (amtool, f"--alertmanager.url={url}", "alert", "add", "HighLatency", "service=shop", "severity=page")
        end = (datetime.now(UTC) + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
        await call(*add, f"--end={end}")
        await call(*add, "instance=b", f"--end={end}")
        found = await until(lambda: incidents(tocsin), "the incident")
        assert [one["severity"] for one in found] == ["critical"]
        await until(lambda: incidents(tocsin)[0]["status"] == "resolved", "the resolve")
        (incident,) = incidents(tocsin)
        assert incident["alerts"] == 2
        told = [one["body"]["type"] for one in sink.journal]
        assert told[0] == "incident.opened"
        await until(
            lambda: [one["body"]["type"] for one in sink.journal][-1] == "incident.resolved", "the last message"
        )
        assert [one["body"]["type"] for one in sink.journal].count("incident.opened") == 1


async def test_a_prometheus_that_sends_again_and_again_makes_one_incident(tmp_path: Path) -> None:
    starts_at = datetime.now(UTC) - timedelta(minutes=3)
    alert = {
        "labels": {"alertname": "TargetDown", "job": "node", "severity": "warning"},
        "annotations": {"summary": "A target is down"},
        "startsAt": starts_at.isoformat(),
        "generatorURL": "http://prometheus.example/graph",
    }
    async with running(tmp_path) as (tocsin, sink), httpx.AsyncClient() as client:
        for replica in ("a", "b") * 5:
            body = [
                {
                    **alert,
                    "labels": {**alert["labels"], "replica": replica},
                    "endsAt": (datetime.now(UTC) + timedelta(minutes=4)).isoformat(),
                }
            ]
            reply = await client.post(f"{tocsin.url}/api/v2/alerts", json=body)
            assert (reply.status_code, reply.content) == (200, b"")
        await until(lambda: sink.journal, "the message")
        await tocsin.quiet()
        (incident,) = incidents(tocsin)
        assert (incident["alerts"], incident["occurrences"], len(sink.journal)) == (1, 10, 1)
        resolved = [{**alert, "endsAt": datetime.now(UTC).isoformat()}]
        await client.post(f"{tocsin.url}/api/v2/alerts", json=resolved)
        await until(lambda: incidents(tocsin)[0]["firing"] == 0, "the resolve")
        reply = await client.post(f"{tocsin.url}/api/v2/alerts", json=[*resolved, {"labels": {}}])
        assert reply.status_code == 400
        assert isinstance(reply.json(), str)
