"""Events of the log: what is written is what is read, and a record counts only where it was expected."""

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant, from_us
from tocsin.wire import examples
from tocsin.wire.events import (
    EVENT_BYTES_MAX,
    counts,
    decode,
    decode_value,
    encode,
    header,
    rfc3339,
    source_of,
    stamp,
    type_of,
)
from tocsin.wire.examples.story import COMMAND_ID, HEADER, INCIDENT, at
from tocsin.wire.record import Headers

instants = st.integers(0, 4_000_000_000_000_000).map(from_us)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
tallies = st.builds(ev.Tally, texts, st.integers(1, 10**9), instants, instants, st.none() | instants)
tallied = st.builds(
    ev.Tallied, recorded_at=instants, cause=texts, reason=texts, tallies=st.lists(tallies, max_size=8).map(tuple)
)
noted = st.builds(
    ev.Noted,
    recorded_at=instants,
    incident_id=st.just(INCIDENT),
    version=st.integers(1, 10**6),
    header=st.just(HEADER),
    actor=texts,
    note=texts,
)
planned = st.builds(
    ev.DeliveryPlanned,
    recorded_at=instants,
    delivery_id=texts,
    n=st.integers(1, 99),
    incident_id=texts,
    channel=texts,
    step=texts,
    recipient=texts,
    contacts=st.dictionaries(texts, st.lists(texts, max_size=3).map(tuple), max_size=3),
    send_due_at=instants,
    context=st.dictionaries(texts, texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none(), max_size=4),
)


def stamped(event: ev.Event, offset: int = 7, claim: int = 3) -> Headers:
    source = source_of("tocsin", "incidents.events.v1", 2)
    return stamp(encode(event), source=source, journal="incidents.events.v1", partition=2, offset=offset, claim=claim)


@given(tallied | noted | planned)
def test_what_is_written_is_what_is_read(event: ev.Event) -> None:
    assert decode(stamped(event), encode(event).value) == event


@given(tallied | noted)
def test_encoding_again_gives_the_same_bytes(event: ev.Event) -> None:
    value = encode(event).value
    assert encode(decode(stamped(event), value)).value == value


@pytest.mark.parametrize("name", sorted(ev.BY_TYPE))
def test_every_type_comes_back(name: str) -> None:
    event = examples.EVENTS[name]
    headers = stamped(event)
    assert type_of(headers) == name
    assert decode(headers, encode(event).value) == event == decode_value(name, encode(event).value)


def test_the_value_has_no_type_tag_and_no_defaults() -> None:
    event = ev.Positioned(recorded_at=at(0))
    assert msgspec.json.decode(encode(event).value) == {
        "recorded_at": "2026-11-21T03:12:07.25Z"
    } or msgspec.json.decode(encode(event).value) == {"recorded_at": "2026-11-21T03:12:07.250000Z"}


def test_the_headers_of_an_incident_event() -> None:
    headers = dict(stamped(examples.EVENTS["incident.acknowledged"], offset=4117, claim=12))
    assert headers == {
        "ce_id": f"{INCIDENT}.11".encode(),
        "ce_source": b"/tocsin/incidents.events.v1/2",
        "ce_specversion": b"1.0",
        "ce_type": b"tocsin.incident.acknowledged.v1",
        "ce_time": b"2026-11-21T03:18:39.250000Z",
        "ce_sequence": b"00000000000000004117",
        "tocsin_claim": b"00000000000000000012",
        "content-type": b"application/json",
        "ce_subject": INCIDENT.encode(),
        "ce_causationid": COMMAND_ID.encode(),
    }


def test_an_event_of_the_journal_itself_is_named_by_its_place() -> None:
    headers = dict(stamped(examples.EVENTS["journal.claimed"], offset=9))
    assert headers["ce_id"] == b"incidents.events.v1.2.9"
    assert "ce_subject" not in headers
    assert "ce_causationid" not in headers


def test_settings_are_keyed_by_their_document() -> None:
    assert encode(examples.EVENTS["settings.published"]).key == b"people/directory"


def test_notify_remembers_an_incident_without_being_about_it() -> None:
    assert encode(examples.EVENTS["journal.followed"]).key is None


