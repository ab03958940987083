"""Alertmanager's webhook, version 4; Grafana sends the same shape as version 1.

In: one object with `alerts`. Out: one alert each; its episode is its `startsAt`, and it fires until it is said to be
resolved. Of the envelope only the group labels are read. Source: prometheus.io/docs/alerting/latest/configuration,
`webhook_config`; grafana.com/docs, webhook notifier.
"""

from typing import Any, Final

import orjson

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.ingest.formats import labelled
from tocsin.ingest.limits import WORD_MAX
from tocsin.ingest.reading import Context, Item, ReadAlert, at, bad_type, instant_of, object_of, shown, texts_of

NAME: Final = "alertmanager"
CUTS: Final = True
_STATUS: Final = {"firing": AlertStatus.FIRING, "resolved": AlertStatus.RESOLVED}
_ENVELOPE_BYTES_MAX: Final = 64 * 1024
"""What every record of a split webhook repeats; a larger envelope is reduced to what is read and what names it."""
_ENVELOPE_KEPT: Final = ("version", "status", "receiver", "groupKey", "externalURL")


def looks_like(document: Any) -> bool:
    """An object with `alerts`; nothing else has that."""
    return type(document) is dict and "alerts" in document


def items(document: Any) -> list[Any]:
    """The alerts, unread.

    Raises:
        Reject: it is no webhook.
    """
    if type(document) is not dict:
        raise Reject("bad_shape", "an Alertmanager webhook is one object with the list `alerts`")
    found = document.get("alerts")
    if type(found) is not list:
        raise bad_type("alerts", "a list", found)
    if len(found) > labelled.ALERTS_MAX:
        raise Reject("too_many", f"alerts: {len(found)} entries; at most {labelled.ALERTS_MAX} are allowed")
    return found


def rebuilt(document: Any, kept: list[Any]) -> Any:
    """The webhook with `kept` as its alerts."""
    return {**document, "alerts": kept}


def prepared(document: Any, seed: str) -> Any:
    """The document, with an envelope small enough to be repeated in each raw record."""
    alerts = items(document)
    size = len(orjson.dumps({name: value for name, value in document.items() if name != "alerts"}))
    if size <= _ENVELOPE_BYTES_MAX:
        return document
    small: dict[str, Any] = {
        name: document[name]
        for name in _ENVELOPE_KEPT
        if type(document.get(name)) is str and len(document[name]) <= WORD_MAX
    }
    group_labels = texts_of(document, "groupLabels")
    for bytes_max in (1024, 256, 64):
        small["groupLabels"] = labelled.shrunk_values(group_labels, bytes_max)
        if len(orjson.dumps(small)) <= _ENVELOPE_BYTES_MAX:
            break
    return {**small, "alerts": alerts}


def shrunk(item: Any, bytes_max: int) -> Any:
    return labelled.shrunk(item, bytes_max)


def group_of(document: Any) -> dict[str, str] | None:
    """The labels that Alertmanager grouped by; none are a group too."""
    return texts_of(document, "groupLabels")


def source_of(version: object) -> str:
    """Whose webhook it is, by its `version`."""
    return "grafana" if version == "1" else NAME


def read(document: Any, context: Context) -> list[Item]:
    """One alert or one reason per entry of `alerts`.

    Raises:
        Reject: the whole is no webhook.
    """
    alerts = items(document)
    group_labels = group_of(document) or None
    source = source_of(document.get("version"))
    overall = document.get("status")
    found: list[Item] = []
    for place, item in enumerate(alerts):
        try:
            found.append(alert_of(item, source, group_labels, overall, context))
        except Reject as reject:
            found.append(at(f"alerts[{place}]", reject))
    return found


def alert_of(
    item: Any, source: str, group_labels: dict[str, str] | None, overall: object, context: Context
) -> ReadAlert:
    """The alert in one item.

    Args:
        overall: the status of the webhook, for an item without one.

    Raises:
        Reject: it is none.
    """
    document = object_of(item, "")
    labels = labelled.labels_of(document)
    body = labelled.body_of(document, labels, source, context.severities, group_labels)
    starts_at = instant_of(document, "startsAt")
    return ReadAlert(
        # A custom payload may leave the status to the envelope, which says `firing` when any alert is.
        status=_status(document.get("status", overall)),
        episode=Episode.WINDOW if starts_at is None else Episode.STARTS_AT,
        identity=labels,
        starts_at=starts_at,
        body=body,
        service=labels.get("service", ""),
        correlation_id=body.correlation_id,
    )


def _status(word: object) -> AlertStatus:
    if type(word) is not str:
        raise bad_type("status", "a string", word)
    found = _STATUS.get(word)
    if found is None:
        raise Reject("bad_value", f"status: must be 'firing' or 'resolved', is {shown(word)}")
    return found
