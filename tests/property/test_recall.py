"""The short way through ingest gives what the plain way gives: for anything, and again, and under other rules."""

import copy
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.rules import IngestRules, Rules
from tocsin.domain.severity import Severity
from tocsin.ingest.map import Ingest
from tocsin.ingest.recall import Recall
from tocsin.stage import Mapped, RawRecord
from tocsin.wire.normalized import decode_batch
from unit.ingest import poison
from unit.ingest.bodies import ENDED, NOW, STARTED, ZERO, api_v2_alert, grafana, raw, webhook, webhook_alert

TEXT = st.sampled_from(["", "a", "é", "page", "eu-1", "\U0001f525", "http://x/y", "a/b", "x" * 300])
NAMES = st.sampled_from(["alertname", "service", "job", "severity", "correlation_id", "replica", "ü", "summary"])
TEXTS = st.dictionaries(NAMES, TEXT, max_size=5)
INSTANTS = st.sampled_from(
    [None, "", ZERO, STARTED, ENDED, "2026-11-21T10:00:30Z", "2026-11-21T11:58:12+02:00", "soon"]
)
ODD = st.sampled_from([None, 1, True, [], {}, {"a": 1}, {"a": None}, "firing", "resolved", ["x"], 1e300, {"": "x"}])


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """One alert: usual, or with a field that is unusual in some way."""
    usual: list[dict[str, Any]] = [webhook_alert(), api_v2_alert(), grafana()["alerts"][0]]
    item = draw(st.sampled_from(usual))
    item = copy.deepcopy(item)
    for _ in range(draw(st.integers(0, 3))):
        field = draw(
            st.sampled_from([*item, "labels", "annotations", "startsAt", "endsAt", "status", "imageURL", "more"])
        )
        if field in ("labels", "annotations"):
            item[field] = draw(TEXTS | ODD)
        elif field.endswith("At"):
            item[field] = draw(INSTANTS | ODD)
        else:
            item[field] = draw(TEXT | ODD)
    return item


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """One record: a webhook or a list of alerts, perhaps with bytes changed."""
    alerts = draw(st.lists(items(), min_size=0, max_size=4))
    document: Any = alerts
    if draw(st.booleans()):
        envelope = draw(
            st.dictionaries(st.sampled_from(["version", "status", "groupLabels", "title", "orgId", "x"]), ODD)
        )
        document = {**webhook(), **envelope, "alerts": alerts}
    value = orjson.dumps(document)
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(value)))
        value = value[:start] + draw(st.binary(max_size=4)) + value[start + draw(st.integers(0, 4)) :]
    return value


class PlainRecall(Recall):
    """One that remembers nothing, so that every record is read by the plain path."""

    def read(self, record: RawRecord, name: str) -> tuple[str, None]:
        return "", None


def plainly(records: list[RawRecord], rules: Rules) -> Mapped:
    ingest = Ingest(4)
    ingest._recall = PlainRecall(4, rules.ingest)
    return ingest.map(records, rules)


def told(mapped: Mapped) -> tuple[Any, ...]:
    rows = {part: [row for value in values for row in decode_batch(value)] for part, values in mapped.batches.items()}
    return rows, mapped.rejected, mapped.received


RULES = (
    Rules(),
    Rules(ingest=IngestRules(ignore_labels=("service",), severities={"page": Severity.INFO}, partition_by=("job",))),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(bodies(), st.sampled_from([None, "alertmanager", "prometheus", "native", "?"])), max_size=4))
def test_the_short_way_gives_what_the_plain_way_gives(given_bodies: list[tuple[bytes, str | None]]) -> None:
    ingest = Ingest(4)
    for rules in RULES:
        for round in range(2):
            records = [
                msgspec.structs.replace(raw(value, place, format), received_at=NOW + timedelta(minutes=round))
                for place, (value, format) in enumerate(given_bodies)
            ]
            assert told(ingest.map(records, rules)) == told(plainly(records, rules))


@pytest.mark.parametrize("document", [pytest.param(one, id=name) for name, one in poison.VALID.items()])
def test_valid_documents_of_every_format(document: Any) -> None:
    records = [raw(document, place) for place in range(3)]
    assert told(Ingest(4).map(records, Rules())) == told(plainly(records, Rules()))


@pytest.mark.parametrize("place", ["labels", "annotations", "groupLabels", "commonLabels", "startsAt", "values"])
@pytest.mark.parametrize(
    "value",
    [
        b'"\xff"', b'"\\ud800"', b'"\\ud800\\u0041"', b'"\\udc00 "', b'"\x01"', b'"\\q"', b'"a\nb"', b"01", b"1.",
        b"1e999", b"-1e999", b"NaN", b"Infinity", b"[1,]", b'{"a":1,}', b"[" * 20 + b"]" * 20, b'{"a":"b","a":""}',
        b'{"a":"\xc3\xa9"}', b'{"\\ud83d\\ude00":"\\u0026"}', b'{"a":1e999}', b'{"a":"b"}x', b'{"a" "b"}',
        b"123456789012345678901234567890",
    ],
)  # fmt: skip
def test_bytes_that_parsers_disagree_on(place: str, value: bytes) -> None:
    document = webhook(webhook_alert(**({place: "@"} if place not in ("groupLabels", "commonLabels") else {})))
    if place in ("groupLabels", "commonLabels"):
        document[place] = "@"
    body = orjson.dumps(document).replace(b'"@"', value)
    ingest = Ingest(4)
    for _ in range(2):
        assert told(ingest.map([raw(body)], Rules())) == told(plainly([raw(body)], Rules()))


@pytest.mark.parametrize("format", [None, "alertmanager", "prometheus"])
@pytest.mark.parametrize("body", [webhook(), [api_v2_alert()]])
def test_an_event_in_binary_mode(body: Any, format: str | None) -> None:
    attributes = {"ce_id": "1", "CE_Source": "/x", "ce_specversion": "1.0", "ce_type": "alert"}
    headers = tuple((name, value.encode()) for name, value in attributes.items())
    record = raw(body, 1, format)
    record = msgspec.structs.replace(record, headers=(*record.headers, *headers))
    ingest = Ingest(4)
    for _ in range(2):
        assert told(ingest.map([record], Rules())) == told(plainly([record], Rules()))


def test_a_repeat_is_packed_once() -> None:
    recall = Recall(1, IngestRules())
    pushed = [[api_v2_alert(endsAt=f"2026-11-21T10:0{minute}:00Z")] for minute in (1, 9)]
    for earlier, later in ((webhook(), webhook()), pushed):
        first, second = recall.read(raw(earlier), ""), recall.read(raw(later), "")
        assert first[1]
        assert second[1]
        assert second[1][0].known.packed is first[1][0].known.packed