def test_stamping_again_changes_only_the_place() -> None:
    event = examples.EVENTS["incident.opened"]
    here, there = dict(stamped(event, offset=5, claim=1)), dict(stamped(event, offset=6, claim=1))
    assert {name for name in here if here[name] != there[name]} == {"ce_sequence"}


@given(st.integers(0, 10**19), st.integers(0, 10**19))
def test_a_record_counts_only_at_the_offset_its_writer_expected(expected: int, offset: int) -> None:
    headers = stamped(examples.EVENTS["journal.positioned"], offset=expected)
    assert counts(headers, expected)
    assert counts(headers, offset) == (expected == offset)


@pytest.mark.parametrize(
    "sequence", [None, b"", b"-7", b"+7", b" 7", b"7.0", b"0x7", b"seven", b"7", b"0" * 5000 + b"7", "٧".encode()]
)
def test_a_record_without_a_proper_sequence_never_counts(sequence: bytes | None) -> None:
    assert not counts(() if sequence is None else (("ce_sequence", sequence),), 7)


def test_the_first_header_of_a_name_holds() -> None:
    headers = (("a", b"1"), ("a", b"2"))
    assert header(headers, "a") == b"1"
    assert header(headers, "b") is None


@pytest.mark.parametrize(
    ("headers", "value", "word"),
    [
        ((), b"{}", "unknown_event_type"),
        ((("ce_type", b"tocsin.incident.vanished.v1"),), b"{}", "unknown_event_type"),
        ((("ce_type", b"\xff\xfe"),), b"{}", "unknown_event_type"),
        ((("ce_type", b"tocsin.journal.positioned.v1"),), None, "unknown_event_type"),
        ((("ce_type", b"tocsin.journal.positioned.v1"),), b"", "bad_event"),
        ((("ce_type", b"tocsin.journal.positioned.v1"),), b"{", "bad_event"),
        ((("ce_type", b"tocsin.journal.positioned.v1"),), b"[]", "bad_event"),
        ((("ce_type", b"tocsin.journal.positioned.v1"),), b'{"recorded_at":"soon"}', "bad_event"),
        (
            (("ce_type", b"tocsin.journal.positioned.v1"),),
            b'{"recorded_at":"2026-11-21T00:00:00Z","reason":"\xff"}',
            "bad_event",
        ),
        ((("ce_type", b"tocsin.settings.published.v1"),), b'{"document":' + b"[" * 100_000, "bad_event"),
    ],
)
def test_what_is_no_event_is_rejected_by_name(headers: Headers, value: bytes | None, word: str) -> None:
    with pytest.raises(Reject) as caught:
        decode(headers, value)
    assert caught.value.word == word


def test_fields_of_a_newer_version_are_ignored() -> None:
    value = b'{"recorded_at":"2026-11-21T03:12:07.25Z","colour":"red"}'
    assert decode_value("journal.positioned", value) == ev.Positioned(recorded_at=at(0))


def test_an_event_over_the_limit_is_a_bug_of_its_stage() -> None:
    def note(size: int) -> ev.Event:
        return msgspec.structs.replace(examples.EVENTS["incident.noted"], note="x" * size)

    room = EVENT_BYTES_MAX - len(encode(note(0)).value)
    assert len(encode(note(room)).value) == EVENT_BYTES_MAX
    with pytest.raises(ValueError, match=r"incident\.noted encodes to"):
        encode(note(room + 1))


@given(instants)
def test_instants_are_rfc3339_with_a_z(instant: Instant) -> None:
    text = rfc3339(instant)
    assert text.endswith("Z")
    assert Instant.fromisoformat(text) == instant


@given(texts.filter(bool), texts.filter(bool))
def test_the_size_of_an_event_is_never_below_its_bytes_in_the_log(actor: str, cause: str) -> None:
    source = string.ascii_letters  # longer than most installations are called
    event = ev.Positioned(recorded_at=at(0), actor=actor, cause=cause)
    encoded = encode(event)
    headers = stamp(encoded, source=source, journal="notifications.events.v1", partition=1023, offset=10**12, claim=1)
    written = len(encoded.value) + len(encoded.key or b"") + sum(len(name) + len(value) for name, value in headers)
    assert encoded.size >= written
