"""PagerDuty Events v2: keys, secrets, and what PagerDuty refuses too."""

from datetime import UTC, datetime

import pytest

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.severity import Severity
from unit.ingest.bodies import (
    ROUTING_KEY,
    body,
    mapped,
    one,
    payload,
    published,
    raw,
    rejected,
    row_of,
    rows,
    taken,
    trigger,
    without,
)

FORMAT = "pagerduty"


def answer(action: str, **more: str) -> dict[str, str]:
    return {"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": "checkout-latency", **more}


def test_a_trigger() -> None:
    row, said = row_of(trigger())
    assert (row.status, row.episode) == (AlertStatus.FIRING, Episode.KEYED)
    assert row.starts_at == datetime(2026, 11, 21, 9, 58, 12, 345000, tzinfo=UTC)
    assert row.expires_at is None
    assert row.partition_key == f"key:{row.fingerprint}"
    assert (said.title, said.severity, said.source) == ("p99 over 2 s", Severity.CRITICAL, "checkout-1")
    assert said.service == "checkout"
    assert said.labels == {"source": "checkout-1", "component": "checkout", "group": "shop", "class": "latency"}
    assert said.annotations == {"p99": "2.4", "note": "For ten minutes.", "pods": '["a","b"]'}
    assert said.links == {"client": "https://probe.example.com/7", "Runbook": "https://runbooks.example.com/latency"}


@pytest.mark.parametrize(
    ("action", "status"), [("acknowledge", AlertStatus.ACKNOWLEDGED), ("resolve", AlertStatus.RESOLVED)]
)
def test_an_answer_goes_to_every_partition_as_the_trigger(action: str, status: AlertStatus) -> None:
    result = mapped(raw(answer(action, client="Probe")), partitions=3)
    assert sorted(result.batches) == [0, 1, 2]
    for partition in range(3):
        (row,) = rows(result, partition)
        assert row.status is status
        assert (row.partition_key, row.body, row.actor) == ("", b"", "Probe")
        assert row.fingerprint == row_of(trigger())[0].fingerprint


def test_the_key_is_scoped_to_the_routing_key() -> None:
    assert row_of(trigger())[0].fingerprint != row_of(trigger(routing_key="other"))[0].fingerprint
    assert row_of(trigger())[0].fingerprint != row_of(trigger(dedup_key="other"))[0].fingerprint
    assert row_of(trigger())[0].fingerprint == row_of(trigger(payload=payload(summary="other")))[0].fingerprint


def test_the_routing_key_is_in_nothing_that_is_made_of_it() -> None:
    intake = taken(trigger())
    result = mapped(published(intake.records[0]))
    assert ROUTING_KEY.encode() not in intake.records[0].value + b"".join(result.batches[0])
    assert ROUTING_KEY not in repr(intake)
    wrong = taken(trigger(payload={}))
    assert wrong.errors
    assert ROUTING_KEY not in repr(wrong)


def test_http_and_the_raw_topic_give_the_same_fingerprint() -> None:
    (row,) = rows(mapped(published(taken(trigger()).records[0])))
    assert row.fingerprint == row_of(trigger())[0].fingerprint


def test_a_trigger_without_key_gets_one_that_is_returned_and_published() -> None:
    intake = taken(without(trigger(), "dedup_key"), seed="a")
    assert intake.dedup_key
    (row,) = rows(mapped(published(intake.records[0])))
    assert row.fingerprint == row_of(trigger(dedup_key=intake.dedup_key))[0].fingerprint
    assert taken(without(trigger(), "dedup_key"), seed="a").dedup_key == intake.dedup_key
    assert taken(without(trigger(), "dedup_key"), seed="b").dedup_key != intake.dedup_key


def test_a_given_key_is_returned() -> None:
    assert taken(trigger()).dedup_key == "checkout-latency"
    assert taken(answer("resolve")).dedup_key == "checkout-latency"
    assert taken(trigger(payload={})).dedup_key == ""


