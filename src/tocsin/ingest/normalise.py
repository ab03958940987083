"""From what a source said to one row of a normalized batch: fingerprint, partition key, encoded body.

In: a `ReadAlert`. Out: a `Statement`. What identifies an alert and where it goes depends
on no order of labels and is taken before anything is cut. The partition key is fixed for the life of the topics
(PROTOCOL §4): changing what `partition_key` returns is a migration.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.domain import ids
from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.instant import Instant
from tocsin.domain.rules import IngestRules
from tocsin.ingest import limits
from tocsin.ingest.reading import ReadAlert
from tocsin.wire.normalized import Statement

KEY_MAX: Final = 512
"""Characters of a partition key: it is in every row and in events. A longer one ends in its hash."""


def fingerprint(alert: ReadAlert, rules: IngestRules) -> str:
    """Hash of what identifies the alert; names in `rules.ignore_labels` do not."""
    return ids.fingerprint(alert.identity, rules.ignore_labels)


def partition_key(alert: ReadAlert, rules: IngestRules) -> str:
    """What the alert is partitioned by; rules group only within it. Never empty, at most `KEY_MAX` characters.

    `rules.partition_by`, if it gives a value; else correlation id; cluster and service; cluster, namespace and job; the
    alert's name; its key; its title.
    """
    body = alert.body
    assert body is not None, "a row that can name only a key has no partition"
    labels = body.labels
    if rules.partition_by:
        values = [_value(alert, name) for name in rules.partition_by]
        if any(values):
            return _rendered("by", values)
    if alert.correlation_id:
        return ids.correlation_partition_key(alert.correlation_id)
    if alert.service:
        return _rendered("service", (labels.get("cluster", ""), alert.service))
    if job := labels.get("job"):
        return _rendered("job", (labels.get("cluster", ""), labels.get("namespace", ""), job))
    if name := labels.get("alertname"):
        return _rendered("alertname", (name,))
    if alert.episode is Episode.KEYED or alert.keyed:
        # The title of a keyed alert may change from one sending to the next ("91 % full", "92 % full").
        return _rendered("key", (ids.fingerprint(alert.identity),))
    return _rendered("title", (body.title,))


def source_key(alert: ReadAlert) -> str:
    """What the raw topic is partitioned by when the source does not group: firing and resolved get the same key."""
    if alert.body is None or alert.episode is Episode.KEYED or alert.keyed:
        return _rendered("key", (ids.fingerprint(alert.identity),))
    return partition_key(alert, _DEFAULT)


def group_key(labels: dict[str, str]) -> str:
    """What the raw topic is partitioned by when the source groups: its group labels, in any order."""
    return _rendered("group", [text for pair in sorted(labels.items()) for text in pair])


def statement(alert: ReadAlert, rules: IngestRules, fingerprint: str = "") -> Statement:
    """What the alert says, in the words that a batch carries. `fingerprint`, if it is known already."""
    body = alert.body
    return Statement(
        fingerprint or ids.fingerprint(alert.identity, rules.ignore_labels),
        alert.status,
        alert.episode,
        alert.starts_at,
        "" if body is None else partition_key(alert, rules),
        alert.correlation_id,
        alert.actor,
        b"" if body is None else limits.encoded(body),
    )


def expiry(alert: ReadAlert) -> Instant | None:
    """When the sighting runs out by itself: only what fires can."""
    return alert.expires_at if alert.status is AlertStatus.FIRING else None


_DEFAULT: Final = IngestRules()


def _value(alert: ReadAlert, name: str) -> str:
    body = alert.body
    assert body is not None
    if name == "service":
        return alert.service
    if name == "correlation_id":
        return alert.correlation_id
    if name == "title":
        return body.title
    return body.labels.get(name, "")


def _rendered(word: str, parts: Sequence[str]) -> str:
    """`word:part/part`, readable, and different for different parts: a slash within a part is escaped."""
    text = "/".join(parts)
    if "%" in text or text.count("/") >= len(parts):
        text = "/".join(map(ids.escaped, parts))
    return limits.bounded(f"{word}:{text}", KEY_MAX)
