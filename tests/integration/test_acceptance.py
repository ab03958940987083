"""The acceptance tester against a real `tocsin run`: eleven of eleven on both logs, and plain words where settings are
in the way."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.running import TOCSIN, Sink, Tocsin, call, running
from tocsin.testing.acceptance import AcceptanceTester

pytestmark = pytest.mark.integration

SCENARIOS = 11
BOTH = {"routes": [{"channels": ["sink", "console"]}]}
"""Everything to two channels."""


@asynccontextmanager
async def on_kafka(directory: Path, servers: str, prefix: str, **settings: Any) -> AsyncIterator[Tocsin]:
    """One process on a real Kafka, with a webhook receiver."""
    own = {"broker": f"kafka://{servers}", "partitions": 2, "kafka": {"prefix": prefix}, **settings}
    async with Sink() as sink:
        tocsin = Tocsin(directory, sink.url, **own)
        await call(str(TOCSIN), "topics", "apply", "-c", str(tocsin.config))
        await tocsin.start()
        try:
            yield tocsin
        finally:
            if tocsin.process is not None and tocsin.process.poll() is None:
                tocsin.process.kill()
                tocsin.process.wait()


def failures(report: dict[str, Any]) -> list[str]:
    return [f"{one['name']}: {one['detail']}" for one in report["results"] if not one["passed"]]


@pytest.mark.timeout(180)
async def test_eleven_of_eleven_on_the_embedded_log(tmp_path: Path) -> None:
    async with running(tmp_path, notify=BOTH) as (tocsin, _):
        result = await asyncio.to_thread(tocsin.command, "acceptance", tocsin.url, "-o", "json")
        report = json.loads(result.stdout)
        assert failures(report) == []
        assert result.returncode == 0
        assert (report["total_tests"], report["passed_tests"], report["failed_tests"]) == (SCENARIOS, SCENARIOS, 0)
        assert report["success_rate"] == 100.0
        assert report["created_incidents"] >= SCENARIOS
        assert report["processed_alerts"] >= 20


@pytest.mark.timeout(240)
async def test_eleven_of_eleven_on_kafka(tmp_path: Path, kafka: str, prefix: str) -> None:
    async with on_kafka(tmp_path, kafka, prefix, notify=BOTH) as tocsin:
        report = await asyncio.to_thread(AcceptanceTester(tocsin.url).run_all_tests)
        assert failures(report) == []
        assert report["passed_tests"] == SCENARIOS


@pytest.mark.timeout(180)
async def test_what_the_settings_make_impossible_is_named(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "escalate": {"rules": [{"escalate_to": "somebody", "escalate_after_minutes": 60}]},
        "playbooks": {"security-incident": {"enabled": False}},
        "notify": {"routes": [{"channels": ["sink"]}]},
    }
    async with running(tmp_path, **settings) as (tocsin, _):
        result = await asyncio.to_thread(tocsin.command, "acceptance", tocsin.url, "--wait", "10", "-o", "json")
        assert result.returncode == 1, result.stderr
        report = json.loads(result.stdout)
        assert [one["name"] for one in report["results"] if not one["passed"]] == [
            "automatic_escalation",
            "playbook_execution",
            "multi_channel_notification",
        ]
        assert all("needs " in one for one in failures(report)), failures(report)
        assert report["success_rate"] == 72.7


async def test_nobody_there_is_said_with_its_exit_code(tmp_path: Path) -> None:
    tocsin = Tocsin(tmp_path)
    result = await asyncio.to_thread(tocsin.command, "acceptance", tocsin.url)
    assert result.returncode == 4
    assert "cannot reach" in result.stderr
