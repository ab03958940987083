"""Other settings at the next start: what is decided from then on follows them, what was decided before stays."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.running import running
from integration.waiting import incident, incidents, post, until

pytestmark = pytest.mark.integration


def alert(name: str) -> dict[str, Any]:
    return {"title": name, "severity": "critical", "service": "shop", "labels": {"alertname": name}}


def steps(minutes: float, target: str) -> dict[str, Any]:
    return {"rules": [{"escalate_to": target, "escalate_after_minutes": minutes}]}


@pytest.mark.timeout(90)
async def test_new_rules_hold_for_what_comes_after_them(tmp_path: Path) -> None:
    async with running(tmp_path, escalate=steps(600, "old_team")) as (tocsin, _):
        assert (await post(tocsin, alert("Before"))).status_code == 202
        await tocsin.quiet()
        assert tocsin.stop() == 0
        tree = yaml.safe_load(tocsin.config.read_text())
        tocsin.config.write_text(yaml.safe_dump({**tree, "escalate": steps(900, "new_team")}))
        await tocsin.start()
        assert (await post(tocsin, alert("After"))).status_code == 202

        async def both() -> list[dict[str, Any]]:
            found = [await incident(tocsin, one["number"]) for one in await incidents(tocsin)]
            return found if len(found) == 2 and all(one["escalation"]["next"] for one in found) else []

        before, after = await until(both, "two incidents with plans")
        assert before["escalation"]["next"]["escalate_to"] == "old_team", "frozen when the incident opened"
        assert after["escalation"]["next"]["escalate_to"] == "new_team"
        await tocsin.quiet()
        published = [line for line in tocsin.exported("settings.events.v1") if line["key"] == "escalate/rules"]
        assert len(published) == 2
        assert tocsin.stop() == 0
        await tocsin.start()
        again = [line for line in tocsin.exported("settings.events.v1") if line["key"] == "escalate/rules"]
        assert len(again) == 2, "what has not changed is not published again"
        assert tocsin.stop() == 0


@pytest.mark.timeout(60)
async def test_another_number_of_partitions_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        assert tocsin.stop() == 0
        tree = yaml.safe_load(tocsin.config.read_text())
        tocsin.config.write_text(yaml.safe_dump({**tree, "partitions": 4}))
        with pytest.raises(AssertionError) as ended:
            await tocsin.start()
        assert "partition" in str(ended.value)
        assert "4" in str(ended.value)
