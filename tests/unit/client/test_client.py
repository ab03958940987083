"""What a subscriber gets: exactly the records that count, whichever client reads them."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.client import EventRecord, Events, ReadError, counted, counted_async, counts
from tocsin.domain.errors import Reject
from tocsin.wire import examples
from tocsin.wire.events import encode, source_of, stamp

TOPIC = "incidents.events.v1"
NOTED = examples.EVENTS["incident.noted"]


@dataclass
class Plain:
    """A record as aiokafka and kafka-python give it."""

    offset: int
    headers: Any
    key: bytes | None = b"inc"
    value: Any = b"{}"
    topic: str = TOPIC
    partition: int = 3


class Message:
    """A record as confluent-kafka gives it."""

    def __init__(self, plain: Plain, error: Any = None) -> None:
        self._plain = plain
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return lambda: getattr(self._plain, name)

    def error(self) -> Any:
        return self._error


class Trouble:
    def __init__(self, code: int) -> None:
        self._code = code

    def code(self) -> int:
        return self._code

    def __str__(self) -> str:
        return "Broker: Topic authorization failed"


class Consumer:
    """Polls what it was made with, then nothing."""

    def __init__(self, *messages: Any) -> None:
        self._left: Iterator[Any] = iter(messages)

    def poll(self, timeout: float) -> Any:
        return next(self._left, None)


def record(offset: int, expected: int | None = None) -> Plain:
    """A note at `offset`, expected there or elsewhere."""
    encoded = encode(NOTED)
    place = {"source": source_of("tocsin", TOPIC, 3), "journal": TOPIC, "partition": 3, "claim": 0}
    headers = stamp(encoded, offset=offset if expected is None else expected, **place)  # type: ignore[arg-type]
    return Plain(offset, headers, encoded.key, encoded.value)


MIXED = [record(0), record(1, 0), record(2), Plain(3, ()), Plain(4, None), record(5, 6), record(6)]
KEPT = [0, 2, 6]


def test_only_what_counts_comes_out() -> None:
    assert [event.offset for event in counted(MIXED)] == KEPT
    polled = counted(Consumer(*map(Message, MIXED)), forever=False)
    assert [event.offset for event in polled] == KEPT


async def test_only_what_counts_comes_out_of_an_asynchronous_consumer() -> None:
    async def consumer() -> AsyncIterator[Plain]:
        for one in MIXED:
            yield one

    assert [event.offset async for event in counted_async(consumer())] == KEPT
    with pytest.raises(TypeError, match="use counted_async"):
        next(counted(consumer()))  # type: ignore[arg-type]


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 30))
def test_a_reader_may_start_anywhere(stale: list[bool], start: int) -> None:
    log = [record(offset, offset + 1 if wrong else offset) for offset, wrong in enumerate(stale)]
    whole = [event.offset for event in counted(log)]
    assert whole == [offset for offset, wrong in enumerate(stale) if not wrong]
    assert [event.offset for event in counted(log[start:])] == [offset for offset in whole if offset >= start]


def test_what_was_dropped_is_counted() -> None:
    events = Events()
    list(counted(MIXED, events=events))
    assert (events.passed, events.dropped) == (3, 4)


def test_a_record_says_what_it_is() -> None:
    [event] = counted([record(7)])
    assert (event.topic, event.partition, event.offset) == (TOPIC, 3, 7)
    assert event.type == "incident.noted"
    assert event.id == f"{NOTED.incident_id}.{NOTED.version}"  # type: ignore[attr-defined]
    assert event.subject == NOTED.incident_id  # type: ignore[attr-defined]
    assert event.source == f"/tocsin/{TOPIC}/3"
    assert event.time.endswith("Z")
    assert event.cause == NOTED.cause
    assert event.document()["note"] == NOTED.note  # type: ignore[attr-defined]
    assert event.event() == NOTED
    assert event.header("traceparent") == ""


def test_an_event_of_a_newer_tocsin_can_be_passed_over() -> None:
    [event] = counted([record(0)])
    newer = msgspec.structs.replace(event, headers=(("ce_type", b"tocsin.incident.split.v1"),))
    assert newer.type == "incident.split"
    with pytest.raises(Reject, match=r"incident\.split"):
        newer.event()


def test_headers_without_a_value_are_left_out() -> None:
    [event] = counted([Plain(0, [("x", None), *record(0).headers])])
    assert event.header("x") == ""
    assert counts(event.headers, 0)


def test_the_end_of_a_partition_is_no_error_and_others_are_told() -> None:
    end = Message(Plain(0, None), Trouble(-191))
    assert [event.offset for event in counted(Consumer(end, Message(record(0))), forever=False)] == [0]
    with pytest.raises(ReadError, match="authorization failed"):
        list(counted(Consumer(Message(Plain(0, None), Trouble(29))), forever=False))


@pytest.mark.parametrize("given", [object(), {"offset": 1}, None])
def test_what_is_no_record_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match="is no record of a Kafka client"):
        list(counted([given]))


def test_a_deserializer_is_named_as_the_mistake() -> None:
    with pytest.raises(TypeError, match="leave out the consumer's deserializer"):
        list(counted([Plain(0, (), value={"a": 1})]))


def test_an_event_record_goes_through_again() -> None:
    [event] = counted([record(0)])
    assert isinstance(event, EventRecord)
    assert list(counted([event])) == [event]


def test_it_needs_nothing_but_msgspec() -> None:
    code = "import sys; import tocsin.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names
    ours = {name for name in loaded if not name.startswith("_")}
    assert ours <= {"tocsin", "msgspec", "typing_extensions"}, "typing_extensions: msgspec looks for it"
    assert "asyncio" not in done.stdout.split()
