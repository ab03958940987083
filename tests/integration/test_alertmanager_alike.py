"""The same requests to a real Alertmanager and to tocsin: the same statuses, the same JSON but for ids and clocks."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.monitors import alertmanager
from integration.running import running
from integration.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SILENT = {
    "route": {"receiver": "console", "group_by": ["alertname"]},
    "receivers": [{"name": "console"}, {"name": "sink"}],
}
"""Nobody is told, and groups are made as tocsin is told to make them."""
NOBODY = "6f6ee1ba-5a2b-4d5c-8f5c-2f3b3a1d9a55"
HOUR = timedelta(hours=1)
OURS_ONLY = frozenset({"mutedBy"})
"""Fields that the Alertmanager of Debian does not know yet."""


def silence(begin: timedelta = timedelta(0), end: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "matchers": [{"name": "host", "value": "db.*", "isRegex": True, "isEqual": True}],
        "startsAt": (now + begin).isoformat(),
        "endsAt": (now + end).isoformat(),
        "createdBy": "ana",
        "comment": "new disks",
        **more,
    }


class Side:
    """One of the two, and the ids that it has given."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20)
        self.names: dict[str, str] = {}

    async def add(self, name: str, document: dict[str, Any], replaces: str = "") -> int:
        body = {**document, "id": self.names[replaces]} if replaces else document
        answer = await self.http.post("/api/v2/silences", json=body)
        if answer.status_code == 200:
            self.names[name] = answer.json()["silenceID"]
        return answer.status_code

    async def expire(self, name: str) -> int:
        return (await self.http.delete(f"/api/v2/silence/{self.names.get(name, name)}")).status_code

    async def get(self, path: str, **parameters: Any) -> tuple[int, Any]:
        answer = await self.http.get(f"/api/v2/{path}", params=parameters)
        content = answer.json() if answer.content else None
        return answer.status_code, self.plain(content) if answer.status_code == 200 else type(content).__name__

    def plain(self, content: Any) -> Any:
        """`content` with the names of silences for their ids, and without what is a clock's or an address."""
        names = {identifier: name for name, identifier in self.names.items()}
        if isinstance(content, dict):
            shown = {name: self.plain(value) for name, value in content.items() if name not in OURS_ONLY}
            return {name: "at" if name.endswith("At") else value for name, value in shown.items()}
        if isinstance(content, list):
            return [self.plain(one) for one in content]
        return names.get(content, content) if isinstance(content, str) else content


class Both:
    """Each request goes to the two; what comes back has to be the same."""

    def __init__(self, theirs: Side, ours: Side) -> None:
        self.theirs = theirs
        self.ours = ours

    async def add(self, name: str, document: dict[str, Any], replaces: str = "") -> int:
        theirs = await self.theirs.add(name, document, replaces)
        assert await self.ours.add(name, document, replaces) == theirs, document
        for one, other in ((name, replaces), (replaces, name)):
            if one and other:
                same = [side.names.get(one) == side.names.get(other) for side in (self.theirs, self.ours)]
                assert same[0] == same[1], f"{name} over {replaces}: the same id or not"
        return theirs

    async def expire(self, name: str) -> int:
        theirs = await self.theirs.expire(name)
        assert await self.ours.expire(name) == theirs, name
        return theirs

    async def get(self, path: str, **parameters: Any) -> Any:
        theirs = await self.theirs.get(path, **parameters)
        ours = await self.ours.get(path, **parameters)
        assert ours == theirs, f"{path} {parameters}\nours   {json.dumps(ours)}\ntheirs {json.dumps(theirs)}"
        return theirs[1]


@pytest.fixture
async def both(tmp_path: Path) -> Any:
    rule = {"correlate": {"rules": [{"name": "default", "group_by": ["alertname"]}]}}
    async with (
        running(tmp_path / "tocsin", notify={"routes": []}, **rule) as (tocsin, _),
        alertmanager(tmp_path, SILENT) as url,
    ):
        theirs, ours = Side(url), Side(tocsin.url)
        yield Both(theirs, ours)
        await theirs.http.aclose()
        await ours.http.aclose()


