"""PagerDuty Events API v2: `trigger`, `acknowledge`, `resolve`.

In: one event. Out: one alert, identified by routing key and dedup key until it is resolved; `acknowledge` and `resolve`
can name only that. Refused is what PagerDuty refuses; `custom_details`, which is free text, is cut instead, because
clients do not send again after a 400. The routing key is a secret: it leaves here only as a hash.
Source: developer.pagerduty.com, "Send an alert event".
"""

from typing import Any, Final

import orjson

from tocsin.domain.alert import AlertBody, AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.domain.ids import short_hash
from tocsin.domain.severity import severity_of
from tocsin.ingest.formats.labelled import CUT_MARK
from tocsin.ingest.limits import (
    LABELS_MAX,
    TITLE_MAX,
    WORD_MAX,
    bounded,
    check_length,
    check_values,
    cut_values,
    within,
)  # fmt: skip
from tocsin.ingest.reading import (
    Context,
    Item,
    ReadAlert,
    bad_type,
    instant_of,
    is_link,
    object_of,
    one_line,
    shown,
    text_of,
)  # fmt: skip

NAME: Final = "pagerduty"
CUTS: Final = False
_STATUS: Final = {
    "trigger": AlertStatus.FIRING,
    "acknowledge": AlertStatus.ACKNOWLEDGED,
    "resolve": AlertStatus.RESOLVED,
}
_SEVERITIES: Final = ("critical", "error", "warning", "info")
_LABELS: Final = ("source", "component", "group", "class")
_SMALL: Final = ("routing_key", "event_action", "dedup_key", "client", "client_url")
_PAYLOAD: Final = frozenset({"summary", "severity", "timestamp", *_LABELS})
_STEPS: Final = (4096, 1024, 256)
"""Bytes a value in `shrunk`, tried one after the other."""
_LINKS_MAX: Final = 16
"""Links of one event that are shown."""
_HIDDEN: Final = "rk_"
_HIDDEN_LENGTH: Final = len(_HIDDEN) + 20
_TELLING: Final = frozenset({"event_action", "routing_key"})


def looks_like(document: Any) -> bool:
    """An object with an action or a routing key."""
    return type(document) is dict and not _TELLING.isdisjoint(document)


def items(document: Any) -> list[Any]:
    """The one event.

    Raises:
        Reject: it is no object.
    """
    if type(document) is not dict:
        raise Reject("bad_shape", "a PagerDuty event is one object")
    return [document]


def rebuilt(document: Any, kept: list[Any]) -> Any:
    return kept[0]


def prepared(document: Any, seed: str) -> Any:
    """The event as it may be published: the routing key hidden, a trigger with a key."""
    event = dict(items(document)[0])
    if type(event.get("routing_key")) is str:
        event["routing_key"] = _hidden(event["routing_key"])
    if event.get("event_action") == "trigger" and event.get("dedup_key") in (None, ""):
        event["dedup_key"] = _derived_key(seed)
    return event


def shrunk(item: Any, bytes_max: int) -> Any:
    """The event with what is read of it, and its details cut: they are all that may be large."""
    payload = item.get("payload") if item["event_action"] == "trigger" else None
    kept = {name: item[name] for name in _SMALL if len(item.get(name) or "") <= TITLE_MAX and name in item}
    if payload is None:
        return kept
    small = {name: value for name, value in payload.items() if name in _PAYLOAD}
    details = _details(payload)
    found = item
    for limit in _STEPS:
        cut = cut_values(details, limit)
        found = {**kept, "payload": {**small, "custom_details": cut}, CUT_MARK: ["annotations"]}
        if len(orjson.dumps(found)) <= bytes_max:
            break
    return found


def group_of(document: Any) -> dict[str, str] | None:
    return None


def read(document: Any, context: Context) -> list[Item]:
    """The one alert, or the reason why it is none.

    Raises:
        Reject: the whole is no object.
    """
    try:
        return [_alert(items(document)[0], context)]
    except Reject as reject:
        return [reject]


