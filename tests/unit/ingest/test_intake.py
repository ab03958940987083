"""What the HTTP edge publishes and what it answers."""

import orjson
import pytest

from tocsin.domain.errors import Reject
from tocsin.ingest.intake import RECORD_BYTES_MAX, Intake, ItemError, take
from tocsin.ingest.reading import REJECT_WORDS
from unit.ingest import poison
from unit.ingest.bodies import (
    NOW,
    api_v2_alert,
    labels,
    mapped,
    native,
    published,
    rows,
    taken,
    trigger,
    webhook,
    webhook_alert,
)


def partitions_of(intake: Intake) -> list[tuple[str, tuple[int, ...]]]:
    return [(record.partition_key, record.places) for record in intake.records]


def check(intake: Intake) -> None:
    """Each item is in errors or in exactly one record, and what is published is accepted by the stage."""
    places = [place for record in intake.records for place in record.places]
    assert sorted([*places, *intake.errors]) == list(range(intake.count))
    for record in intake.records:
        assert len(record.value) <= RECORD_BYTES_MAX
        result = mapped(published(record))
        assert result.rejected == []
        assert [row.index for row in rows(result)] == list(range(len(record.places)))


@pytest.mark.parametrize("document", poison.VALID.values(), ids=poison.VALID.keys())
def test_a_valid_body_is_one_record(document: object) -> None:
    intake = taken(document)
    check(intake)
    assert (intake.count, intake.errors, len(intake.records)) == (1, {}, 1)


def test_a_valid_body_is_published_as_it_came() -> None:
    value = b'\xef\xbb\xbf {"title" : "x"} '
    assert taken(value).records[0].value == value[3:]


def test_only_valid_items_are_published() -> None:
    items = [native(), native(sevrity="high"), 3, native()]
    intake = taken(items)
    check(intake)
    assert list(intake.errors) == [1, 2]
    assert intake.errors[1] == ItemError("unknown_field", "[1]: unknown field 'sevrity', did you mean 'severity'?")
    assert intake.records[0].places == (0, 3)
    assert orjson.loads(intake.records[0].value) == [native(), native()]


def test_of_an_invalid_object_nothing_is_published() -> None:
    intake = taken({"title": ""})
    assert (intake.count, intake.records) == (1, ())
    assert intake.errors[0].word == "missing_title"


@pytest.mark.parametrize("body", [b"[]", orjson.dumps(webhook(alerts=[]))])
def test_nothing_is_not_wrong(body: bytes) -> None:
    assert taken(body, "prometheus" if body == b"[]" else None).count == 0


def test_a_large_webhook_is_split_and_keeps_its_envelope() -> None:
    alerts = [webhook_alert(labels=labels(instance=f"i{number}")) for number in range(1_500)]
    alerts[700] = webhook_alert(status="wrong")
    intake = taken(webhook(*alerts))
    check(intake)
    assert list(intake.errors) == [700]
    assert len(intake.records) > 2
    assert {record.partition_key for record in intake.records} == {"group:alertname/HighRequestLatency"}
    places = [place for record in intake.records for place in record.places]
    assert places == [place for place in range(1_500) if place != 700]
    for record in intake.records:
        envelope = orjson.loads(record.value)
        assert envelope["receiver"] == "tocsin"
        for place, item in zip(record.places, envelope["alerts"], strict=True):
            assert item == alerts[place]


def test_group_labels_in_any_order_are_one_key() -> None:
    keys = {
        taken(webhook(groupLabels=group)).records[0].partition_key
        for group in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    }
    assert len(keys) == 1


def test_a_webhook_without_group_labels_is_one_group_too() -> None:
    alerts = [webhook_alert(labels=labels(service=service)) for service in ("a", "b")]
    assert partitions_of(taken(webhook(*alerts, groupLabels={}), partitions=None)) == [("group:", (0, 1))]


def test_a_list_is_partitioned_by_its_alerts_so_that_firing_and_resolved_keep_their_order() -> None:
    items = [api_v2_alert(labels=labels(service=service)) for service in ("a", "b", "a", "c")]
    apart = taken(items, partitions=None)
    check(apart)
    assert partitions_of(apart) == [("service:eu-1/a", (0, 2)), ("service:eu-1/b", (1,)), ("service:eu-1/c", (3,))]
    together = taken(items, partitions=1)
    check(together)
    assert partitions_of(together) == [("service:eu-1/a", (0, 1, 2, 3))]
    ended = api_v2_alert(labels=labels(service="b"), endsAt="2026-11-21T09:59:00Z")
    assert taken([ended]).records[0].partition_key == "service:eu-1/b"


def test_a_key_goes_the_same_way_whatever_else_is_said() -> None:
    documents = [native(key="k"), native(key="k", service="other", title="y"), {"key": "k", "status": "resolved"}]
    assert len({taken(document).records[0].partition_key for document in documents}) == 1
    events = [
        trigger(),
        {**trigger(), "event_action": "resolve"},
        trigger(payload={**trigger()["payload"], "summary": "z"}),
    ]
    assert len({taken(document).records[0].partition_key for document in events}) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/json; charset=utf-8",
        'x; charset="UTF-8"',
        "application/x-www-form-urlencoded",
        "text/plain;charset=us-ascii",
    ],
)
def test_any_content_type_in_utf_8(content_type: str) -> None:
    assert take(b'{"title":"x"}', format=None, content_type=content_type, received_at=NOW, seed="s").count == 1


def test_another_charset_is_refused() -> None:
    with pytest.raises(Reject, match="the body must be UTF-8, not 'latin-1'") as caught:
        take(b'{"title":"x"}', format=None, content_type="text/plain; charset=Latin-1", received_at=NOW, seed="s")
    assert caught.value.word == "bad_charset"


@pytest.mark.parametrize("value", [*poison.NO_DOCUMENT.values(), *poison.NO_FORMAT.values()])
def test_what_is_wrong_as_a_whole_is_refused(value: bytes) -> None:
    with pytest.raises(Reject) as caught:
        taken(value)
    assert caught.value.word in ("bad_json", "too_deep", "unknown_format")


def test_bad_json_names_line_and_column() -> None:
    with pytest.raises(Reject, match=r"^line 2, column 10: "):
        taken(b'{\n"title": nope}')


def test_a_wrong_value_anywhere_is_published_or_an_error_and_map_agrees() -> None:
    accepted = refused = 0
    for _, value in poison.replaced():
        try:
            intake = taken(value)
        except Reject as reject:
            assert reject.word in REJECT_WORDS  # noqa: PT017
            refused += 1
            continue
        check(intake)
        accepted += len(intake.records)
        refused += len(intake.errors)
    assert accepted > 100
    assert refused > 100
