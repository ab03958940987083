"""The stage: places, partitions, and bad bytes that harm nobody else."""

from datetime import timedelta

import orjson
import pytest

from tocsin.domain.errors import Reject
from tocsin.domain.ids import partition_of_key
from tocsin.domain.rules import IngestRules, Rules, Scheme, SchemeLevel, SeverityRules
from tocsin.domain.severity import Severity
from tocsin.ingest import map as stage
from tocsin.ingest.formats.registry import detected, named
from tocsin.ingest.reading import REJECT_WORDS
from tocsin.stage import Mapped
from unit.ingest import poison
from unit.ingest.bodies import (
    NOW,
    api_v2_alert,
    body_of,
    labels,
    mapped,
    native,
    published,
    raw,
    row_of,
    rows,
    taken,
    trigger,
    webhook,
    webhook_alert,
)


def neighboured(value: bytes) -> Mapped:
    """`value` between two good records; asserts that these are unharmed."""
    result = mapped(raw(native(title="before"), 1), raw(value, 2), raw(native(title="after"), 3))
    found = rows(result)
    assert [row.offset for row in found if row.offset != 2] == [1, 3]
    assert result.received["native"] >= 2
    for reject in result.rejected:
        assert reject.word in REJECT_WORDS - {"ingest_bug"}, reject
        assert 0 < len(str(reject.message)) <= stage.MESSAGE_MAX
        assert reject.offset == 2
    return result


# ---- bad bytes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", poison.NO_DOCUMENT.values(), ids=poison.NO_DOCUMENT.keys())
def test_what_is_no_document_is_rejected_whole(value: bytes) -> None:
    (reject,) = neighboured(value).rejected
    assert reject.word in ("bad_json", "too_deep")
    assert (reject.value, reject.index) == (value, None)


@pytest.mark.parametrize("value", poison.NO_FORMAT.values(), ids=poison.NO_FORMAT.keys())
def test_what_is_of_no_format_is_rejected_whole(value: bytes) -> None:
    (reject,) = neighboured(value).rejected
    assert (reject.word, reject.value, reject.index) == ("unknown_format", value, None)


def test_what_is_cut_off_is_rejected_whole() -> None:
    cases = dict(poison.truncated())
    assert len(cases) > 100
    for name, value in cases.items():
        (reject,) = neighboured(value).rejected
        assert (reject.word, reject.value, reject.index) == ("bad_json", value, None), name


def test_a_wrong_value_anywhere_is_a_row_or_a_reject_and_never_both() -> None:
    cases = dict(poison.replaced())
    assert len(cases) > 800
    outcomes = set()
    for name, value in cases.items():
        result = neighboured(value)
        found = [row for row in rows(result) if row.offset == 2]
        places = [row.index for row in found] + [reject.index for reject in result.rejected]
        assert len(places) == len(set(places)) <= 2, name
        outcomes |= {reject.word for reject in result.rejected}
    assert {"bad_type", "bad_value", "bad_instant", "missing_field", "missing_title", "no_labels"} <= outcomes


@pytest.mark.parametrize("format", ["alertmanager", "prometheus", "native", "pagerduty"])
@pytest.mark.parametrize("value", [b"[]", b"{}", b"1", b'"x"', b"[[]]", b"[1]", b"null", b"[null, {}]"])
def test_a_format_that_does_not_fit_is_rejected(format: str, value: bytes) -> None:
    result = mapped(raw(value, format=format))
    assert rows(result) == []
    assert all(reject.word in REJECT_WORDS - {"ingest_bug"} for reject in result.rejected)


def test_bad_json_names_line_and_column() -> None:
    (reject,) = mapped(raw(b'{\n  "title": nope\n}')).rejected
    assert reject.message.startswith("line 2, column 12: ")


def test_a_doubled_key_means_its_last_value() -> None:
    assert row_of(b'{"title": "a", "title": "b"}')[1].title == "b"


def test_a_leading_mark_is_no_harm() -> None:
    assert row_of(b'\xef\xbb\xbf{"title": "a"}')[1].title == "a"


