"""The public incidents: how soon, how often, how long, and what somebody else wrote among them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tocsin.domain.header import IncidentHeader
from tocsin.runtime.broker import Draft
from tocsin.runtime.pace import Pace
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.driver import Driver
from tocsin.topics import COMMANDS, INCIDENTS, RAW, STATE
from tocsin.wire.events import counts
from tocsin.wire.record import Record
from tocsin.wire.state import AS_OF, SHOWN, IncidentState, decode_state

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Log:
    """A log in memory and a driver on it."""

    def __init__(self, *, kafka_like: bool = False, look: float = 60.0) -> None:
        self.clock = VirtualClock(START)
        self.broker = MemoryBroker(self.clock, kafka_like=kafka_like)
        self.driver = Driver(self.broker, self.clock, pace=Pace(look=look))

    async def alert(self, name: str = "Disk", **fields: object) -> None:
        value = {"title": "x", "labels": {"alertname": name}, "service": name, **fields}
        await self.driver.publish(RAW.name, 0, [Draft(None, msgspec.json.encode(value))])
        await self.driver.settle()

    async def records(self) -> Sequence[Record]:
        return await self.broker.read(STATE.name, 0, 0, records_max=10_000)

    async def shown(self) -> dict[str, IncidentState | None]:
        """The newest of each key."""
        newest = {(one.key or b"").decode(): one.value for one in await self.records()}
        return {key: None if value is None else decode_state(value) for key, value in newest.items()}

    async def command(self, verb: str, header: IncidentHeader | IncidentState) -> None:
        value = {"command_id": f"cmd-{verb}", "verb": verb, "incident": header.id, "actor": "ada"}
        await self.driver.publish(COMMANDS.name, 0, [Draft(None, msgspec.json.encode(value))])
        await self.driver.settle()

    async def only(self) -> IncidentState:
        (one,) = (await self.shown()).values()
        assert one is not None
        return one


@pytest.fixture(params=[False, True], ids=["refusing", "kafka-like"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    log = Log(kafka_like=request.param)
    await log.driver.start()
    yield log
    if log.driver.running:
        await log.driver.crash()


async def test_a_new_incident_is_public_within_a_second(log: Log) -> None:
    await log.alert()
    assert await log.shown() == {}
    await log.driver.advance(1.1)
    assert (await log.only()).status == "open"


async def test_all_changes_of_a_second_are_one_record(log: Log) -> None:
    await log.alert()
    await log.driver.advance(1.1)
    incident = await log.only()
    for verb in ("acknowledge", "investigate", "mitigate"):
        await log.command(verb, incident)
    await log.driver.advance(1.1)
    assert [decode_state(one.value or b"").status for one in await log.records()] == ["open", "mitigated"]


async def test_counts_alone_wait_longer(log: Log) -> None:
    await log.alert()
    await log.driver.advance(2)
    await log.alert()
    await log.driver.advance(20)
    assert (await log.only()).occurrences == 1
    await log.driver.advance(15)
    assert (await log.only()).occurrences == 2


async def test_a_record_says_up_to_where_it_holds(log: Log) -> None:
    await log.alert("A")
    await log.driver.advance(1.1)
    await log.alert("B")
    await log.driver.advance(1.1)
    for record in await log.records():
        as_of, shown = int(record.header(AS_OF) or b""), int(record.header(SHOWN) or b"")
        assert shown <= as_of <= await log.broker.end(INCIDENTS.name, 0)
        events = await log.broker.read(INCIDENTS.name, 0, 0, records_max=as_of)
        versions = [one for one in events if one.key == record.key and one.offset < as_of]
        assert decode_state(record.value or b"").version == len(versions)
        assert counts(record.headers, record.offset)


async def test_a_retired_incident_leaves_a_tombstone() -> None:
    log = Log(look=3600.0)
    await log.driver.start()
    await log.alert("A", status="firing")
    await log.driver.advance(2)
    incident = await log.only()
    await log.command("close", incident)
    await log.driver.advance(timedelta(days=6, hours=23))
    assert (await log.only()).status == "closed"
    await log.driver.advance(timedelta(hours=2))
    assert await log.shown() == {incident.id: None}


async def test_what_was_not_shown_before_a_crash_is_shown_by_the_next(log: Log) -> None:
    await log.alert("A")
    await log.driver.advance(1.1)
    await log.alert("B")
    await log.driver.crash()
    await log.driver.start()
    await log.driver.advance(1.1)
    assert sorted(one.service for one in (await log.shown()).values() if one) == ["A", "B"]
    assert len(await log.records()) == 2


async def test_what_somebody_else_wrote_is_shown_anew_within_a_minute(log: Log) -> None:
    await log.alert("A")
    await log.driver.advance(1.1)
    incident = await log.only()
    await log.broker.append(STATE.name, 0, [Draft(incident.id.encode(), None), Draft(b"inc_aanobody", b"{}")])
    await log.driver.advance(61)
    assert await log.shown() == {incident.id: incident, "inc_aanobody": None}


async def test_what_somebody_else_wrote_at_the_same_time_is_shown_anew(log: Log) -> None:
    await log.alert("A")
    await log.driver.advance(1.1)
    incident = await log.only()
    await log.broker.append(STATE.name, 0, [Draft(incident.id.encode(), b'{"id": "wrong"}')])
    await log.alert("B")
    await log.driver.advance(3)
    shown = await log.shown()
    assert shown[incident.id] == incident
    assert len(shown) == 2
    newest = {record.key: record for record in await log.records()}
    assert all(counts(record.headers, record.offset) for record in newest.values())


@pytest.mark.parametrize("fault", [Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN, Fault.UNAVAILABLE])
async def test_a_doubtful_append_is_looked_at_and_not_doubled(log: Log, fault: Fault) -> None:
    left = [fault]
    log.broker.fault = lambda op, topic, partition: left.pop() if topic == STATE.name and left else None
    await log.alert("A")
    await log.driver.advance(3)
    assert left == []
    assert len(await log.records()) == 1


async def test_everything_is_shown_again_when_the_topic_was_emptied(log: Log) -> None:
    for name in "ABC":
        await log.alert(name)
    await log.driver.advance(1.1)
    assert len(await log.shown()) == 3
    await log.broker.trim(STATE.name, 0, await log.broker.end(STATE.name, 0))
    await log.driver.advance(61)
    assert sorted(one.service for one in (await log.shown()).values() if one) == ["A", "B", "C"]


async def test_a_record_of_a_writer_that_had_not_noticed_hides_nothing_from_the_next(log: Log) -> None:
    for name in "ABC":
        await log.alert(name)
    await log.driver.advance(1.1)
    await log.broker.trim(STATE.name, 0, await log.broker.end(STATE.name, 0))
    await log.alert("D")
    await log.driver.advance(1.1)
    assert len(await log.shown()) == 1
    await log.driver.crash()
    await log.driver.start()
    await log.driver.advance(5)
    assert sorted(one.service for one in (await log.shown()).values() if one) == ["A", "B", "C", "D"]
