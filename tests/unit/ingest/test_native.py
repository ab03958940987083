"""tocsin's own JSON: identity, episodes, strictness."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.severity import Severity
from unit.ingest.bodies import ENDED, NOW, body, mapped, native, one, raw, rejected, row_of, rows, without

FORMAT = "native"


def test_everything_said() -> None:
    row, said = row_of(native())
    assert (row.status, row.episode) == (AlertStatus.FIRING, Episode.STARTS_AT)
    assert row.starts_at == datetime(2026, 11, 21, 9, 58, 12, tzinfo=UTC)
    assert row.expires_at is None
    assert row.partition_key == "correlation:release-42"
    assert row.correlation_id == said.correlation_id == "release-42"
    assert (said.title, said.severity, said.category) == ("Checkout is slow", Severity.CRITICAL, "performance")
    assert (said.service, said.source) == ("checkout", "probe")
    assert said.links == {"runbook": "https://runbooks.example.com/latency"}


def test_a_title_is_enough() -> None:
    row, said = row_of({"title": "Disk full"})
    assert (row.episode, row.partition_key, said.source) == (Episode.WINDOW, "title:Disk full", "native")


def test_a_name_is_enough() -> None:
    row, said = row_of({"labels": {"alertname": "DiskFull", "instance": "db-1"}})
    assert (row.partition_key, said.title) == ("alertname:DiskFull", "DiskFull on db-1")


def test_null_is_absent() -> None:
    assert row_of(dict.fromkeys(native()) | {"title": "x"})[0].episode is Episode.WINDOW


@pytest.mark.parametrize(
    ("document", "episode"),
    [
        ({"title": "x", "starts_at": "2026-11-21T09:58:12Z", "key": "k"}, Episode.STARTS_AT),
        ({"title": "x", "key": "k"}, Episode.KEYED),
        ({"title": "x"}, Episode.WINDOW),
    ],
)
def test_the_episode(document: dict[str, str], episode: Episode) -> None:
    assert one(FORMAT, document).episode is episode


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"key": "k", "title": "91 % full"}, {"key": "k", "title": "92 % full", "labels": {"a": "b"}}, True),
        ({"key": "k", "title": "x"}, {"key": "l", "title": "x"}, False),
        ({"key": "k", "title": "x"}, {"title": "x"}, False),
        ({"title": "x", "labels": {"a": "b"}}, {"title": "x", "labels": {"a": "b"}, "severity": "high"}, True),
        ({"title": "x", "labels": {"a": "b"}}, {"title": "y", "labels": {"a": "b"}}, False),
        ({"title": "x", "labels": {"a": "b"}}, {"title": "x", "labels": {"a": "c"}}, False),
        ({"title": "x", "labels": {"replica": "a"}}, {"title": "x", "labels": {"replica": "b"}}, True),
    ],
)
def test_identity_is_the_key_else_labels_and_title(first: object, second: object, same: bool) -> None:
    assert (row_of(first)[0].fingerprint == row_of(second)[0].fingerprint) is same


def test_resolved_by_key_goes_everywhere_and_needs_no_title() -> None:
    firing = mapped(raw({"key": "k", "title": "x", "service": "s"}), partitions=4)
    resolved = mapped(raw({"key": "k", "status": "resolved"}), partitions=4)
    assert sorted(resolved.batches) == [0, 1, 2, 3]
    ((partition,),) = [list(firing.batches)]
    (row,) = rows(resolved, partition)
    assert row.fingerprint == rows(firing, partition)[0].fingerprint
    assert (row.partition_key, row.body, row.status) == ("", b"", AlertStatus.RESOLVED)


@pytest.mark.parametrize(
    ("ends_at", "status", "expires_at"),
    [
        (ENDED, AlertStatus.RESOLVED, None),
        ("2026-11-21T10:00:00Z", AlertStatus.RESOLVED, None),
        ("2026-11-21T10:00:01Z", AlertStatus.FIRING, NOW + timedelta(seconds=1)),
        (None, AlertStatus.FIRING, None),
    ],
)
def test_the_end(ends_at: str | None, status: AlertStatus, expires_at: datetime | None) -> None:
    alert = one(FORMAT, {"title": "x", "ends_at": ends_at})
    assert (alert.status, alert.expires_at) == (status, expires_at)


def test_a_keyed_alert_stays_in_its_partition_when_its_title_changes() -> None:
    keys = {row_of({"key": "k", "title": title})[0].partition_key for title in ("91 % full", "92 % full")}
    assert len(keys) == 1


def test_annotations_may_name_links() -> None:
    said = body(one(FORMAT, {"title": "x", "annotations": {"runbook_url": "https://r.example.com"}}))
    assert said.links == {"runbook": "https://r.example.com"}


@pytest.mark.parametrize(
    ("document", "word", "message"),
    [
        ({"severity": "high"}, "missing_title", "title: required, unless there is a label `alertname`"),
        ({"title": " \n"}, "missing_title", "title: required, unless there is a label `alertname`"),
        (native(sevrity="x"), "unknown_field", "unknown field 'sevrity', did you mean 'severity'?"),
        (native(startsAt="x"), "unknown_field", "unknown field 'startsAt', did you mean 'starts_at'?"),
        (native(**{"starts-at": "x"}), "unknown_field", "unknown field 'starts-at', did you mean 'starts_at'?"),
        (native(message="x"), "unknown_field", "unknown field 'message', did you mean 'title'?"),
        (
            native(description="x"),
            "unknown_field",
            "unknown field 'description', did you mean 'annotations.description'?",
        ),
        (native(status="ok"), "bad_value", "status: must be 'firing' or 'resolved', is 'ok'"),
        (native(status="acknowledged"), "bad_value", "status: must be 'firing' or 'resolved', is 'acknowledged'"),
        (native(title=3), "bad_type", "title: must be a string, is a number"),
        (native(key=True), "bad_type", "key: must be a string, is a boolean"),
        (native(labels=[]), "bad_type", "labels: must be an object, is a list"),
        (native(labels={"a": None}), "bad_type", "labels.a: must be a string, is null"),
        (
            native(links={"x": "javascript:alert(1)"}),
            "bad_value",
            "links.x: 'javascript:alert(1)' is no http or https URL",
        ),
        (
            native(starts_at="2026-11-21T09:58:12"),
            "bad_instant",
            "starts_at: '2026-11-21T09:58:12' has no time zone; end it with Z or an offset",
        ),
        (
            native(starts_at="1969-11-21T09:58:12Z"),
            "bad_instant",
            "starts_at: '1969-11-21T09:58:12Z' is not between 1970 and 9000",
        ),
        (native(ends_at="2026-11-21T09:00:00Z"), "ends_before_start", "ends_at: lies before starts_at"),
    ],
)
def test_what_is_wrong_is_said(document: object, word: str, message: str) -> None:
    assert rejected(FORMAT, document) == (word, message)


def test_an_unknown_field_like_no_other_lists_the_known_ones() -> None:
    word, message = rejected(FORMAT, native(qqqq=1))
    assert word == "unknown_field"
    assert message.startswith("unknown field 'qqqq'; known are title, labels, ")


def test_in_a_list_the_item_is_named() -> None:
    assert rejected(FORMAT, [without(native(), "title")])[1].startswith("[0].title: required")
    assert rejected(FORMAT, [native(sevrity="x")])[1].startswith("[0]: unknown field 'sevrity'")
    assert rejected(FORMAT, ["x"])[1] == "[0]: must be an object, is a string"
