"""What the acceptance tester says and hears over HTTP: alerts as foreign sources send them, answers taken apart.

In: a run's own word, so that nothing of two runs is the same; answers. Out: requests; bodies, or `Unmet`.
"""

import time
from collections.abc import Iterator
from typing import Any

import httpx


class Unmet(Exception):
    """A scenario did not go as it should; the message says what was expected and what was there."""


def expect(holds: bool, what: str) -> None:
    """Nothing when it holds.

    Raises:
        Unmet: it does not.
    """
    if not holds:
        raise Unmet(f"expected: {what}" if not what.startswith("needs ") else what)


def body_of(answer: httpx.Response, expected: tuple[int, ...]) -> Any:
    """The JSON of an answer.

    Raises:
        Unmet: it has another status, or is not JSON.
    """
    if answer.status_code not in expected:
        raise Unmet(
            f"{answer.request.method} {answer.request.url.path}: expected {' or '.join(map(str, expected))},"
            f" got {answer.status_code}: {answer.text[:300]}"
        )
    try:
        return answer.json() if answer.content else None
    except ValueError:
        raise Unmet(f"{answer.request.url} is no tocsin: its answer is not JSON") from None


def alerts_of_sources(run: str) -> Iterator[tuple[str, str, dict[str, Any], Any, str]]:
    """(source, path, parameters, body, title) of one alert as each kind of source sends it."""

    def labels(source: str) -> dict[str, str]:
        name = f"acceptance-{source}-{run}"
        return {"alertname": name, "service": name, "severity": "low", "tocsin_test": "true"}

    name = f"acceptance-prometheus-{run}"
    yield "Prometheus", "/api/v2/alerts", {}, [{"labels": labels("prometheus")}], name
    name = f"acceptance-alertmanager-{run}"
    webhook = {
        "version": "4",
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": {"alertname": name},
        "commonLabels": labels("alertmanager"),
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.invalid",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
        "alerts": [
            {
                "status": "firing",
                "labels": labels("alertmanager"),
                "annotations": {},
                "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": "0000000000000000",
            }
        ],
    }
    yield "Alertmanager", "/api/v1/alerts", {}, webhook, name
    name = f"acceptance-pagerduty-{run}"
    enqueue = {
        "routing_key": "acceptance",
        "event_action": "trigger",
        "dedup_key": name,
        "payload": {"summary": name, "source": name, "severity": "warning"},
    }
    yield "PagerDuty", "/v2/enqueue", {}, enqueue, name
    name = f"acceptance-cloudevents-{run}"
    event = {
        "specversion": "1.0",
        "id": name,
        "source": "/acceptance",
        "type": "org.example.alert",
        "datacontenttype": "application/json",
        "data": {"title": name, "severity": "low", "labels": labels("cloudevents")},
    }
    yield "CloudEvents", "/api/v1/alerts", {"format": "cloudevents"}, event, name
    name = f"acceptance-report-{run}"
    report = {"title": name, "severity": "low", "source": "customer report", "labels": labels("report")}
    yield "a customer's report", "/api/v1/alerts", {}, report, name
