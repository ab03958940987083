"""What must come of the alerts that were sent, counted plainly, and whether the events of the incidents say the same.

In: the values of the raw records; the records of `incidents.events.v1`. Out: problems, one sentence each. Groups are
those of the default settings for this traffic: `alertname` and `service`. No code of tocsin.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

OPENED: Final = b"tocsin.incident.opened.v1"
SEEN_FIRST: Final = frozenset(
    {OPENED, b"tocsin.incident.alert_attached.v1", b"tocsin.incident.late_amended.v1", b"tocsin.incident.reopened.v1"}
)
TALLIED: Final = b"tocsin.journal.tallied.v1"
SHOWN_MAX: Final = 5
"""Problems of one kind that are told; the rest is counted."""

Labels = tuple[tuple[str, str], ...]


class Sent:
    """Counts of what was sent."""

    def __init__(self) -> None:
        self.alerts: Counter[Labels] = Counter()

    def add(self, values: Iterable[bytes]) -> None:
        for value in values:
            for alert in orjson.loads(value)["alerts"]:
                self.alerts[tuple(sorted(alert["labels"].items()))] += 1

    @property
    def groups(self) -> set[tuple[str, str]]:
        return {(labels["alertname"], labels["service"]) for labels in map(dict, self.alerts)}


class Found:
    """Counts of what the events say. `add` takes records in the order of their partitions."""

    def __init__(self) -> None:
        self.opened: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self._labels: dict[str, Labels] = {}
        self._sightings: Counter[str] = Counter()
        self._first: Counter[Labels] = Counter()

    @property
    def sightings(self) -> int:
        """Alerts that the events count."""
        return self._sightings.total()

    def add(self, record: Any) -> None:
        """Records that do not count are left out: `ce_sequence` is not their offset."""
        headers = dict(record.headers)
        if int(headers["ce_sequence"]) != record.offset:
            return
        kind = headers["ce_type"]
        self.kinds[kind.decode().removeprefix("tocsin.")] += 1
        if kind == TALLIED:
            for alert_id, count, *_ in orjson.loads(record.value)["tallies"]:
                self._sightings[alert_id] += count
        elif kind in SEEN_FIRST:
            event = orjson.loads(record.value)
            alert = event["alert"]
            labels = tuple(sorted(alert["labels"].items()))
            self._labels[alert["alert_id"]] = labels
            self._sightings[alert["alert_id"]] += 1
            self._first[labels] += 1
            if kind == OPENED:
                self.opened[dict(labels)["alertname"], dict(labels)["service"]] += 1

    def problems(self, sent: Sent) -> list[str]:
        """Where it differs from what was sent; empty when every alert is counted exactly once in one incident."""
        counted: Counter[Labels] = Counter()
        found = []
        for alert_id, count in self._sightings.items():
            if alert_id in self._labels:
                counted[self._labels[alert_id]] += count
            else:
                found.append(f"{count} repeats of {alert_id}, which was never attached")
        found += [f"{dict(labels)} was sent {count} times, counted {counted[labels]} times"
                  for labels, count in sent.alerts.items() if counted[labels] != count]  # fmt: skip
        found += [f"{dict(labels)} was never sent" for labels in counted.keys() - sent.alerts.keys()]
        found += [f"{dict(labels)} began {count} times" for labels, count in self._first.items() if count > 1]
        groups = sent.groups
        found += [f"{group} opened {self.opened[group]} incidents" for group in groups if self.opened[group] != 1]
        found += [f"{group} was not sent and has an incident" for group in self.opened.keys() - groups]
        return [*found[:SHOWN_MAX], f"{len(found)} problems in all"] if len(found) > SHOWN_MAX else found
