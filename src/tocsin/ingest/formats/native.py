"""tocsin's own JSON alert: one object or a list of them, strict, with errors that name the nearest right field.

In: `title` (or `labels.alertname`), and what else is known. Out: one alert each. Identity is `key`, else labels and
title. It fires until it is resolved, unless the source gives an `ends_at` in the future.
"""

from difflib import get_close_matches
from typing import Any, Final

from tocsin.domain.alert import AlertBody, AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.domain.severity import severity_of
from tocsin.ingest.formats import labelled
from tocsin.ingest.limits import NAME_BYTES_MAX, TITLE_MAX, WORD_MAX, check_body, check_length, check_values
from tocsin.ingest.reading import (
    Context,
    Item,
    ReadAlert,
    at,
    instant_of,
    is_link,
    object_of,
    one_line,
    shown,
    text_of,
    texts_of,
)  # fmt: skip

NAME: Final = "native"
CUTS: Final = False
ALERTS_MAX: Final = 10_000
"""Alerts of one list: naming the nearest field costs 0.1 ms for each that is wrong."""
FIELDS: Final = (
    "title", "labels", "annotations", "status", "severity", "category", "service", "source", "correlation_id", "key",
    "starts_at", "ends_at", "links",
)  # fmt: skip
_FIELD_SET: Final = frozenset(FIELDS)
_MEANT: Final = {
    "summary": "title", "message": "title", "name": "title", "alertname": "labels.alertname",
    "description": "annotations.description", "tags": "labels", "priority": "severity", "level": "severity",
    "dedup_key": "key", "id": "key", "url": "links", "generatorURL": "links.generator",
}  # fmt: skip
"""What people write who mean one of ours, where the spelling does not show it."""
_STATUS: Final = {"": AlertStatus.FIRING, "firing": AlertStatus.FIRING, "resolved": AlertStatus.RESOLVED}


def looks_like(document: Any) -> bool:
    """A list, or an object with one of the fields."""
    return type(document) is list or (type(document) is dict and not _FIELD_SET.isdisjoint(document))


def items(document: Any) -> list[Any]:
    """The alerts, unread.

    Raises:
        Reject: it is neither an object nor a list, or the list is too long.
    """
    if type(document) is dict:
        return [document]
    if type(document) is not list:
        raise Reject("bad_shape", "an alert is an object; several are a list of objects")
    if len(document) > ALERTS_MAX:
        raise Reject("too_many", f"{len(document)} alerts; at most {ALERTS_MAX} are allowed")
    return document


def rebuilt(document: Any, kept: list[Any]) -> Any:
    return kept if type(document) is list else kept[0]


def prepared(document: Any, seed: str) -> Any:
    return document


def shrunk(item: Any, bytes_max: int) -> Any:
    return item


def group_of(document: Any) -> dict[str, str] | None:
    return None


def read(document: Any, context: Context) -> list[Item]:
    """One alert or one reason per item.

    Raises:
        Reject: the whole is neither an alert nor a list.
    """
    found: list[Item] = []
    for place, item in enumerate(items(document)):
        try:
            found.append(_alert(item, context))
        except Reject as reject:
            found.append(at(f"[{place}]", reject) if type(document) is list else reject)
    return found


def _alert(item: Any, context: Context) -> ReadAlert:
    document = object_of(item, "")
    if not _FIELD_SET.issuperset(document):
        raise _unknown_field(next(name for name in document if name not in _FIELD_SET))
    key = _word(document, "key")
    status = _status(document)
    starts_at = instant_of(document, "starts_at", strict=True)
    ends_at = instant_of(document, "ends_at", strict=True)
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        raise Reject("ends_before_start", "ends_at: lies before starts_at")
    if ends_at is not None and ends_at <= context.received_at:
        status = AlertStatus.RESOLVED
    resolved = status is AlertStatus.RESOLVED
    body = _body(document, context, optional_title=bool(key) and resolved)
    unnamed = Episode.KEYED if key else Episode.WINDOW
    return ReadAlert(
        status=status,
        episode=unnamed if starts_at is None else Episode.STARTS_AT,
        identity=_identity(document, key, body),
        keyed=bool(key),
        starts_at=starts_at,
        expires_at=None if resolved else ends_at,
        # Identity is the key alone, so the partition of the firing alert cannot be told from this one's labels.
        body=None if key and resolved else body,
        service=_word(document, "service") or body.labels.get("service", ""),
        correlation_id=body.correlation_id,
    )


def _identity(document: dict[str, Any], key: str, body: AlertBody) -> dict[str, str]:
    if key:
        return {"\0key": key}
    title = text_of(document, "title")
    return {**body.labels, "\0title": title} if title else body.labels


def _body(document: dict[str, Any], context: Context, *, optional_title: bool) -> AlertBody:
    labels, annotations = texts_of(document, "labels"), texts_of(document, "annotations")
    check_values("labels", labels)
    check_values("annotations", annotations)
    title = text_of(document, "title")
    check_length("title", title, TITLE_MAX)
    if not (one_line(title) or labels.get("alertname") or optional_title):
        raise Reject("missing_title", "title: required, unless there is a label `alertname`")
    word = _word(document, "severity")
    body = AlertBody(
        title=one_line(title) or labelled.title_of(labels, annotations),
        severity=severity_of(word, context.severities) if word else labelled.severity_among(labels, context.severities),
        category=_word(document, "category") or _label_word(labels, "category"),
        service=_word(document, "service") or labelled.service_among(labels),
        source=_word(document, "source") or NAME,
        correlation_id=_word(document, "correlation_id") or _label_word(labels, "correlation_id"),
        labels=labels,
        annotations=annotations,
        links=_links(document, annotations),
    )
    check_length("labels.service", body.service, WORD_MAX)
    check_body(body)
    return body


def _links(document: dict[str, Any], annotations: dict[str, str]) -> dict[str, str]:
    links = texts_of(document, "links")
    check_values("links", links)
    for name, url in links.items():
        if not is_link(url):
            raise Reject("bad_value", f"links.{name}: {shown(url)} is no http or https URL")
    for name, link in (("runbook_url", "runbook"), ("dashboard_url", "dashboard")):
        if is_link(url := annotations.get(name, "")) and link not in links:
            links = {**links, link: url}
    return links


def _word(document: dict[str, Any], field: str) -> str:
    value = text_of(document, field)
    check_length(field, value, WORD_MAX)
    return value.strip()


def _label_word(labels: dict[str, str], name: str) -> str:
    value = labels.get(name, "")
    check_length(f"labels.{name}", value, WORD_MAX)
    return value


def _status(document: dict[str, Any]) -> AlertStatus:
    word = text_of(document, "status")
    found = _STATUS.get(word)
    if found is None:
        raise Reject("bad_value", f"status: must be 'firing' or 'resolved', is {shown(word)}")
    return found


def _unknown_field(name: str) -> Reject:
    nearest = _MEANT.get(name)
    if nearest is None and len(name) <= NAME_BYTES_MAX // 8:
        wanted = name.lower().replace("-", "_")
        nearest = next(iter(get_close_matches(wanted, FIELDS, 1)), None)
    if nearest is None:
        return Reject("unknown_field", f"unknown field {shown(name)}; known are {', '.join(FIELDS)}")
    return Reject("unknown_field", f"unknown field {shown(name)}, did you mean {nearest!r}?")
