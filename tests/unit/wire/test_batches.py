"""Normalized batches, positions and commands: what is written is what is read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.alert import AlertBody, AlertStatus, Episode, RawMark, Sighting
from tocsin.domain.command import VERBS, Command
from tocsin.domain.errors import Reject
from tocsin.domain.instant import from_ms, from_us
from tocsin.domain.severity import Severity
from tocsin.wire.command import decode_command, encode_command
from tocsin.wire.examples.story import at
from tocsin.wire.normalized import BODY_BYTES_MAX, LAYOUT, Batch, body_of, decode_batch, encode_batches, encode_body
from tocsin.wire.position import Position, decode_position, encode_position, record_fingerprint

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
instants = st.integers(0, 4_000_000_000_000_000).map(from_us)
bodies = st.builds(
    AlertBody,
    title=texts,
    severity=st.sampled_from(Severity),
    service=texts,
    labels=st.dictionaries(texts, texts, max_size=4),
    group_labels=st.none() | st.dictionaries(texts, texts, max_size=2),
    cut=st.lists(texts, max_size=2).map(tuple),
)
sightings = st.builds(
    Sighting,
    raw_topic=st.just("alerts.raw.v1"),
    raw_partition=st.just(3),
    incarnation=st.just("9f2c"),
    offset=st.integers(0, 2**62),
    index=st.integers(0, 10_000),
    received_at=st.integers(0, 4_000_000_000_000).map(from_ms),
    fingerprint=st.sampled_from(["aa", "bb", "cc"]),
    status=st.sampled_from(AlertStatus),
    episode=st.sampled_from(Episode),
    starts_at=st.none() | instants,
    expires_at=st.none() | instants,
    partition_key=texts,
    correlation_id=texts,
    actor=texts,
    body=st.just(b"") | bodies.map(encode_body),
)


def sighting(fingerprint: str, body: bytes) -> Sighting:
    return Sighting(
        raw_topic="alerts.raw.v1",
        raw_partition=0,
        incarnation="9f2c",
        offset=1,
        index=0,
        received_at=at(0),
        fingerprint=fingerprint,
        status=AlertStatus.FIRING,
        episode=Episode.WINDOW,
        body=body,
    )


@given(st.lists(sightings, max_size=20))
def test_rows_come_back_in_order(given_rows: list[Sighting]) -> None:
    values = list(encode_batches(given_rows))
    assert [row for value in values for row in decode_batch(value)] == given_rows
    assert len(values) == (1 if given_rows else 0)


@given(bodies)
def test_a_body_comes_back(body: AlertBody) -> None:
    assert body_of(sighting("aa", encode_body(body))) == body


def test_a_body_travels_once_per_fingerprint_and_batch() -> None:
    body = encode_body(AlertBody(title="disk full"))
    (value,) = encode_batches([sighting("aa", body)] * 50 + [sighting("bb", body)])
    assert len(msgspec.msgpack.decode(value, type=Batch).statements) == 2


def test_an_alert_that_changed_its_text_travels_with_both() -> None:
    old, new = (encode_body(AlertBody(title=title)) for title in ("80 %", "90 %"))
    (value,) = encode_batches([sighting("aa", old), sighting("aa", new), sighting("aa", old)])
    assert [body_of(row).title for row in decode_batch(value)] == ["80 %", "90 %", "80 %"]


def test_batches_are_cut_below_the_limit() -> None:
    bytes_max = 256 * 1024
    rows = [sighting(f"{number:032x}", b"x" * BODY_BYTES_MAX) for number in range(20)]
    rows += [sighting("f" * 32, b"") for _ in range(3000)]
    values = list(encode_batches(rows, bytes_max))
    assert len(values) > 5
    assert max(map(len, values)) <= bytes_max
    assert [row for value in values for row in decode_batch(value)] == rows


NO_BATCHES = [
    b"",
    b"\xc1",
    b"{}",
    msgspec.msgpack.encode([LAYOUT, "a", 0, "9f2c", [[1]], []]),
    msgspec.msgpack.encode([LAYOUT, "a", 0, "9f2c", [[1, 0, 0, 0, None]], []]),
    msgspec.msgpack.encode([LAYOUT, "a", 0, "9f2c", [[1, 0, 2**62, 0, None]], []]),
    msgspec.msgpack.encode([LAYOUT - 1, "a", 0, "9f2c", [], []]),
]


@pytest.mark.parametrize("value", NO_BATCHES)
def test_what_is_no_batch_is_an_error(value: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_batch(value)


marks = st.builds(RawMark, texts, st.integers(0, 2**62), st.integers(0, 10_000), instants)
positions = st.builds(
    Position,
    sources=st.dictionaries(texts, st.tuples(st.integers(0, 2**62), texts), max_size=4),
    raw=st.dictionaries(texts, marks, max_size=4),
)


@given(positions)
def test_a_position_comes_back(position: Position) -> None:
    assert decode_position(encode_position(position)) == position


def test_a_position_says_only_what_changed() -> None:
    assert encode_position(Position()) == b"{}"
    assert encode_position(Position(sources={"a/0": (7, "ff")})) == b'{"sources":{"a/0":[7,"ff"]}}'


def test_a_record_is_recognised_by_key_and_value() -> None:
    records = [
        (None, None),
        (None, b""),
        (b"", None),
        (b"", b""),
        (b"a", b"b"),
        (b"ab", b""),
        (b"", b"ab"),
        (None, b"ab"),
    ]
    found = [record_fingerprint(key, value) for key, value in records]
    assert len(set(found)) == len(records)
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in found)
    assert found == [record_fingerprint(key, value) for key, value in records]


commands = st.builds(
    Command,
    command_id=texts.filter(bool),
    verb=st.sampled_from(VERBS),
    incident=texts,
    reason=texts,
    actor=texts,
    arguments=st.dictionaries(texts, texts | st.booleans() | st.integers(-(2**53), 2**53), max_size=3),
)


@given(commands)
def test_a_command_comes_back(command: Command) -> None:
    key, value = encode_command(command)
    assert decode_command(value) == command
    assert key == (command.incident or command.command_id).encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"verb":"note"}',
        b'{"command_id":7,"verb":"note"}',
        b'{"command_id":"\xff","verb":"note"}',
        b'{"command_id":"\\ud800","verb":"note"}',
        b'{"command_id":"c","verb":"note","arguments":{"text":' + b"[" * 100_000,
    ],
    ids=range(10),
)
def test_what_is_no_command_is_rejected(value: bytes | None) -> None:
    with pytest.raises(Reject) as caught:
        decode_command(value)
    assert caught.value.word == "bad_command"
