"""Who watches over tocsin: each on a whole node with the log in memory and the event log in a file."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from integration.running import Sink
from tocsin.domain.rules import Expected, LabelMatch, Rules, User
from tocsin.notify.channel import Sent
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.beacon import Beacon
from tocsin.runtime.canary import Canary
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.expecting import Expecting, native_headers
from tocsin.runtime.node import GROUPS, Node
from tocsin.runtime.vigil import Vigil
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker
from tocsin.topics import RAW
from tocsin.wire.record import Draft

PARTITIONS = 2
WITHIN = timedelta(seconds=1)


class Outbox:
    """A channel that delivers at once."""

    name = kind = "console"
    in_flight_max = 8
    timeout_seconds = 5.0

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        return Sent("delivered")

    async def close(self) -> None:
        """Nothing to give back."""


@asynccontextmanager
async def watched(
    directory: Path, *vigils: Vigil, rules: Rules | None = None, groups: Sequence[str] = GROUPS
) -> AsyncIterator[Node]:
    clock = SystemClock()
    event_log = EventLog.open(directory / "events.sqlite3", holder="test")
    node = Node(
        broker=MemoryBroker(partitions=PARTITIONS, clock=clock),
        clock=clock,
        instance="test",
        rules=rules or Rules(),
        event_log=event_log,
        channels={"console": Outbox()},
        partitions=PARTITIONS,
        groups=groups,
        vigils=vigils,
    )
    await node.start()
    try:
        yield node
    finally:
        await node.stop(2.0)
        event_log.close()


async def until(look: Callable[[], Any]) -> Any:
    """What `look` gives, as soon as it is true."""
    async with asyncio.timeout(50):
        while not (found := look()):  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.005)
    return found


def metric(node: Node, line: str) -> float:
    """The value of one line of the exposition; 0 where it is not there."""
    lines = node.metrics.exposition().decode().splitlines()
    return next((float(one.rpartition(" ")[2]) for one in lines if one.startswith(line + " ")), 0.0)


def items(node: Node) -> list[dict[str, Any]]:
    assert node.event_log is not None
    return node.event_log.queries.incidents(limit=50).items


async def test_canaries_are_timed_up_to_the_event_log_and_open_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path, Canary(0.01)) as node:
        await until(lambda: metric(node, 'tocsin_canary_seconds_count{step="event_log"}') >= 5)
        assert metric(node, 'tocsin_canary_seconds_count{step="journal"}') >= 5
        assert metric(node, 'tocsin_canary_failures_total{kind="alert"}') == 0
        assert items(node) == []
        assert node.health().problems == []


async def test_a_test_page_is_timed_up_to_its_delivery(tmp_path: Path) -> None:
    rules = Rules(users={"canary": User(channels=("console",))})
    async with watched(tmp_path, Canary(0.01, "user:canary", 3600.0), rules=rules) as node:
        await until(lambda: metric(node, 'tocsin_canary_seconds_count{step="delivery"}') == 1)
        assert metric(node, 'tocsin_canary_failures_total{kind="page"}') == 0


async def test_a_canary_that_does_not_come_through_is_a_problem(tmp_path: Path) -> None:
    async with watched(tmp_path, Canary(0.01, timeout=0.05), groups=("ingest", "persist")) as node:
        (line,) = await until(lambda: [one for one in node.health().problems if "canary" in one])
        assert "did not have it within 0.05 s" in line
        assert metric(node, 'tocsin_canary_failures_total{kind="alert"}') >= 1


async def sees(node: Node, *, status: str = "firing") -> None:
    """The alert that has to come, comes."""
    alert = {"title": "Watchdog", "status": status, "severity": "info", "labels": {"alertname": "Watchdog"}}
    await node.publish(RAW.name, 1, [Draft(None, orjson.dumps(alert), native_headers())])


def alarms(node: Node, status: str) -> list[dict[str, Any]]:
    assert node.event_log is not None
    page = node.event_log.queries.alerts(status=status, q="ExpectedAlertMissing")
    return page.items


async def test_an_alert_that_has_to_come_and_stays_away_is_an_incident_until_it_is_back(tmp_path: Path) -> None:
    rule = Expected(
        matchers=(LabelMatch(name="alertname", value="Watchdog"),), within=WITHIN, description="Look at it."
    )
    async with watched(tmp_path, Expecting(0.02), rules=Rules(expected={"dog": rule})) as node:
        (alarm,) = await until(lambda: alarms(node, "firing"))
        assert alarm["severity"] == "critical"
        (incident,) = items(node)
        assert (incident["title"], incident["service"]) == ("The expected alert dog stays away", "monitoring")
        while not alarms(node, "resolved"):
            await sees(node)
            await asyncio.sleep(0.05)
        watchdog = await until(lambda: next((one for one in items(node) if one["title"] == "Watchdog"), None))
        assert watchdog["suppressed_by"] == "expected:dog", "it only says that its source is alive"
        assert len(alarms(node, "resolved")) == 1
        (again,) = await until(lambda: alarms(node, "firing"))
        assert again["fingerprint"] == alarm["fingerprint"]


async def test_who_comes_in_time_is_no_alarm_and_a_rule_that_is_deleted_takes_its_alarm_back(tmp_path: Path) -> None:
    documents = {
        "expected/dog": {"matchers": [{"name": "alertname", "value": "Watchdog"}], "within": "PT5M"},
        "expected/late": {"matchers": [{"name": "alertname", "value": "Nobody"}], "within": "PT1S"},
    }
    async with watched(tmp_path, Expecting(0.02)) as node:
        await sees(node)
        await node.change_settings(documents, actor="test")
        assert node.rules.expected["late"].within == WITHIN
        (alarm,) = await until(lambda: alarms(node, "firing"))
        assert "late" in alarm["title"]
        await node.change_settings({"expected/late": None}, actor="test")
        await until(lambda: alarms(node, "resolved"))
        assert alarms(node, "firing") == []


async def test_the_heartbeat_goes_out_while_all_is_well_and_only_then(tmp_path: Path) -> None:
    async with Sink() as sink, watched(tmp_path, Beacon(sink.url, 0.02)) as node:
        await until(lambda: metric(node, 'tocsin_outbound_heartbeats_total{outcome="sent"}') >= 3)
        node._world.problems.put("test", "something is wrong")
        await until(lambda: metric(node, 'tocsin_outbound_heartbeats_total{outcome="withheld"}') >= 3)
        sent = metric(node, 'tocsin_outbound_heartbeats_total{outcome="sent"}')
        await until(lambda: metric(node, 'tocsin_outbound_heartbeats_total{outcome="withheld"}') >= 6)
        assert metric(node, 'tocsin_outbound_heartbeats_total{outcome="sent"}') == sent
        node._world.problems.drop("test")
        await until(lambda: metric(node, 'tocsin_outbound_heartbeats_total{outcome="sent"}') > sent)


async def test_a_heartbeat_that_nobody_takes_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watched(tmp_path, Beacon("http://127.0.0.1:1/secret-path", 0.02)) as node:
        await until(lambda: metric(node, 'tocsin_outbound_heartbeats_total{outcome="failed"}') >= 2)
        assert node.health().ready
    assert "secret-path" not in caplog.text
