"""amtool works unchanged: silences, alerts, receivers and status are asked for and changed as in Alertmanager."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from integration.monitors import needs
from integration.running import Tocsin, running
from integration.waiting import incidents, shown, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


class Amtool:
    """amtool against one tocsin."""

    def __init__(self, tocsin: Tocsin) -> None:
        self.program = needs("amtool", "prometheus-alertmanager")
        self.url = tocsin.url

    async def __call__(self, *words: str, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            self.program,
            f"--alertmanager.url={self.url}",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode != 0) == fails, (out + err).decode()
        return (err if fails else out).decode().strip()

    async def json(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self("--output=json", *words))
        return found


async def test_silences_are_added_asked_for_changed_and_expired(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        amtool = Amtool(tocsin)
        add = ("silence", "add", "--author=ana", "--comment=new disks", "--duration=2h")
        disks = await amtool(*add, "DiskFull", "node=~db.*")
        other = await amtool(*add, "alertname!=DiskFull", "node=web1")
        found = {one["id"]: one for one in await amtool.json("silence", "query")}
        assert set(found) == {disks, other}
        assert found[disks]["createdBy"] == "ana"
        assert found[disks]["matchers"] == [
            {"name": "alertname", "value": "DiskFull", "isRegex": False, "isEqual": True},
            {"name": "node", "value": "db.*", "isRegex": True, "isEqual": True},
        ]
        assert await amtool("silence", "query", "-q", "alertname=DiskFull") == disks
        await amtool("silence", "update", "--duration=3h", "--comment=more disks", disks)
        [updated] = await amtool.json("silence", "query", "alertname=DiskFull")
        assert updated["comment"] == "more disks"
        await amtool("silence", "expire", disks)
        assert await amtool("silence", "query", "-q") == other
        assert disks in (await amtool("silence", "query", "-q", "--expired")).split()
        assert [one["id"] for one in await shown(tocsin, "silence", "list")] == [other]

        exported = tmp_path / "silences.json"
        exported.write_text(await amtool("--output=json", "silence", "query"))
        await amtool("silence", "import", str(exported), "--force")
        assert len(await amtool.json("silence", "query")) == 2

        wrong = await amtool("silence", "add", "--author=a", "--comment=c", "node=~.*", fails=True)
        assert "silence everything" in wrong
        nobody = "6f6ee1ba-5a2b-4d5c-8f5c-2f3b3a1d9a55"
        assert "404" in await amtool("silence", "expire", nobody, fails=True)

        history = await shown(tocsin, "settings", "history", f"silence/{disks}")
        assert [one["reason"] for one in history] == ["expired", "more disks", "new disks"]
        assert tocsin.stop() == 0
        await tocsin.start()
        assert other in await amtool("silence", "query", "-q"), "silences are in the log"


async def test_alerts_are_asked_for_with_filters(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        amtool = Amtool(tocsin)
        for name, node in (("DiskFull", "db1"), ("DiskFull", "db2"), ("Slow", "web1")):
            await amtool("alert", "add", name, f"node={node}", f"--annotation=summary={name} on {node}")

        async def names(*words: str) -> list[str]:
            found = await amtool.json("alert", "query", *words)
            return sorted(f"{one['labels']['alertname']} {one['labels']['node']}" for one in found)

        async def three() -> bool:
            return len(await names()) == 3

        await until(three, "three alerts")
        assert await names("alertname=DiskFull") == ["DiskFull db1", "DiskFull db2"]
        assert await names("DiskFull", "node!=db1") == ["DiskFull db2"]
        assert await names('node=~"web.*"') == ["Slow web1"]
        assert await names("--receiver=sink") == ["DiskFull db1", "DiskFull db2", "Slow web1"]
        assert await names("--receiver=nobody") == []
        await amtool("silence", "add", "--author=a", "--comment=c", "--duration=1h", "node=db1")
        assert await names() == ["DiskFull db2", "Slow web1"], "amtool leaves out what is silenced"
        assert await names("--silenced") == ["DiskFull db1"]
        assert "DiskFull on db2" in await amtool("--output=extended", "alert", "query")
        assert "bad matcher" in await amtool("alert", "query", "node~db", fails=True)


async def test_status_and_configuration_can_be_read(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, _):
        amtool = Amtool(tocsin)
        assert "- name: sink" in await amtool("config", "show")
        routes = await amtool("config", "routes", "show")
        assert "console" in routes
        assert "disabled" in await amtool("cluster", "show")


async def test_what_amtool_silences_pages_nobody_until_it_expires(tmp_path: Path) -> None:
    async with running(tmp_path) as (tocsin, sink):
        amtool = Amtool(tocsin)
        identifier = await amtool("silence", "add", "--author=a", "--comment=c", "--duration=1h", "node=~db.*")
        await amtool("alert", "add", "DiskFull", "node=db1", "severity=critical", "service=db")
        await amtool("alert", "add", "Slow", "node=web1", "severity=critical", "service=shop")

        def told() -> list[str]:
            return sorted(one["body"]["incident"]["labels"]["alertname"] for one in sink.journal)

        async def loud() -> bool:
            return told() == ["Slow"]

        await until(loud, "the page of the one that is not silenced")
        await tocsin.quiet()
        assert told() == ["Slow"]
        quiet = {one["labels"]["alertname"]: one["suppressed_by"] for one in await incidents(tocsin)}
        assert quiet == {"DiskFull": f"silence:{identifier}", "Slow": ""}
        [covered] = await amtool.json("alert", "query", "--silenced")
        assert covered["status"]["silencedBy"] == [identifier]
        await amtool("silence", "expire", identifier)

        async def announced() -> bool:
            return told() == ["DiskFull", "Slow"]

        await until(announced, "the page that was held back")