def test_in_the_raw_topic_the_place_gives_the_key() -> None:
    event = without(trigger(), "dedup_key")
    prints = [rows(mapped(raw(event, offset)))[0].fingerprint for offset in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_details_may_name_service_category_and_correlation() -> None:
    details = {"service": "shop", "category": "network", "correlation_id": "c1"}
    row, said = row_of(trigger(payload=payload(custom_details=details)))
    assert (said.service, said.category, row.correlation_id) == ("shop", "network", "c1")
    assert row.partition_key == "correlation:c1"


@pytest.mark.parametrize(
    ("details", "annotations"),
    [
        (None, {}),
        ("", {}),
        ("text", {"details": "text"}),
        ([1], {"details": "[1]"}),
        ({"": "x", "n": None}, {"details": "x"}),
    ],
)
def test_details_of_any_kind(details: object, annotations: dict[str, str]) -> None:
    assert body(one(FORMAT, trigger(payload=payload(custom_details=details)))).annotations == annotations


def test_details_are_cut_because_clients_do_not_send_again() -> None:
    details = {"firing": "x" * 100_000, **{f"n{number}": "x" for number in range(100)}}
    _, said = row_of(trigger(payload=payload(custom_details=details)))
    assert said.cut == ("annotations",)
    assert len(said.annotations) == 64
    assert all(len(value) <= 4096 for value in said.annotations.values())


def test_an_event_larger_than_a_record_is_shrunk() -> None:
    details = {f"n{number}": "\x01" * 9000 for number in range(80)}
    intake = taken(trigger(payload=payload(custom_details=details)))
    assert len(intake.records[0].value) <= 256 * 1024
    (row,) = rows(mapped(published(intake.records[0])))
    assert row.fingerprint == row_of(trigger())[0].fingerprint


def test_links_that_cannot_be_shown_are_left_out() -> None:
    links = [1, {}, {"href": 2}, {"href": "javascript:x"}, {"href": "https://a.example.com"}]
    said = body(one(FORMAT, trigger(links=links, client_url="ftp://x")))
    assert said.links == {"link5": "https://a.example.com"}


@pytest.mark.parametrize(
    ("document", "word", "message"),
    [
        (without(trigger(), "event_action"), "missing_field", "event_action: required"),
        (without(trigger(), "routing_key"), "missing_field", "routing_key: required"),
        (trigger(event_action="x"), "bad_value", "event_action: must be 'trigger', 'acknowledge' or 'resolve', is 'x'"),
        (trigger(event_action=["trigger"]), "bad_type", "event_action: must be a string, is a list"),
        (answer("resolve", dedup_key=""), "missing_field", "dedup_key: required to resolve"),
        (without(answer("acknowledge"), "dedup_key"), "missing_field", "dedup_key: required to acknowledge"),
        (trigger(dedup_key="x" * 256), "too_long", "dedup_key: 256 characters; at most 255 are allowed"),
        (trigger(routing_key="x" * 256), "too_long", "routing_key: 256 characters; at most 255 are allowed"),
        (without(trigger(), "payload"), "bad_type", "payload: must be an object, is null"),
        (trigger(payload=without(payload(), "summary")), "missing_field", "payload.summary: required"),
        (trigger(payload=payload(summary="\n")), "missing_field", "payload.summary: holds nothing that can be shown"),
        (
            trigger(payload=payload(summary="x" * 1025)),
            "too_long",
            "payload.summary: 1025 characters; at most 1024 are allowed",
        ),
        (trigger(payload=without(payload(), "source")), "missing_field", "payload.source: required"),
        (trigger(payload=without(payload(), "severity")), "missing_field", "payload.severity: required"),
        (
            trigger(payload=payload(severity="high")),
            "bad_value",
            "payload.severity: must be one of critical, error, warning, info; is 'high'",
        ),
        (
            trigger(payload=payload(timestamp="now")),
            "bad_instant",
            "payload.timestamp: 'now' is no RFC 3339 instant such as 2026-01-02T03:04:05Z",
        ),
        (trigger(payload=payload(component=1)), "bad_type", "payload.component: must be a string, is a number"),
        (trigger(payload=payload(group="x" * 4097)), "too_long", "payload.group: 4097 bytes; at most 4096 are allowed"),
        (trigger(links={}), "bad_type", "links: must be a list, is an object"),
        (trigger(client=1), "bad_type", "client: must be a string, is a number"),
    ],
)
def test_what_is_wrong_is_said(document: object, word: str, message: str) -> None:
    assert rejected(FORMAT, document) == (word, message)


def test_the_longest_of_everything_is_taken() -> None:
    one(FORMAT, trigger(dedup_key="x" * 255, payload=payload(summary="x" * 1024, group="x" * 4096)))