def _alert(event: dict[str, Any], context: Context) -> ReadAlert:
    action = _required(event, "event_action")
    status = _STATUS.get(action)
    if status is None:
        message = f"event_action: must be 'trigger', 'acknowledge' or 'resolve', is {shown(action)}"
        raise Reject("bad_value", message)
    routing_key = _required(event, "routing_key")
    key = text_of(event, "dedup_key")
    if not key:
        if status is not AlertStatus.FIRING:
            raise Reject("missing_field", f"dedup_key: required to {action}")
        key = _derived_key(context.seed)
    check_length("routing_key", routing_key, WORD_MAX)
    check_length("dedup_key", key, WORD_MAX)
    identity = {"\0pagerduty": _hidden(routing_key), "\0dedup_key": key}
    client = one_line(text_of(event, "client"))[:WORD_MAX] or NAME
    if status is not AlertStatus.FIRING:
        return ReadAlert(status=status, episode=Episode.KEYED, identity=identity, actor=client)
    payload = object_of(event.get("payload"), "payload")
    details = _details(payload)
    return ReadAlert(
        status=status,
        episode=Episode.KEYED,
        identity=identity,
        starts_at=instant_of(payload, "timestamp", "payload."),
        body=_body(event, payload, details),
        # `component` may be as general as "eth0": only a service that is called so chooses the partition.
        service=bounded(details.get("service", "")),
        correlation_id=bounded(details.get("correlation_id", "")),
        actor=client,
    )


def _body(event: dict[str, Any], payload: dict[str, Any], details: dict[str, str]) -> AlertBody:
    summary = _required(payload, "summary", "payload.")
    check_length("payload.summary", summary, TITLE_MAX)
    title = one_line(summary)
    if not title:
        raise Reject("missing_field", "payload.summary: holds nothing that can be shown")
    severity = _required(payload, "severity", "payload.")
    if severity not in _SEVERITIES:
        message = f"payload.severity: must be one of {', '.join(_SEVERITIES)}; is {shown(severity)}"
        raise Reject("bad_value", message)
    source = _required(payload, "source", "payload.")
    labels = {name: value for name in _LABELS if (value := text_of(payload, name, "payload."))}
    check_values("payload", labels)
    annotations = details if within(details) else cut_values(details)
    marked = annotations != details or CUT_MARK in event
    return AlertBody(
        title=title,
        severity=severity_of(severity),
        category=bounded(details.get("category", "")),
        service=bounded(details.get("service") or labels.get("component", "")),
        source=bounded(source),
        correlation_id=bounded(details.get("correlation_id", "")),
        labels=labels,
        annotations=annotations,
        links=_links(event),
        cut=("annotations",) if marked else (),
    )


def _details(payload: dict[str, Any]) -> dict[str, str]:
    """`custom_details` as texts; what is no text is shown as JSON."""
    details = payload.get("custom_details")
    if details is None or details == "":
        return {}
    if type(details) is not dict:
        return {"details": details if type(details) is str else orjson.dumps(details).decode()}
    texts = {
        name or "details": value if type(value) is str else orjson.dumps(value).decode()
        for name, value in details.items()
        if value is not None
    }
    return {name: text for name, text in texts.items() if text}


def _links(event: dict[str, Any]) -> dict[str, str]:
    """The links that can be shown. They are decoration: a wrong one is left out, the event counts."""
    links: dict[str, str] = {}
    if is_link(url := text_of(event, "client_url")) and len(url) <= TITLE_MAX:
        links["client"] = url
    given = event.get("links")
    if given is None:
        return links
    if type(given) is not list:
        raise bad_type("links", "a list", given)
    for place, link in enumerate(given[:_LINKS_MAX]):
        href = link.get("href") if type(link) is dict else None
        if type(href) is str and len(href) <= TITLE_MAX and is_link(href):
            text = link.get("text")
            name = one_line(text)[:LABELS_MAX] if type(text) is str else ""
            links[name or f"link{place + 1}"] = href
    return links


def _required(document: dict[str, Any], field: str, path: str = "") -> str:
    value = text_of(document, field, path)
    if not value:
        raise Reject("missing_field", f"{path}{field}: required")
    return value


def _derived_key(seed: str) -> str:
    return short_hash("dedup_key", seed)


def _hidden(routing_key: str) -> str:
    """The routing key as a hash; a hidden one stays as it is, so that HTTP and Kafka give the same fingerprint."""
    if routing_key.startswith(_HIDDEN) and len(routing_key) == _HIDDEN_LENGTH:
        return routing_key
    return _HIDDEN + short_hash("routing_key", routing_key) if routing_key else ""
