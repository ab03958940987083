"""Realistic bodies of every format, and short ways to give them to intake and map."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from tocsin.domain.alert import AlertBody, Sighting
from tocsin.domain.errors import Reject
from tocsin.domain.rules import Rules
from tocsin.ingest.formats.registry import named
from tocsin.ingest.intake import Intake, IntakeRecord, take
from tocsin.ingest.map import Ingest
from tocsin.ingest.reading import Context, ReadAlert
from tocsin.stage import Mapped, RawRecord
from tocsin.topics import RAW
from tocsin.wire.normalized import body_of, decode_batch

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STARTED = "2026-11-21T09:58:12.345678901Z"
ENDED = "2026-11-21T09:59:00Z"
ZERO = "0001-01-01T00:00:00Z"
ROUTING_KEY = "c0ffee00c0ffee00c0ffee00c0ffee00"


def labels(**more: str) -> dict[str, str]:
    return {
        "alertname": "HighRequestLatency",
        "severity": "critical",
        "cluster": "eu-1",
        "service": "checkout",
        "instance": "10.1.0.7:9100",
        **more,
    }


def webhook_alert(**more: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": labels(),
        "annotations": {
            "summary": "p99 over 2 s",
            "description": "For ten minutes.",
            "runbook_url": "https://runbooks.example.com/latency",
            "dashboard_url": "https://grafana.example.com/d/1",
        },
        "startsAt": STARTED,
        "endsAt": ZERO,
        "generatorURL": "https://prometheus.example.com/graph?g0.expr=x",
        "fingerprint": "9f6c1d5b3a2e4f70",
        **more,
    }


def webhook(*alerts: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighRequestLatency"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": {"alertname": "HighRequestLatency"},
        "commonLabels": labels(),
        "commonAnnotations": {},
        "externalURL": "https://alertmanager.example.com",
        "alerts": list(alerts) if alerts else [webhook_alert()],
        **more,
    }


def grafana(**more: Any) -> dict[str, Any]:
    alert = webhook_alert(
        values={"A": 1.5, "B": {"nested": [1]}},
        silenceURL="https://grafana.example.com/alerting/silence/new",
        dashboardURL="https://grafana.example.com/d/2",
        panelURL="https://grafana.example.com/d/2?viewPanel=3",
        imageURL="",
    )
    return webhook(alert, version="1", orgId=1, title="[FIRING:1]", state="alerting", message="x", **more)


def api_v2_alert(**more: Any) -> dict[str, Any]:
    return {
        "labels": labels(),
        "annotations": {"summary": "p99 over 2 s"},
        "startsAt": STARTED,
        "endsAt": "2026-11-21T10:02:00Z",
        "generatorURL": "https://prometheus.example.com/graph?g0.expr=x",
        **more,
    }


def native(**more: Any) -> dict[str, Any]:
    return {
        "title": "Checkout is slow",
        "labels": {"cluster": "eu-1"},
        "annotations": {"description": "For ten minutes."},
        "status": "firing",
        "severity": "critical",
        "category": "performance",
        "service": "checkout",
        "source": "probe",
        "correlation_id": "release-42",
        "key": "checkout-latency",
        "starts_at": "2026-11-21T09:58:12Z",
        "links": {"runbook": "https://runbooks.example.com/latency"},
        **more,
    }


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def trigger(**more: Any) -> dict[str, Any]:
    return {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": "checkout-latency",
        "payload": {
            "summary": "p99 over 2 s",
            "source": "checkout-1",
            "severity": "critical",
            "timestamp": "2026-11-21T09:58:12.345+0000",
            "component": "checkout",
            "group": "shop",
            "class": "latency",
            "custom_details": {"p99": 2.4, "note": "For ten minutes.", "pods": ["a", "b"]},
        },
        "client": "Probe",
        "client_url": "https://probe.example.com/7",
        "links": [{"href": "https://runbooks.example.com/latency", "text": "Runbook"}],
        "images": [{"src": "https://probe.example.com/7.png"}],
        **more,
    }


def event(data: Any = None, **more: Any) -> dict[str, Any]:
    """A CloudEvent in structured mode, by default of a native alert."""
    return {
        "specversion": "1.0",
        "id": "7d1f",
        "source": "/probes/eu-1",
        "type": "com.example.latency.exceeded",
        "subject": "checkout",
        "time": "2026-11-21T09:58:12Z",
        "datacontenttype": "application/json",
        "data": native() if data is None else data,
        **more,
    }


def payload(**more: Any) -> dict[str, Any]:
    return {**trigger()["payload"], **more}


def bytes_of(document: Any) -> bytes:
    return document if isinstance(document, bytes) else orjson.dumps(document)


def taken(document: Any, format: str | None = None, partitions: int | None = 1, seed: str = "seed") -> Intake:
    return take(bytes_of(document), format=format, received_at=NOW, seed=seed, partitions=partitions)


def read(format: str, document: Any, **context: Any) -> list[ReadAlert | Reject]:
    """As `map` reads it: through JSON, so that tests cannot pass objects that JSON has not."""
    return named(format).read(orjson.loads(bytes_of(document)), Context(received_at=NOW, **context))


def one(format: str, document: Any, **context: Any) -> ReadAlert:
    (item,) = read(format, document, **context)
    assert isinstance(item, ReadAlert), item
    return item


def body(alert: ReadAlert) -> AlertBody:
    assert alert.body is not None
    return alert.body


def rejected(format: str, document: Any) -> tuple[str, str]:
    (item,) = read(format, document)
    assert isinstance(item, Reject), item
    return item.word, str(item)


def raw(value: Any, offset: int = 0, format: str | None = None, **more: Any) -> RawRecord:
    headers = () if format is None else (("tocsin_format", format.encode()),)
    record = RawRecord(RAW.name, 0, "inc", offset, NOW, bytes_of(value), headers)
    return msgspec.structs.replace(record, **more)


def published(record: IntakeRecord, offset: int = 0) -> RawRecord:
    return raw(record.value, offset, record.format)


def mapped(*records: RawRecord, partitions: int = 1, rules: Rules | None = None) -> Mapped:
    return Ingest(partitions).map(records, rules or Rules())


def rows(result: Mapped, partition: int = 0) -> list[Sighting]:
    return [row for value in result.batches.get(partition, []) for row in decode_batch(value)]


def row_of(value: Any, format: str | None = None, **more: Any) -> tuple[Sighting, AlertBody]:
    """The one row of a record with one alert, through the wire, and its body."""
    result = mapped(raw(value, format=format), **more)
    assert result.rejected == []
    (row,) = rows(result)
    return row, body_of(row)