def test_a_mistake_of_ours_costs_one_record() -> None:
    """A caller that gives an instant without zone: comparing it fails, which no bytes can bring about."""
    naive = NOW.replace(tzinfo=None)
    result = mapped(raw(native(), 1), raw([api_v2_alert()], 2, received_at=naive), raw(native(), 3))
    (reject,) = result.rejected
    assert (reject.word, reject.value, reject.offset, reject.index) == (
        "ingest_bug",
        orjson.dumps([api_v2_alert()]),
        2,
        None,
    )
    assert reject.message.startswith("TypeError: ")
    assert [row.offset for row in rows(result)] == [1, 3]


# ---- places --------------------------------------------------------------------------------------------------------


def test_the_index_is_the_place_before_filtering() -> None:
    alerts = [webhook_alert(status="wrong"), webhook_alert(), 3, webhook_alert()]
    result = mapped(raw(webhook(*alerts), 7))
    assert [(row.offset, row.index) for row in rows(result)] == [(7, 1), (7, 3)]
    assert [(reject.offset, reject.index) for reject in result.rejected] == [(7, 0), (7, 2)]
    assert result.received == {"alertmanager": 4}


def test_a_rejected_item_can_be_corrected_and_mapped_without_its_neighbours() -> None:
    result = mapped(raw(webhook(webhook_alert(), webhook_alert(status="wrong"))))
    (reject,) = result.rejected
    assert orjson.loads(reject.value)["groupLabels"] == webhook()["groupLabels"]
    (again,) = mapped(raw(reject.value)).rejected
    assert again.index == 0
    (row,) = rows(mapped(raw(reject.value.replace(b'"status":"wrong"', b'"status":"firing"'))))
    assert row.fingerprint == rows(result)[0].fingerprint


@pytest.mark.parametrize(
    ("count", "apart", "together"), [(99, 99, 0), (100, 100, 0), (101, 100, 1), (5_000, 100, 4_900)]
)
def test_so_many_wrong_items_are_rejected_one_by_one(count: int, apart: int, together: int) -> None:
    """Each repeats the envelope, so a record of nothing but wrong items would grow without bound."""
    items = [{"number": number} for number in range(count)]
    value = orjson.dumps(webhook(webhook_alert(), *items, commonAnnotations={"a": "x" * 100_000}))
    result = mapped(raw(value))
    assert [row.index for row in rows(result)] == [0]
    assert [reject.index for reject in result.rejected[:apart]] == list(range(1, apart + 1))
    found = [item for reject in result.rejected for item in orjson.loads(reject.value)["alerts"]]
    assert found == items
    assert sum(len(reject.value) for reject in result.rejected) < 10 * len(value)
    if together:
        rest = result.rejected[-1]
        assert (rest.index, rest.word) == (None, "no_labels")
        assert rest.message.startswith(f"{together} more wrong items; the first: alerts[101].labels: at least one")


def test_the_only_item_is_rejected_with_the_original_bytes_and_headers() -> None:
    value = b' { "title" : 3 } '
    (reject,) = mapped(raw(value, 5, "native")).rejected
    assert (reject.value, reject.index, reject.offset) == (value, 0, 5)
    assert reject.headers == (("tocsin_format", b"native"),)
    assert (reject.raw_topic, reject.raw_partition) == ("alerts.raw.v1", 0)


def test_received_at_and_place_are_those_of_the_record() -> None:
    later = NOW + timedelta(seconds=3)
    (row,) = rows(mapped(raw(native(), 9, topic="mine", partition=4, incarnation="x", received_at=later)))
    assert row.cause == "mine/4/9/0"
    assert (row.incarnation, row.received_at) == ("x", later)


def test_records_of_several_raw_partitions_do_not_mix() -> None:
    records = [raw(native(), offset, partition=offset % 2) for offset in range(6)]
    found = [(row.raw_partition, row.offset) for row in rows(mapped(*records))]
    assert found == [(0, 0), (0, 2), (0, 4), (1, 1), (1, 3), (1, 5)]


def test_a_large_webhook_is_mapped_whole_and_in_order() -> None:
    alerts = [webhook_alert(labels=labels(instance=f"i{number}")) for number in range(2_000)]
    result = mapped(raw(webhook(*alerts)))
    assert [row.index for row in rows(result)] == list(range(2_000))
    assert all(len(value) <= 800 * 1024 for value in result.batches[0])


