"""Alertmanager webhook v4, and Grafana's same shape."""

from datetime import UTC, datetime

import pytest

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.domain.severity import Severity
from unit.ingest.bodies import (
    ENDED,
    NOW,
    ZERO,
    body,
    grafana,
    labels,
    mapped,
    one,
    raw,
    read,
    rejected,
    row_of,
    webhook,
    webhook_alert,
    without,
)  # fmt: skip

FORMAT = "alertmanager"


def test_a_firing_alert() -> None:
    row, said = row_of(webhook())
    assert row.status is AlertStatus.FIRING
    assert row.episode is Episode.STARTS_AT
    assert row.starts_at == datetime(2026, 11, 21, 9, 58, 12, 345678, tzinfo=UTC)
    assert row.expires_at is None
    assert row.received_at == NOW
    assert row.partition_key == "service:eu-1/checkout"
    assert said.title == "p99 over 2 s"
    assert said.severity is Severity.CRITICAL
    assert said.service == "checkout"
    assert said.source == "alertmanager"
    assert said.labels == labels()
    assert said.annotations["description"] == "For ten minutes."
    assert said.links == {
        "generator": "https://prometheus.example.com/graph?g0.expr=x",
        "runbook": "https://runbooks.example.com/latency",
        "dashboard": "https://grafana.example.com/d/1",
    }
    assert said.group_labels == {"alertname": "HighRequestLatency"}
    assert said.cut == ()


def test_each_alert_has_its_own_status() -> None:
    alerts = (webhook_alert(), webhook_alert(status="resolved", endsAt=ENDED))
    assert [item.status for item in read(FORMAT, webhook(*alerts))] == [AlertStatus.FIRING, AlertStatus.RESOLVED]  # type: ignore[union-attr]


def test_an_alert_without_status_has_that_of_the_envelope() -> None:
    alert = without(webhook_alert(), "status")
    assert one(FORMAT, webhook(alert, status="resolved")).status is AlertStatus.RESOLVED
    assert rejected(FORMAT, without(webhook(alert), "status")) == (
        "bad_type",
        "alerts[0].status: must be a string, is null",
    )


@pytest.mark.parametrize("zero", [ZERO, None, "", "1969-12-31T23:59:59Z"])
def test_a_zero_start_is_none_and_the_window_makes_the_episode(zero: str | None) -> None:
    alert = one(FORMAT, webhook(webhook_alert(startsAt=zero)))
    assert (alert.starts_at, alert.episode) == (None, Episode.WINDOW)


@pytest.mark.parametrize(
    ("annotations", "more", "title"),
    [
        ({"summary": "a", "title": "b"}, {}, "a"),
        ({"title": "b"}, {}, "b"),
        ({}, {}, "HighRequestLatency on 10.1.0.7:9100"),
        ({}, {"instance": ""}, "HighRequestLatency"),
        ({}, {"instance": "", "alertname": "", "severity": "", "cluster": ""}, "service=checkout"),
        ({"summary": "two\nlines\u2028and\ttab\x00"}, {}, "two lines and tab"),
        ({"summary": "é" * 1024}, {}, "é" * 1024),
        ({"summary": "é" * 1025}, {}, "é" * 1023 + "…"),
        ({"summary": "\n"}, {}, "alert without a title"),
    ],
)
def test_the_title(annotations: dict[str, str], more: dict[str, str], title: str) -> None:
    alert = one(FORMAT, webhook(webhook_alert(annotations=annotations, labels=labels(**more))))
    assert body(alert).title == title


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({"severity": "page"}, Severity.CRITICAL),
        ({"severity": "Warning "}, Severity.MEDIUM),
        ({"severity": "", "priority": "P2"}, Severity.HIGH),
        ({"severity": "unheard of"}, Severity.MEDIUM),
        ({"severity": ""}, Severity.MEDIUM),
        ({"severity": "SPECIAL"}, Severity.LOW),
    ],
)
def test_the_severity(more: dict[str, str], severity: Severity) -> None:
    alert = one(FORMAT, webhook(webhook_alert(labels=labels(**more))), severities={"special": Severity.LOW})
    assert body(alert).severity is severity