async def test_silences_live_the_same_lives(both: Both) -> None:
    assert await both.get("silences") == []
    await both.add("first", silence())
    await both.add("later", silence(HOUR, 2 * HOUR))
    await both.add("past", silence(-HOUR, 3 * HOUR))
    assert len(await both.get("silences")) == 3
    for side in (both.theirs, both.ours):  # what one reads back and posts with another end
        found = (await side.http.get(f"/api/v2/silence/{side.names['first']}")).json()
        found["endsAt"] = (datetime.now(UTC) + 5 * HOUR).isoformat()
        assert (await side.http.post("/api/v2/silences", json=found)).json() == {"silenceID": side.names["first"]}
    await both.get("silences")
    web = [{"name": "host", "value": "web1", "isRegex": False, "isEqual": True}]
    await both.add("web", silence(matchers=web), replaces="first")
    await both.add("sooner", silence(2 * HOUR, 3 * HOUR), replaces="later")
    await both.add("begun", silence(), replaces="sooner")
    found = await both.get("silences")
    assert {one["id"]: one["status"]["state"] for one in found}["first"] == "expired"
    assert await both.expire("web") == 200
    await both.add("again", silence(matchers=web), replaces="web")
    await both.get("silences")
    for text in ('host=~"db.*"', "host=web1", 'host="db.*"', "host!=web1", "alertname=x", 'host=""'):
        await both.get("silences", filter=text)
    await both.get("silences", filter=['host=~"db.*"', "host=web1"])
    await both.get(f"silence/{NOBODY}")


@pytest.mark.parametrize(
    "change",
    [
        {"matchers": []},
        {"matchers": [{"name": "a", "value": "(", "isRegex": True, "isEqual": True}]},
        {"matchers": [{"name": "a", "value": ".*", "isRegex": True, "isEqual": True}]},
        {"matchers": [{"name": "a", "value": "", "isRegex": False, "isEqual": True}]},
        {"matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": False}]},
        {"matchers": [{"name": "", "value": "b", "isRegex": False, "isEqual": True}]},
        {"matchers": [{"name": "a", "value": "b", "isRegex": False}]},
        {"endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-01-01T00:00:00Z"},
        {"startsAt": "2120-01-01T00:00:00Z"},
        {"id": NOBODY},
    ],
    ids=str,
)
async def test_what_is_no_silence_is_refused_alike(both: Both, change: dict[str, Any]) -> None:
    await both.add("one", {**silence(), **change})
    await both.get("silences")


async def test_alerts_are_listed_alike(both: Both) -> None:
    now = datetime.now(UTC)
    alerts = [
        {
            "labels": {"alertname": name, "host": host, "severity": "critical"},
            "annotations": {"summary": f"{name} on {host}"},
            "startsAt": (now - timedelta(minutes=2)).isoformat(),
            "endsAt": (now + HOUR).isoformat(),
            "generatorURL": f"http://prometheus.example/{host}",
        }
        for name, host in (("DiskFull", "db1"), ("DiskFull", "db2"), ("Slow", "web1"))
    ]
    for side in (both.theirs, both.ours):
        assert (await side.http.post("/api/v2/alerts", json=alerts)).status_code == 200
    await both.add("db1", silence(matchers=[{"name": "host", "value": "db1", "isRegex": False, "isEqual": True}]))

    async def alike() -> bool:
        """Alertmanager takes a moment to see what is silenced."""
        return await both.ours.get("alerts") == await both.theirs.get("alerts")

    await until(alike, "the same alerts")
    found = await both.get("alerts")
    assert [one["status"]["state"] for one in found].count("suppressed") == 1
    for parameters in (
        {"silenced": "false"},
        {"active": "false"},
        {"inhibited": "false"},
        {"unprocessed": "false"},
        {"filter": "alertname=DiskFull"},
        {"filter": ["alertname=DiskFull", 'host!~"db1|x"']},
        {"filter": "nothing=there"},
        {"filter": 'nothing=""'},
        {"filter": "a~b"},
        {"receiver": "con.*"},
        {"receiver": "con"},
        {"receiver": "("},
    ):
        await both.get("alerts", **parameters)
        await both.get("alerts/groups", **parameters)
    await both.get("receivers")