# ---- formats and rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "format"),
    [
        (webhook(), "alertmanager"),
        ({"alerts": []}, "alertmanager"),
        ([api_v2_alert()], "prometheus"),
        ([{"labels": {"a": "b"}, "endsAt": "x"}], "prometheus"),
        ([1, api_v2_alert()], "prometheus"),
        (native(), "native"),
        ([native()], "native"),
        ([{"labels": {"alertname": "x"}}], "native"),
        ([], "native"),
        (trigger(), "pagerduty"),
        ({"routing_key": "x"}, "pagerduty"),
    ],
)
def test_formats_are_recognised_by_their_fields(document: object, format: str) -> None:
    assert format == detected(document).NAME


def test_the_header_goes_before_the_fields_if_it_is_known() -> None:
    document = [{"labels": {"alertname": "x"}}]
    assert row_of(document, "prometheus")[0].expires_at == NOW + timedelta(minutes=5)
    assert row_of(document, "native")[0].expires_at is None
    assert row_of(document, "of-the-future")[0].expires_at is None
    assert row_of(document, "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"))[0].expires_at is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "prometeus",
            "unknown format 'prometeus', did you mean 'prometheus'? "
            "known are cloudevents, alertmanager, pagerduty, prometheus, native",
        ),
        ("", "unknown format ''; known are cloudevents, alertmanager, pagerduty, prometheus, native"),
    ],
)
def test_an_unknown_format_names_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(Reject) as caught:
        named(name)
    assert (caught.value.word, str(caught.value)) == ("unknown_format", message)


def test_own_severity_words_go_first() -> None:
    rules = Rules(ingest=IngestRules(severities={"critical": Severity.LOW}))
    assert row_of(native(), rules=rules)[1].severity is Severity.LOW


def test_words_of_the_scheme_chosen_go_before_the_built_in_table_and_behind_own_words() -> None:
    levels = (
        SchemeLevel(word="P1", severity=Severity.EMERGENCY),
        SchemeLevel(word="Routine", severity=Severity.INFO),
        SchemeLevel(word="Own", severity=Severity.LOW),
    )
    chosen = SeverityRules(scheme="mine", schemes={"mine": Scheme(levels=levels)})
    own = IngestRules(severities={"own": Severity.CRITICAL})

    def severities(rules: Rules) -> list[str]:
        words = ("p1", "routine", "own", "p2", "critical")
        return [row_of(native(severity=word), rules=rules)[1].severity.value for word in words]

    assert severities(Rules(ingest=own, severity=chosen)) == ["emergency", "info", "critical", "high", "critical"]
    not_chosen = SeverityRules(schemes=chosen.schemes)
    assert severities(Rules(severity=not_chosen)) == ["critical", "medium", "medium", "high", "critical"]


def test_a_stage_reads_by_the_rules_that_it_is_given() -> None:
    stage_of_ingest = stage.Ingest(1)
    record = raw(native(severity="Routine"), 1)
    scheme = Scheme(levels=(SchemeLevel(word="Routine", severity=Severity.INFO),))
    rules = Rules(severity=SeverityRules(scheme="mine", schemes={"mine": scheme}))
    found = [body_of(rows(stage_of_ingest.map([record], one))[0]).severity for one in (Rules(), rules, Rules())]
    assert found == [Severity.MEDIUM, Severity.INFO, Severity.MEDIUM]


def test_a_row_is_in_the_partition_of_its_key() -> None:
    alerts = [webhook_alert(labels=labels(service=f"s{number}")) for number in range(50)]
    result = mapped(raw(webhook(*alerts)), partitions=4)
    assert len(result.batches) == 4
    for partition in result.batches:
        for row in rows(result, partition):
            assert partition_of_key(row.partition_key, 4) == partition


def test_mapping_is_a_function() -> None:
    records = [published(record) for record in taken(webhook()).records] + [raw(trigger()), raw([native(), {}])]
    assert mapped(*records, partitions=3) == mapped(*records, partitions=3)
