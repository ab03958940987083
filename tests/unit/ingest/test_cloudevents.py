"""CloudEvents as alerts: structured, in a batch, in binary mode over Kafka and HTTP; what attributes add."""

import base64
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings import http as sdk_http
from cloudevents.core.bindings import kafka as sdk_kafka
from cloudevents.core.v1.event import CloudEvent
from msgspec.structs import replace

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.domain.severity import Severity
from tocsin.ingest.binding import BATCH, STRUCTURED
from tocsin.ingest.formats.cloudevents import ATTRIBUTES_MAX
from tocsin.ingest.intake import Intake, take
from unit.ingest.bodies import (
    NOW,
    ROUTING_KEY,
    api_v2_alert,
    body,
    event,
    mapped,
    native,
    one,
    published,
    raw,
    read,
    rejected,
    row_of,
    rows,
    taken,
    trigger,
    webhook,
    webhook_alert,
    without,
)

BARE = {"title": "Checkout is slow"}
BINARY = {"ce-specversion": "1.0", "ce-id": "7d1f", "ce-source": "/probes/eu-1", "ce-type": "com.example.latency"}


def posted(value: Any, **headers: str) -> Intake:
    """What the intake makes of a request; header names with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return take(
        value if isinstance(value, bytes) else orjson.dumps(value),
        format=None,
        content_type=named.get("content-type", ""),
        headers=named.items(),
        received_at=NOW,
        seed="seed",
        partitions=1,
    )


# ---- what an event says of its alert ---------------------------------------------------------------------------------


def test_attributes_complete_a_native_alert() -> None:
    alert = one("cloudevents", event(BARE, severity="critical", correlationid="release-42"))
    assert alert.status is AlertStatus.FIRING
    assert body(alert).source == "/probes/eu-1"
    assert body(alert).labels == {"subject": "checkout"}
    assert body(alert).severity is Severity.CRITICAL
    assert alert.correlation_id == "release-42"
    assert alert.starts_at is not None
    assert alert.starts_at.isoformat() == "2026-11-21T09:58:12+00:00"


def test_attributes_change_nothing_that_the_alert_says() -> None:
    said = {**native(), "labels": {"subject": "mine", "severity": "low"}, "severity": "info", "source": "me"}
    given = one("cloudevents", event(said, severity="critical", correlationid="x", time="2026-11-21T09:00:00Z"))
    assert given == one("native", said)


def test_a_severity_in_the_labels_counts_before_that_of_the_event() -> None:
    alert = one("cloudevents", event({**BARE, "labels": {"severity": "low"}}, severitytext="fatal"))
    assert body(alert).severity is Severity.LOW
    assert body(one("cloudevents", event(BARE, severitytext="fatal"))).severity is Severity.EMERGENCY


def test_the_time_of_the_event_names_no_episode() -> None:
    """A source that sends each minute, each time with another `time`, repeats one alert."""
    firing = one("cloudevents", event(BARE))
    assert firing.episode is Episode.WINDOW
    assert one("cloudevents", event({**BARE, "key": "k"})).episode is Episode.KEYED
    named = one("cloudevents", event({**BARE, "starts_at": "2026-11-21T09:00:00Z"}))
    assert named.episode is Episode.STARTS_AT
    resolved = one("cloudevents", event({**BARE, "status": "resolved"}))
    assert (resolved.status, resolved.starts_at) == (AlertStatus.RESOLVED, None)


def test_the_subject_identifies_and_the_id_does_not() -> None:
    first, again, other = (
        one("cloudevents", event(BARE)),
        one("cloudevents", event(BARE, id="other", time="2026-11-21T09:59:00Z")),
        one("cloudevents", event(BARE, subject="search")),
    )
    assert first.identity == again.identity
    assert first.identity != other.identity


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (webhook(webhook_alert(), webhook_alert(status="resolved")), "alertmanager"),
        ([api_v2_alert(), api_v2_alert()], "prometheus"),
        (trigger(), "pagerduty"),
    ],
)
def test_a_body_of_another_format_speaks_for_itself(data: Any, format: str) -> None:
    assert read("cloudevents", event(data, severity="info")) == read(format, data)


def test_a_list_of_alerts_is_so_many_items() -> None:
    items = read("cloudevents", event([BARE, {"titel": "x"}, {**BARE, "key": "k"}]))
    assert [type(item).__name__ for item in items] == ["ReadAlert", "Reject", "ReadAlert"]
    assert str(items[1]) == "data[1]: unknown field 'titel', did you mean 'title'?"


def test_our_type_says_that_it_is_a_native_alert() -> None:
    word, message = rejected("cloudevents", event({"titel": "x"}, type="tocsin.alert.v1"))
    assert (word, message) == ("unknown_field", "data: unknown field 'titel', did you mean 'title'?")


# ---- modes -----------------------------------------------------------------------------------------------------------


def test_structured_batch_and_binary_give_the_same_alert() -> None:
    wanted = one("cloudevents", event())
    assert read("cloudevents", [event(), event()]) == [wanted, wanted]
    headers = tuple((f"ce_{name}", str(text).encode()) for name, text in event().items() if name != "data")
    (plain,) = rows(mapped(raw(event(), format="cloudevents")))
    (binary,) = rows(mapped(raw(native(), headers=headers)))
    assert binary == plain


def test_base64_is_decoded() -> None:
    encoded = base64.b64encode(orjson.dumps(native())).decode()
    structured = {**without(event(), "data"), "data_base64": encoded}
    assert one("cloudevents", structured) == one("cloudevents", event())
    (record,) = taken(structured).records
    assert orjson.loads(record.value) == event()


def sdk_event(data: Any, **more: Any) -> CloudEvent:
    attributes = {**without(event(), "data", "time"), "subject": "Größe 5 %", **more}
    return CloudEvent(attributes, data)


def test_what_the_sdk_sends_is_read_in_every_mode() -> None:
    given = sdk_event(native())
    wanted = None
    for message in (sdk_kafka.to_binary_event(given), sdk_kafka.to_structured_event(given)):
        record = raw(message.value, headers=tuple(message.headers.items()))
        (row,) = rows(mapped(record))
        wanted = wanted or row
        assert row == wanted
    for sent in (sdk_http.to_binary_event(given), sdk_http.to_structured_event(given)):
        headers = {name.lower(): text for name, text in sent.headers.items()}
        intake = posted(sent.body, **headers)
        assert (intake.count, intake.errors, intake.format) == (1, {}, "cloudevents")
        (row,) = rows(mapped(published(intake.records[0])))
        assert replace(row, partition_key="") == replace(wanted, partition_key="")
    assert wanted is not None


def test_attributes_in_http_headers_are_percent_encoded() -> None:
    intake = posted(BARE, **{**BINARY, "ce-subject": "Gr%C3%B6%C3%9Fe 5 %25", "ce-note": '"a \\"b\\""'})
    document = orjson.loads(intake.records[0].value)
    assert document["subject"] == "Größe 5 %"
    assert document["note"] == 'a "b"'
    assert document["data"] == BARE


def test_a_batch_over_http_is_published_event_by_event() -> None:
    events = [event(BARE, id="1"), event({"titel": "x"}, id="2", type="tocsin.alert.v1"), event(trigger(), id="3")]
    intake = posted(events, content_type=f"{BATCH}; charset=utf-8")
    assert intake.count == 3
    assert {place: error.message for place, error in intake.errors.items()} == {
        1: "[1]: data: unknown field 'titel', did you mean 'title'?"
    }
    kept = [one for record in intake.records for one in orjson.loads(record.value)]
    assert sorted(one["id"] for one in kept) == ["1", "3"]
    assert ROUTING_KEY.encode() not in b"".join(record.value for record in intake.records)


def test_triggers_without_a_key_in_a_batch_are_different_alerts() -> None:
    events = [event(without(trigger(), "dedup_key"), id=str(n)) for n in range(3)]
    identities = {str(item.identity) for item in read("cloudevents", events, seed="s") if not isinstance(item, Reject)}
    assert len(identities) == 3
    published_keys = {
        one["data"]["dedup_key"] for record in taken(events).records for one in orjson.loads(record.value)
    }
    assert len(published_keys) == 3


@pytest.mark.parametrize("missing", BINARY)
def test_a_request_that_lacks_a_required_attribute_is_its_body(missing: str) -> None:
    intake = posted(BARE, **without(BINARY, missing))
    assert (intake.format, intake.records[0].value) == ("native", orjson.dumps(BARE))


def test_a_format_that_is_named_holds() -> None:
    headers = (("tocsin_format", b"native"), ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"t"))
    _, plain = row_of(BARE, format="native")
    (row,) = rows(mapped(raw(BARE, headers=(*headers, ("ce_source", b"/s")))))
    assert row == rows(mapped(raw(BARE, format="native")))[0]
    assert plain.source == "native"


def test_a_large_event_is_split_and_keeps_its_attributes() -> None:
    alerts = [{"title": f"Disk {n} is full", "annotations": {"text": "x" * 900}, "service": "s"} for n in range(900)]
    intake = taken(event(alerts))
    assert len(intake.records) > 2
    assert sorted(place for record in intake.records for place in record.places) == list(range(900))
    for record in intake.records:
        document = orjson.loads(record.value)
        assert without(document, "data") == without(event(), "data")
        assert [alerts[place] for place in record.places] == document["data"]


def test_a_rejected_item_can_be_requeued_with_the_headers_of_its_event() -> None:
    """Its value is an event in structured mode, its headers are those of the binary one it came in."""
    headers = tuple((name.replace("-", "_"), text.encode()) for name, text in BINARY.items())
    (reject,) = mapped(raw([BARE, {"titel": "x"}], headers=headers)).rejected
    again = raw(reject.value, headers=reject.headers)
    (second,) = mapped(again).rejected
    assert (second.word, second.message) == (reject.word, "data[0]: unknown field 'titel', did you mean 'title'?")


# ---- what is refused -------------------------------------------------------------------------------------------------


def whole(document: Any) -> tuple[str, str]:
    with pytest.raises(Reject) as caught:
        read("cloudevents", document)
    return caught.value.word, str(caught.value)


@pytest.mark.parametrize(
    ("document", "word", "message"),
    [
        (event(specversion="0.3"), "bad_value", "specversion: must be '1.0', is '0.3'"),
        (event(id=""), "missing_field", "id: required"),
        (without(event(), "source"), "missing_field", "source: required"),
        (event(type=7), "bad_type", "type: must be a string, is a number"),
        (event(time="yesterday"), "bad_instant", "time: 'yesterday' is no RFC 3339 instant"),
        (event(time="2026-11-21T09:58:12"), "bad_instant", "has no time zone"),
        (event(datacontenttype="text/xml"), "bad_value", "datacontenttype: must be JSON, is 'text/xml'"),
        (event(extra={"a": 1}), "bad_type", "'extra': must be a string, an integer or a boolean, is an object"),
        (event(note="x" * ATTRIBUTES_MAX), "too_large", f"at most {ATTRIBUTES_MAX} are allowed"),
        (without(event(), "data"), "missing_field", "data: required"),
        ({**event(), "data_base64": "e30="}, "bad_value", "only one of them is allowed"),
        ({**without(event(), "data"), "data_base64": "%%%"}, "bad_value", "data_base64: is no base64"),
        ({**without(event(), "data"), "data_base64": "ew=="}, "bad_json", "data: line 1, column"),
        (event("text"), "unknown_format", "data: no known format"),
        (event({"temperature": 40}), "unknown_format", "alertmanager, pagerduty, prometheus, native"),
        (event(event()), "unknown_format", "data: no known format"),
        (event({"alerts": 3}), "bad_type", "data.alerts: must be a list, is a number"),
        (event(subject=["x"]), "bad_type", "'subject': must be a string"),
    ],
)
def test_what_is_wrong_is_named(document: Any, word: str, message: str) -> None:
    found, text = whole(document)
    assert (found, message in text) == (word, True), text


def test_an_event_of_a_batch_holds_one_alert() -> None:
    items = read("cloudevents", [event([BARE, BARE]), event([]), 3, event([BARE])])
    assert [str(item) if isinstance(item, Reject) else "taken" for item in items] == [
        "[0].data: 2 alerts; in a batch an event holds one, several go into an event of their own",
        "[1].data: 0 alerts; in a batch an event holds one, several go into an event of their own",
        "[2]: must be an object, is a number",
        "taken",
    ]


def test_other_encodings_than_json_are_named() -> None:
    with pytest.raises(Reject, match=r"CloudEvents are taken as application/cloudevents\+json or ") as caught:
        posted(b"\x00", content_type="application/cloudevents+avro")
    assert caught.value.word == "unknown_format"
    with pytest.raises(Reject, match="datacontenttype: must be JSON"):
        posted(BARE, content_type="text/plain", **BINARY)


def test_bad_text_in_a_header_is_refused() -> None:
    with pytest.raises(Reject, match="ce-subject: is not UTF-8"):
        posted(BARE, **BINARY, ce_subject="%FF")
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("ce_type", b"t"), ("ce_source", b"/s"))
    (reject,) = mapped(raw(BARE, headers=headers)).rejected
    assert (reject.word, reject.message) == ("bad_value", "ce_id: is not UTF-8")


def test_structured_mode_is_known_by_its_content_type() -> None:
    intake = posted(event(), content_type=STRUCTURED)
    assert (intake.format, intake.count, intake.errors) == ("cloudevents", 1, {})
    with pytest.raises(Reject, match=r"specversion: must be '1\.0'"):
        posted(BARE, content_type=STRUCTURED)
