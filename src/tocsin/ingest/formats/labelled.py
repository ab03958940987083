"""What Alertmanager's two shapes have in common: labels and annotations in, an `AlertBody` out.

Alertmanager does not send again after a 4xx, so nothing here is refused for its size: `limits.encoded` cuts later, and
`shrunk` makes an item fit a raw record before it is published. It does not know the envelope.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from tocsin.domain.alert import AlertBody
from tocsin.domain.errors import Reject
from tocsin.domain.ids import short_hash
from tocsin.domain.severity import DEFAULT, Severity, severity_of
from tocsin.ingest.limits import LABELS_MAX, NAME_BYTES_MAX, TITLE_MAX, WORD_MAX, bounded, shorter
from tocsin.ingest.reading import is_link, one_line, text_of, texts_of

ALERTS_MAX: Final = 100_000
"""Alerts of one request: 32 MB hold fewer real ones, and each costs time while others wait."""
CUT_MARK: Final = "tocsin_cut"
"""Field of a published item that `shrunk` has cut: the names of its fields."""
LINKS: Final = {
    "generatorURL": "generator",
    "dashboardURL": "dashboard",
    "panelURL": "panel",
    "silenceURL": "silence",
    "imageURL": "image",
}
"""Fields of an item (the last four: Grafana) to names of links."""
_LINK_ANNOTATIONS: Final = {"runbook_url": "runbook", "dashboard_url": "dashboard"}
_KEPT: Final = frozenset({"status", "startsAt", "endsAt"})
_STEPS: Final = (4096, 1024, 256, 64)
"""Bytes a value in `shrunk`, tried one after the other."""


def labels_of(item: dict[str, Any]) -> dict[str, str]:
    """The labels of an item, without empty ones.

    Raises:
        Reject: they are no texts, or there are none.
    """
    labels = texts_of(item, "labels")
    if not labels:
        raise Reject("no_labels", "labels: at least one label with a value is required")
    return labels


def severity_among(labels: Mapping[str, str], own: dict[str, Severity]) -> Severity:
    """By the label `severity`, else `priority`."""
    word = labels.get("severity") or labels.get("priority")
    return severity_of(word, own) if word else DEFAULT


def service_among(labels: Mapping[str, str]) -> str:
    """By the label `service`, else `job`, else `app`."""
    return labels.get("service") or labels.get("job") or labels.get("app") or ""


def title_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """One line: the annotation `summary` or `title`, else the alert's name and where it is, else its labels."""
    text = annotations.get("summary") or annotations.get("title")
    if not text:
        name, place = labels.get("alertname"), labels.get("instance")
        if not name:
            text = ", ".join(f"{label}={value}" for label, value in sorted(labels.items())[:LABELS_MAX])
        else:
            text = f"{name} on {place}" if place else name
    text = one_line(text) or "alert without a title"
    return text if len(text) <= TITLE_MAX else f"{text[: TITLE_MAX - 1]}…"


def body_of(
    item: dict[str, Any],
    labels: dict[str, str],
    source: str,
    severities: dict[str, Severity],
    group_labels: dict[str, str] | None = None,
) -> AlertBody:
    """What one item says, uncut.

    Raises:
        Reject: a field has the wrong type.
    """
    annotations = texts_of(item, "annotations")
    links: dict[str, str] = {}
    for name, link in _LINK_ANNOTATIONS.items():
        if (url := annotations.get(name)) and is_link(url):
            links[link] = url
    for field, link in LINKS.items():
        if field in item and is_link(given := text_of(item, field)):
            links[link] = given
    return AlertBody(
        title=title_of(labels, annotations),
        severity=severity_among(labels, severities),
        category=bounded(labels.get("category", "")),
        service=bounded(service_among(labels)),
        source=source,
        correlation_id=bounded(labels.get("correlation_id", "")),
        labels=labels,
        annotations=annotations,
        links=links,
        group_labels=group_labels,
        cut=_marks(item[CUT_MARK]) if CUT_MARK in item else (),
    )


def _marks(value: object) -> tuple[str, ...]:
    if type(value) is not list:
        return ()
    return tuple(name for name in value[: len(LINKS)] if type(name) is str and len(name) <= WORD_MAX)


def shrunk(item: Any, bytes_max: int) -> Any:
    """A valid item that encodes to at most `bytes_max` (>= 128 KB) bytes of JSON, with `CUT_MARK` naming what was cut.

    Different labels stay different: a cut value ends with a hash of the whole, and labels beyond the limit become one.
    """
    urls = {field: item[field] for field in LINKS if 0 < len(item.get(field) or "") <= _STEPS[0]}
    small = {name: value for name, value in item.items() if name in _KEPT and len(value or "") <= WORD_MAX} | urls
    for limit in _STEPS:
        found = dict(small)
        for field in ("labels", "annotations"):
            values = item.get(field) or {}
            found[field] = shrunk_values(values, limit)
        marks = [field for field in ("labels", "annotations") if found[field] != (item.get(field) or {})]
        found[CUT_MARK] = sorted({*_marks(item.get(CUT_MARK)), *marks})
        if len(orjson.dumps(found)) <= bytes_max:
            break
    return found


def shrunk_values(values: Mapping[str, str], bytes_max: int) -> dict[str, str]:
    """At most `LABELS_MAX` + 1 values of about `bytes_max` bytes; the last stands for those left out."""
    names = sorted(name for name in values if len(name.encode()) <= NAME_BYTES_MAX)[:LABELS_MAX]
    kept = {name: _with_hash(values[name], bytes_max) for name in names}
    if len(names) < len(values):
        rest = sorted((name, value) for name, value in values.items() if name not in kept)
        kept["tocsin_rest"] = short_hash(*(text for pair in rest for text in pair))
    return kept


def _with_hash(value: str, bytes_max: int) -> str:
    return value if len(value.encode()) <= bytes_max else f"{shorter(value, bytes_max)}~{short_hash(value)}"
