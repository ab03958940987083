"""A running tocsin is watched as its settings say."""

from pathlib import Path

import httpx
import pytest

from integration.running import Sink, running
from integration.waiting import until

pytestmark = pytest.mark.integration


async def test_heartbeat_canary_and_expected_alerts_are_those_of_the_settings(tmp_path: Path) -> None:
    async with Sink() as outside:
        watch = {
            "heartbeat": {"url": outside.url, "every": "5s"},
            "canary": {"every": "5s"},
            "expected": {"dog": {"matchers": ['alertname="Watchdog"'], "within": "5s"}},
        }
        async with running(tmp_path, watch=watch) as (tocsin, sink), httpx.AsyncClient(timeout=20) as client:

            async def seen() -> bool:
                metrics = (await client.get(f"{tocsin.url}/metrics")).text
                titles = [one["body"]["incident"]["title"] for one in sink.journal]
                missing = "The expected alert dog stays away" in titles
                return missing and bool(outside.journal) and 'tocsin_canary_seconds_count{step="event_log"}' in metrics

            await until(seen, "a heartbeat, a canary and an alarm", seconds=120.0)
            assert outside.journal[0]["body"]["instance"] == "tocsin"
