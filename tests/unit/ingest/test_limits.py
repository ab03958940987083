"""Every limit one below, at, and one above it; and that what is cut stays what it was for everybody else."""

from typing import Any

import orjson
import pytest

from tocsin.domain.alert import AlertBody
from tocsin.domain.errors import Reject
from tocsin.ingest.document import parsed
from tocsin.ingest.intake import RECORD_BYTES_MAX
from tocsin.ingest.limits import bounded, check_size, encoded, shorter
from tocsin.wire.normalized import BODY_BYTES_MAX, encode_body
from unit.ingest.bodies import (
    api_v2_alert,
    body,
    labels,
    mapped,
    native,
    one,
    payload,
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
)  # fmt: skip

MB = 1024 * 1024


def many(count: int, value: str = "x") -> dict[str, str]:
    return {"alertname": "X", **{f"l{number:04d}": value for number in range(count - 1)}}


# ---- formats that refuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_native_takes_64_entries_and_no_more(field: str) -> None:
    for count in (63, 64):
        assert len(getattr(body(one("native", native(**{field: many(count)}))), field)) == count
    message = f"{field}: 65 entries; at most 64 are allowed"
    assert rejected("native", native(**{field: many(65)})) == ("too_many", message)


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("char", ["x", "é", "€", "😀"])
def test_native_takes_4096_bytes_a_value_and_no_more(field: str, char: str) -> None:
    width = len(char.encode())
    for size in (4095, 4096):
        value = char * (size // width) + "x" * (size % width)
        one("native", native(**{field: {"a": value}}))
    longer = char * (4096 // width) + "x" * (1 + 4096 % width)
    message = f"{field}.a: 4097 bytes; at most 4096 are allowed"
    assert rejected("native", native(**{field: {"a": longer}})) == ("too_long", message)


def test_native_takes_names_of_256_bytes_and_no_more() -> None:
    for size in (255, 256):
        one("native", native(labels={"n" * size: "x"}))
    message = "labels: a name has 257 bytes; at most 256 are allowed"
    assert rejected("native", native(labels={"n" * 257: "x"})) == ("too_long", message)


@pytest.mark.parametrize(
    ("field", "limit"),
    [("title", 1024), ("key", 255), ("service", 255), ("category", 255), ("source", 255), ("correlation_id", 255)],
)
def test_native_texts(field: str, limit: int) -> None:
    for size in (limit - 1, limit):
        one("native", native(**{field: "é" * size}))
    message = f"{field}: {limit + 1} characters; at most {limit} are allowed"
    assert rejected("native", native(**{field: "é" * (limit + 1)})) == ("too_long", message)


def test_native_takes_64_kb_encoded_and_no_more() -> None:
    def alert(size: int) -> dict[str, Any]:
        annotations = {f"a{number:02d}": "x" * 4096 for number in range(15)}
        rest = size - len(encode_body(body(one("native", native(annotations={**annotations, "rest": "x" * 300})))))
        return native(annotations={**annotations, "rest": "x" * (300 + rest)})

    for size in (BODY_BYTES_MAX - 1, BODY_BYTES_MAX):
        row, _ = row_of(alert(size))
        assert len(row.body) == size
    message = f"the alert encodes to {BODY_BYTES_MAX + 1} bytes; at most {BODY_BYTES_MAX} are allowed"
    assert rejected("native", alert(BODY_BYTES_MAX + 1)) == ("too_large", message)


def test_a_list_takes_10_000_alerts_and_no_more() -> None:
    for count in (9_999, 10_000):
        assert len(read("native", [1] * count)) == count
    with pytest.raises(Reject, match="10001 alerts; at most 10000 are allowed"):
        read("native", [1] * 10_001)


# ---- formats that cut ----------------------------------------------------------------------------------------------


def cut_of(format: str, document: Any) -> AlertBody:
    return row_of(document, format)[1]


@pytest.mark.parametrize(("format", "wrapped"), [("alertmanager", webhook), ("prometheus", lambda item: [item])])
class TestAlertmanagerShapes:
    def alert(self, format: str, **more: Any) -> dict[str, Any]:
        return webhook_alert(**more) if format == "alertmanager" else api_v2_alert(**more)

    @pytest.mark.parametrize(("count", "cut"), [(63, ()), (64, ()), (65, ("labels",))])
    def test_64_labels(self, format: str, wrapped: Any, count: int, cut: tuple[str, ...]) -> None:
        said = cut_of(format, wrapped(self.alert(format, labels=many(count))))
        assert (len(said.labels), said.cut) == (min(count, 64), cut)
        assert said.labels["alertname"] == "X"

    @pytest.mark.parametrize(("size", "cut"), [(4095, ()), (4096, ()), (4097, ("annotations",))])
    def test_4_kb_a_value(self, format: str, wrapped: Any, size: int, cut: tuple[str, ...]) -> None:
        said = cut_of(format, wrapped(self.alert(format, annotations={"description": "x" * size})))
        assert (len(said.annotations["description"]), said.cut) == (min(size, 4096), cut)

    def test_a_character_is_never_halved(self, format: str, wrapped: Any) -> None:
        said = cut_of(format, wrapped(self.alert(format, annotations={"description": "😀" * 1025})))
        assert said.annotations["description"] == "😀" * 1024
        said = cut_of(format, wrapped(self.alert(format, annotations={"description": "x" + "😀" * 1024})))
        assert said.annotations["description"] == "x" + "😀" * 1023

    def test_64_kb_encoded(self, format: str, wrapped: Any) -> None:
        annotations = {f"a{number}": "x" * 4096 for number in range(60)}
        row, said = row_of(wrapped(self.alert(format, annotations=annotations)), format)
        assert len(row.body) <= BODY_BYTES_MAX
        assert said.cut == ("annotations",)
        assert said.labels == labels()
        assert len(said.annotations) == 60

    def test_the_fingerprint_and_the_partition_are_of_the_uncut(self, format: str, wrapped: Any) -> None:
        pair = [row_of(wrapped(self.alert(format, labels=labels(service="s" * 5000 + end))), format)[0] for end in "ab"]
        assert pair[0].fingerprint != pair[1].fingerprint
        assert pair[0].partition_key != pair[1].partition_key
        assert len(pair[0].partition_key) <= 512

    def test_which_labels_stay_does_not_depend_on_their_order(self, format: str, wrapped: Any) -> None:
        given = many(100)
        reverse = dict(reversed(given.items()))
        said = [cut_of(format, wrapped(self.alert(format, labels=given))) for given in (given, reverse)]
        assert said[0].labels == said[1].labels

    def test_a_long_label_that_names_something_stays_distinct(self, format: str, wrapped: Any) -> None:
        pair = [
            cut_of(format, wrapped(self.alert(format, labels=labels(correlation_id="c" * 300 + end)))) for end in "ab"
        ]
        assert len(pair[0].correlation_id) == 255
        assert pair[0].correlation_id != pair[1].correlation_id

    @pytest.mark.parametrize("filler", ["x", "\x01", "😀", '"'])
    def test_an_alert_larger_than_a_record_is_published_shrunk(self, format: str, wrapped: Any, filler: str) -> None:
        """Still one alert, still its own, still marked."""
        prints = set()
        for end in "ab":
            large = {f"{number:03d}{'n' * 200}": filler * 3000 + end for number in range(120)}
            alert = self.alert(format, labels={**labels(), **large}, annotations=large)
            intake = taken(wrapped(alert), format)
            assert intake.errors == {}
            (record,) = intake.records
            assert len(record.value) <= RECORD_BYTES_MAX
            result = mapped(published(record))
            assert result.rejected == []
            (row,) = rows(result)
            prints.add(row.fingerprint)
            assert len(row.body) <= BODY_BYTES_MAX
            assert {"labels", "annotations"} <= set(cut_of(record.format, record.value).cut)
        assert len(prints) == 2

    def test_more_alerts_than_any_real_request_are_refused(self, format: str, wrapped: Any) -> None:
        def body_of(count: int) -> Any:
            return webhook(alerts=[1] * count) if format == "alertmanager" else [1] * count

        assert len(read(format, body_of(100_000))) == 100_000
        with pytest.raises(Reject, match="at most 100000 are allowed"):
            read(format, body_of(100_001))


def test_a_body_of_the_worst_kind_fits() -> None:
    worst = {f"{number:03d}" + "\0" * 253: "😀" * 2000 for number in range(200)}
    links = dict.fromkeys(worst, "https://" + "x" * 4088)
    value = encoded(AlertBody(title="t" * 1024, labels=worst, annotations=worst, links=links, group_labels=worst))
    assert len(value) <= BODY_BYTES_MAX


def test_a_link_is_left_out_and_not_cut() -> None:
    said = cut_of("alertmanager", webhook(webhook_alert(generatorURL="https://p.example.com/" + "x" * 4096)))
    assert "generator" not in said.links
    assert said.cut == ("links",)


def test_a_large_envelope_is_reduced_to_what_is_read() -> None:
    document = webhook(commonAnnotations={"a": "x" * 100_000}, groupLabels={"g": "y" * 80_000})
    intake = taken(document)
    assert len(intake.records[0].value) <= RECORD_BYTES_MAX
    envelope = orjson.loads(intake.records[0].value)
    assert envelope["receiver"] == "tocsin"
    assert "commonAnnotations" not in envelope
    (row,) = rows(mapped(published(intake.records[0])))
    assert row.partition_key == "service:eu-1/checkout"


# ---- requests and documents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("large", "limit"), [(False, 5 * MB), (True, 32 * MB)])
def test_the_size_of_a_request(large: bool, limit: int) -> None:
    for size in (limit - 1, limit):
        check_size(size, large=large)
    with pytest.raises(Reject, match=f"{limit + 1} bytes; at most {limit} are allowed") as caught:
        check_size(limit + 1, large=large)
    assert caught.value.word == "too_large"


def padded(document: Any, size: int) -> bytes:
    value: bytes = orjson.dumps(document)
    return value + b" " * (size - len(value))


@pytest.mark.parametrize("document", [native(), [native()], trigger()])
def test_5_mb_for_formats_that_refuse(document: Any) -> None:
    for size in (5 * MB - 1, 5 * MB):
        assert taken(padded(document, size)).errors == {}
    for format in (None, "pagerduty" if "payload" in document else "native"):
        with pytest.raises(Reject, match="at most 5242880 are allowed"):
            taken(padded(document, 5 * MB + 1), format)
    (reject,) = mapped(raw(padded(document, 5 * MB + 1))).rejected
    assert (reject.word, reject.index) == ("too_large", None)


@pytest.mark.parametrize("document", [webhook(), [api_v2_alert()]])
def test_32_mb_for_alertmanager(document: Any) -> None:
    for size in (5 * MB + 1, 32 * MB - 1, 32 * MB):
        assert taken(padded(document, size)).errors == {}
    with pytest.raises(Reject, match="at most 33554432 are allowed"):
        taken(padded(document, 32 * MB + 1))
    (reject,) = mapped(raw(padded(document, 32 * MB + 1))).rejected
    assert (reject.word, reject.index) == ("too_large", None)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_16_levels_and_no_more(opening: bytes, closing: bytes) -> None:
    levels = len(closing)
    for depth in (15, 16):
        count, rest = divmod(depth, levels)
        parsed(opening * count + b"[" * rest + b"1" + b"]" * rest + closing * count)
    for depth in (17, 1_000, 1_025, 100_000):
        count, rest = divmod(depth, levels)
        with pytest.raises(Reject, match="nested more than 16 deep") as caught:
            parsed(opening * count + b"[" * rest + b"1" + b"]" * rest + closing * count)
        assert caught.value.word == "too_deep"


def test_a_wide_document_is_not_deep() -> None:
    parsed(b"[" + b"[[]]," * 1000 + b"{}]")


@pytest.mark.parametrize(
    ("size", "records"), [(RECORD_BYTES_MAX - 1, 1), (RECORD_BYTES_MAX, 1), (RECORD_BYTES_MAX + 1, 2)]
)
def test_256_kb_a_record(size: int, records: int) -> None:
    item = {"labels": {"alertname": "X"}, "annotations": {"a": ""}}
    document = [item] * 100
    each, rest = divmod(size - len(orjson.dumps(document)), 100)
    document = [{**item, "annotations": {"a": "x" * (each + (rest if place == 0 else 0))}} for place in range(100)]
    assert len(orjson.dumps(document)) == size
    intake = taken(document, "prometheus")
    assert len(intake.records) == records
    assert max(len(record.value) for record in intake.records) <= RECORD_BYTES_MAX
    assert [place for record in intake.records for place in record.places] == list(range(100))


def test_an_item_that_fits_no_record_is_an_error_of_that_item() -> None:
    wide = payload(custom_details={})
    deep = native(labels={f"l{number}": "\x01" * 1000 for number in range(60)})
    intake = taken([deep, native()], "native")
    assert taken(trigger(payload=wide)).errors == {}
    assert intake.errors[0].word == "too_large"
    assert [record.places for record in intake.records] == [(1,)]


# ---- small parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [254, 255])
def test_bounded_leaves_what_fits(size: int) -> None:
    assert bounded("x" * size) == "x" * size


def test_bounded_keeps_different_texts_different() -> None:
    assert len(bounded("x" * 256)) == 255
    assert bounded("x" * 256) != bounded("x" * 257)


@pytest.mark.parametrize(
    ("text", "limit", "expected"), [("abc", 3, "abc"), ("abcd", 3, "abc"), ("aé", 2, "a"), ("é", 2, "é")]
)
def test_shorter_counts_bytes(text: str, limit: int, expected: str) -> None:
    assert shorter(text, limit) == expected