@pytest.mark.parametrize(
    ("more", "service"),
    [({}, "checkout"), ({"service": "", "job": "j", "app": "a"}, "j"), ({"service": "", "app": "a"}, "a")],
)
def test_the_service(more: dict[str, str], service: str) -> None:
    assert body(one(FORMAT, webhook(webhook_alert(labels=labels(**more))))).service == service


def test_category_and_correlation_id_are_labels() -> None:
    alert = one(FORMAT, webhook(webhook_alert(labels=labels(category="database", correlation_id="c1"))))
    assert (body(alert).category, body(alert).correlation_id, alert.correlation_id) == ("database", "c1", "c1")


def test_a_link_that_could_run_is_no_link() -> None:
    alert = webhook_alert(generatorURL="javascript:alert(1)", annotations={"runbook_url": "data:text/html,x"})
    assert body(one(FORMAT, webhook(alert))).links == {}


def test_empty_labels_are_no_labels() -> None:
    assert body(one(FORMAT, webhook(webhook_alert(labels=labels(replica=""))))).labels == labels()


def test_grafana_has_links_of_its_own() -> None:
    _, said = row_of(grafana())
    assert said.source == "grafana"
    assert said.links["silence"] == "https://grafana.example.com/alerting/silence/new"
    assert said.links["dashboard"] == "https://grafana.example.com/d/2"
    assert said.links["panel"] == "https://grafana.example.com/d/2?viewPanel=3"
    assert "image" not in said.links


def test_an_envelope_of_fields_from_the_future_is_read() -> None:
    row_of(webhook(notification_reason="new alerts added", routeLabels={"team": "a"}, more=[{"x": 1}]))


def test_a_webhook_without_alerts_is_nothing() -> None:
    result = mapped(raw(webhook(alerts=[])))
    assert (result.batches, result.rejected, result.received) == ({}, [], {"alertmanager": 0})


@pytest.mark.parametrize(
    ("alert", "word", "message"),
    [
        ("x", "bad_type", "alerts[0]: must be an object, is a string"),
        (webhook_alert(status="ok"), "bad_value", "alerts[0].status: must be 'firing' or 'resolved', is 'ok'"),
        (webhook_alert(labels={}), "no_labels", "alerts[0].labels: at least one label with a value is required"),
        (webhook_alert(labels={"a": ""}), "no_labels", "alerts[0].labels: at least one label with a value is required"),
        (webhook_alert(labels={"a": 1}), "bad_type", "alerts[0].labels.a: must be a string, is a number"),
        (webhook_alert(labels={"": "x"}), "bad_value", "alerts[0].labels: a name is empty"),
        (webhook_alert(annotations=[]), "bad_type", "alerts[0].annotations: must be an object, is a list"),
        (webhook_alert(generatorURL=1), "bad_type", "alerts[0].generatorURL: must be a string, is a number"),
        (
            webhook_alert(startsAt="yesterday"),
            "bad_instant",
            "alerts[0].startsAt: 'yesterday' is no RFC 3339 instant such as 2026-01-02T03:04:05Z",
        ),
    ],
)
def test_what_is_wrong_is_said(alert: object, word: str, message: str) -> None:
    assert rejected(FORMAT, webhook(alert)) == (word, message)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "an Alertmanager webhook is one object with the list `alerts`"),
        ({}, "alerts: must be a list, is null"),
        (webhook(alerts={}), "alerts: must be a list, is an object"),
        (webhook(groupLabels=[]), "groupLabels: must be an object, is a list"),
        (webhook(groupLabels={"a": 1}), "groupLabels.a: must be a string, is a number"),
    ],
)
def test_what_is_no_webhook_is_refused_as_a_whole(document: object, message: str) -> None:
    with pytest.raises(Reject) as caught:
        read(FORMAT, document)
    assert str(caught.value) == message
