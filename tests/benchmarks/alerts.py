"""The alerts that the throughput benchmarks send: raw records, each with alerts of 10 labels and about 0.9 KB.

In: how many, the share of repeats, a seed. Out: record values in Alertmanager's webhook shape, and what must come of
them. A repeat is an alert that was sent before (same labels, same start), chosen by chance among all of them; with
`changing` its description names another value, as a rule with `$value` in its text does. Plain: no code of tocsin.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

GROUP_OF: Final = 10
"""Alerts that make one group where alerts repeat: as one alerting rule fires for some instances of a service."""


@dataclass(frozen=True)
class Traffic:
    """What is sent."""

    count: int
    repeats: float
    """Share of alerts that were sent before, 0 to below 1."""
    seed: int = 1
    per_record: int = 1
    changing: float = 0.0
    """Share of the repeats whose text has changed."""
    grouped: int = GROUP_OF
    """New alerts a group; 1 = each opens an incident of its own."""
    began: datetime = datetime(2026, 11, 21, 10, tzinfo=UTC)

    @property
    def fresh(self) -> int:
        """Alerts that were not sent before."""
        return sum(self.is_new(number) for number in range(self.count))

    @property
    def incidents(self) -> int:
        """Incidents they make when all of them come within ten minutes."""
        return -(-self.fresh // self.grouped)

    def service(self, fresh: int) -> str:
        """The service of new alert number `fresh`; a group has one."""
        return f"service-{self.seed}-{fresh // self.grouped:06d}"

    def is_new(self, number: int) -> bool:
        """Whether alert `number` of all that are sent was not sent before."""
        return int((number + 1) * (1 - self.repeats) + 1e-9) > int(number * (1 - self.repeats) + 1e-9) or number == 0

    def records(self) -> Iterator[bytes]:
        """The values of the raw records, in order."""
        random = Random(self.seed)
        known = 0
        waiting: list[dict[str, Any]] = []
        for number in range(self.count):
            if self.is_new(number):
                waiting.append(self._alert(known, 0))
                known += 1
            else:
                value = number if random.random() < self.changing else 0
                waiting.append(self._alert(random.randrange(known), value))
            if len(waiting) == self.per_record:
                yield _webhook(waiting)
                waiting = []
        if waiting:
            yield _webhook(waiting)

    def _alert(self, number: int, value: int) -> dict[str, Any]:
        service = self.service(number)
        starts_at = (self.began + timedelta(milliseconds=number)).isoformat().replace("+00:00", "Z")
        return {
            "status": "firing",
            "labels": {
                "alertname": "HighRequestLatency",
                "cluster": "eu-west-1",
                "instance": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:9100",
                "job": "checkout-api",
                "namespace": "shop",
                "pod": f"checkout-api-7d9f8b6c5d-{number:07d}",
                "prometheus": "monitoring/k8s",
                "replica": "a",
                "service": service,
                "severity": "critical",
            },
            "annotations": {
                "description": f"The 99th percentile has been over two seconds for ten minutes: {value / 10} now.",
                "runbook_url": "https://runbooks.example.com/checkout/high-request-latency",
                "summary": f"p99 of {service} is over 2 s on pod {number:07d}",
            },
            "startsAt": starts_at,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://prometheus.example.com/graph?g0.expr=histogram_quantile&g0.tab=1",
            "fingerprint": f"{number:016x}",
        }


def _webhook(alerts: list[dict[str, Any]]) -> bytes:
    document = {
        "receiver": "tocsin",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": {name: alerts[0]["labels"][name] for name in ("alertname", "service")}
        if len(alerts) == 1
        else {},
        "externalURL": "https://alertmanager.example.com",
        "version": "4",
        "truncatedAlerts": 0,
    }
    return json.dumps(document, separators=(",", ":")).encode()
