"""Whatever bytes come in: map never raises, loses no neighbour, counts every place; identity knows no order."""

from random import Random
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin.domain.errors import Reject
from tocsin.ingest.formats.registry import BY_NAME
from tocsin.ingest.intake import take
from tocsin.ingest.reading import REJECT_WORDS
from tocsin.stage import Mapped
from tocsin.wire.normalized import BODY_BYTES_MAX, body_of
from tocsin.wire.record import Headers
from unit.ingest import poison
from unit.ingest.bodies import NOW, mapped, native, published, raw, rows, taken, webhook, webhook_alert

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
LABELS = st.dictionaries(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12), min_size=1, max_size=8)
FORMATS = st.sampled_from([None, *BY_NAME])
BODIES = st.sampled_from([orjson.dumps(document) for document in poison.VALID.values()])


ATTRIBUTES = st.sampled_from(["id", "source", "specversion", "type", "time", "subject", "severity", "data", "X", ""])
HEADERS = st.lists(
    st.tuples(ATTRIBUTES.map(lambda name: f"ce_{name}") | st.just("content-type"), st.binary(max_size=8)), max_size=6
)
BINARY = tuple((f"ce_{name}", b"1.0") for name in ("specversion", "id", "source", "type"))


def mapped_between_neighbours(value: bytes, format: str | None, headers: Headers = ()) -> Mapped:
    record = raw(value, 2, format)
    record = replace(record, headers=(*record.headers, *headers))
    result = mapped(raw(native(title="before"), 1), record, raw(native(title="after"), 3))
    assert [row.offset for row in rows(result) if row.offset != 2] == [1, 3]
    assert all(reject.word in REJECT_WORDS - {"ingest_bug"} and reject.offset == 2 for reject in result.rejected)
    places = [row.index for row in rows(result) if row.offset == 2]
    places += [reject.index for reject in result.rejected if reject.index is not None]
    assert sorted(places) == list(range(len(places))), "every place once"
    return result


@given(st.binary(max_size=200), FORMATS)
def test_any_bytes(value: bytes, format: str | None) -> None:
    mapped_between_neighbours(value, format)


@given(BODIES, st.data())
def test_a_valid_body_with_bytes_changed(value: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(start, min(len(value), start + 8)))
        value = value[:start] + data.draw(st.binary(max_size=8)) + value[end:]
    mapped_between_neighbours(value, None)


@given(BODIES | st.binary(max_size=40), HEADERS, st.booleans())
def test_any_headers_of_an_event(value: bytes, headers: list[tuple[str, bytes]], whole: bool) -> None:
    mapped_between_neighbours(value, None, (*headers, *BINARY) if whole else tuple(headers))


@given(BODIES, st.dictionaries(st.text(max_size=10).map(lambda name: f"ce-{name}"), TEXT, max_size=4), TEXT)
def test_any_headers_of_a_request(value: bytes, headers: dict[str, str], content_type: str) -> None:
    named = {name.replace("_", "-"): text.decode() for name, text in BINARY} | headers
    try:
        taken = take(value, format=None, content_type=content_type, headers=named.items(), received_at=NOW, seed="s")
    except Reject as error:
        assert error.word in REJECT_WORDS  # noqa: PT017
        return
    assert mapped(*(published(record, place) for place, record in enumerate(taken.records))).rejected == []


@given(st.sampled_from([*poison.VALID.values()]), JSON, st.data())
def test_a_valid_body_with_a_value_changed(document: Any, wrong: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(poison.paths(document), key=str)))
    value = orjson.dumps(poison.with_value(document, path, wrong))
    result = mapped_between_neighbours(value, None)
    try:
        intake = taken(value)
    except Reject:
        assert rows(result)[1:-1] == [], "what the intake refuses as a whole gives no rows"
        return
    again = mapped(*(published(record, place) for place, record in enumerate(intake.records)))
    assert again.rejected == []
    assert len(rows(again)) == len(rows(result)) - 2
    assert len(intake.errors) == len(result.rejected)


@given(st.lists(JSON, max_size=6), FORMATS)
def test_any_list(items: list[Any], format: str | None) -> None:
    result = mapped_between_neighbours(orjson.dumps(items), format)
    if format in ("prometheus", "native"):
        assert len(rows(result)) - 2 + len(result.rejected) == len(items)


@given(
    LABELS, st.randoms(use_true_random=False), st.dictionaries(st.sampled_from(["replica", "prometheus_replica"]), TEXT)
)
@example({"\0key": "a reserved name"}, Random(1), {"replica": "a"})
def test_identity_and_partition_do_not_depend_on_order_or_ignored_labels(
    given_labels: dict[str, str], random: Any, ignored: dict[str, str]
) -> None:
    shuffled = [*given_labels.items(), *ignored.items()]
    random.shuffle(shuffled)
    both = webhook(webhook_alert(labels=given_labels), webhook_alert(labels=dict(shuffled)))
    first, second = rows(mapped(raw(both)))
    assert first.fingerprint == second.fingerprint or not ignored.keys().isdisjoint(given_labels)
    assert first.partition_key == second.partition_key


@given(LABELS, LABELS)
def test_different_labels_are_different_alerts(first: dict[str, str], second: dict[str, str]) -> None:
    result = rows(mapped(raw(webhook(webhook_alert(labels=first), webhook_alert(labels=second)))))
    assert (result[0].fingerprint == result[1].fingerprint) is (first == second)


@given(LABELS, st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12), max_size=5))
def test_what_was_said_comes_out_of_the_wire(given_labels: dict[str, str], annotations: dict[str, str]) -> None:
    (row,) = rows(mapped(raw(webhook(webhook_alert(labels=given_labels, annotations=annotations)))))
    said = body_of(row)
    assert said.labels == given_labels
    assert said.annotations == {name: value for name, value in annotations.items() if value}
    assert said.title.isprintable()
    assert said.title


@given(st.dictionaries(st.text(min_size=1, max_size=400), st.text(max_size=6000), min_size=1, max_size=90))
def test_no_body_is_larger_than_its_limit(values: dict[str, str]) -> None:
    document = webhook(webhook_alert(labels={"alertname": "X", **values}, annotations=values), groupLabels=values)
    for row in rows(mapped(raw(document))):
        assert len(row.body) <= BODY_BYTES_MAX
