"""The log in memory: its faults do what their names say."""

from datetime import UTC, datetime

import pytest

from tocsin.runtime.broker import Conflict, Doubt, Draft, Unavailable
from tocsin.testing.broker import Fault, MemoryBroker, SimulatedCrash
from tocsin.testing.clock import VirtualClock
from tocsin.topics import INCIDENTS, RAW

JOURNAL = INCIDENTS.name
START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
ERRORS = {
    Fault.CRASH_BEFORE: (SimulatedCrash, 0),
    Fault.CRASH_AFTER: (SimulatedCrash, 1),
    Fault.DOUBT_LOST: (Doubt, 0),
    Fault.DOUBT_WRITTEN: (Doubt, 1),
    Fault.UNAVAILABLE: (Unavailable, 0),
}


def broker(*, kafka_like: bool = False) -> MemoryBroker:
    return MemoryBroker(VirtualClock(START), kafka_like=kafka_like)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("expected", [None, 0])
async def test_a_faulty_append_takes_effect_or_not_as_the_fault_says(fault: Fault, expected: int | None) -> None:
    log = broker()
    log.fault = lambda *_: fault
    error, end = ERRORS[fault]
    with pytest.raises(error, match=fault.value):
        await log.append(JOURNAL, 0, [Draft(None, b"a")], expected)
    assert await log.end(JOURNAL, 0) == end


@pytest.mark.parametrize("fault", Fault)
async def test_a_faulty_commit_takes_effect_or_not_and_knows_no_doubt(fault: Fault) -> None:
    log = broker()
    log.fault = lambda *_: fault
    error, written = ERRORS[fault]
    with pytest.raises(ValueError if error is Doubt else error):
        await log.commit("g", {(RAW.name, 0): (7, "")})
    assert await log.committed("g", RAW.name, 0) == ((7, "") if written and error is not Doubt else None)


async def test_the_chooser_of_faults_is_told_what_is_done_where() -> None:
    log = broker()
    asked: list[tuple[str, str, int]] = []
    log.fault = lambda *what: asked.append(what)
    await log.append(JOURNAL, 0, [Draft(None, b"a")])
    await log.read(JOURNAL, 0, 0)
    await log.commit("g", {(RAW.name, 0): (1, "")})
    await log.commit("g", {})
    assert asked == [("append", JOURNAL, 0), ("commit", RAW.name, 0)]


async def test_a_crash_passes_every_except_exception() -> None:
    assert not issubclass(SimulatedCrash, Exception)


@pytest.mark.parametrize(("kafka_like", "end"), [(False, 1), (True, 2)])
async def test_only_like_kafka_a_conflicting_batch_lies_in_the_log(kafka_like: bool, end: int) -> None:
    log = broker(kafka_like=kafka_like)
    await log.append(JOURNAL, 0, [Draft(None, b"a")], 0)
    with pytest.raises(Conflict):
        await log.append(JOURNAL, 0, [Draft(None, b"b")], 0)
    assert await log.end(JOURNAL, 0) == end


async def test_two_runs_give_the_same_incarnations() -> None:
    first, second = broker(), broker()
    assert await first.incarnation(RAW.name) == await second.incarnation(RAW.name)
