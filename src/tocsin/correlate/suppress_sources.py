"""Which firing alerts keep others quiet: the sources of inhibition, found by what their targets have in common with
them.

In: members as they come, end and go, each until its incident is closed; the inhibitions in force. Out: the inhibition
that an alert is a target of, and the partition keys whose alerts have to be looked at again. Invariant: this is an
index that can be made anew from the members at any time; it takes no part in comparisons. Without inhibitions it does
not exist.

As in Alertmanager, an alert that is both source and target of a rule is no target of other such alerts.
"""

from collections.abc import Mapping

import msgspec

from tocsin.domain.rules import Inhibition
from tocsin.domain.suppression import matches_all

_labels: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
_Place = tuple[str, int, tuple[str, ...], bool]
"""Partition key, number of the inhibition, values of its `equal` labels, whether the source is a target, too."""


def labels_of(encoded: bytes) -> dict[str, str]:
    """The labels that a member keeps."""
    return _labels.decode(encoded) if encoded else {}


class Sources:
    """The firing sources of one partition."""

    __slots__ = ("_by_alert", "_firing", "flipped", "incidents", "inhibitions")

    def __init__(self, inhibitions: tuple[Inhibition, ...]) -> None:
        self.inhibitions = inhibitions
        self.incidents: dict[str, dict[str, None]] = {}
        """Partition key -> incident ids in the order of their opening."""
        self.flipped: dict[str, None] = {}
        """Partition keys in which the first source came or the last one went since somebody looked."""
        self._firing: dict[_Place, dict[str, None]] = {}
        self._by_alert: dict[str, list[_Place]] = {}

    def opened(self, incident_id: str, partition_key: str) -> None:
        self.incidents.setdefault(partition_key, {})[incident_id] = None

    def dropped(self, incident_id: str, partition_key: str) -> None:
        ids = self.incidents.get(partition_key, {})
        ids.pop(incident_id, None)
        if not ids:
            self.incidents.pop(partition_key, None)

    def add(self, alert_id: str, partition_key: str, labels: Mapping[str, str]) -> None:
        """A member fires."""
        for number, rule in enumerate(self.inhibitions):
            if not matches_all(rule.source, labels):
                continue
            place = (partition_key, number, _values(rule, labels), matches_all(rule.target, labels))
            firing = self._firing.setdefault(place, {})
            if not firing:
                self.flipped[partition_key] = None
            firing[alert_id] = None
            self._by_alert.setdefault(alert_id, []).append(place)

    def end(self, alert_id: str) -> None:
        """A member does not fire any more, or is gone."""
        for place in self._by_alert.pop(alert_id, ()):
            firing = self._firing[place]
            del firing[alert_id]
            if not firing:
                del self._firing[place]
                self.flipped[place[0]] = None

    def inhibits(self, partition_key: str, labels: Mapping[str, str]) -> str | None:
        """Name of the first inhibition that keeps an alert with `labels` quiet."""
        names = [
            rule.name
            for number, rule in enumerate(self.inhibitions)
            if matches_all(rule.target, labels) and self._fires(partition_key, number, rule, labels)
        ]
        return min(names, default=None)

    def _fires(self, partition_key: str, number: int, rule: Inhibition, labels: Mapping[str, str]) -> bool:
        values = _values(rule, labels)
        if (partition_key, number, values, False) in self._firing:
            return True
        return (partition_key, number, values, True) in self._firing and not matches_all(rule.source, labels)


def _values(rule: Inhibition, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([labels.get(name, "") for name in rule.equal])
