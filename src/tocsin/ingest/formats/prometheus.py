"""`POST /api/v2/alerts`: what Prometheus (and amtool) send to an Alertmanager.

In: a list of alerts. Out: one alert each, with the instant at which it counts as resolved unless it is sent again.
Source: Alertmanager's OpenAPI document and its `api/v2` (`resolve_timeout`, zero times, `endsAt` before `startsAt`).
"""

from datetime import timedelta
from typing import Any, Final

from tocsin.domain.alert import AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.ingest.formats import labelled
from tocsin.ingest.reading import Context, Item, ReadAlert, at, instant_of, object_of

NAME: Final = "prometheus"
CUTS: Final = True
RESOLVE_TIMEOUT: Final = timedelta(minutes=5)
"""Alertmanager's default `resolve_timeout`: an alert without `endsAt` that is not sent again counts as resolved."""
_TELLING: Final = frozenset({"startsAt", "endsAt", "generatorURL"})
_LOOKED_AT_MAX: Final = 16
"""Items that detection reads."""


def looks_like(document: Any) -> bool:
    """A list in which an early item has one of this format's own fields."""
    return type(document) is list and any(
        type(item) is dict and not _TELLING.isdisjoint(item) for item in document[:_LOOKED_AT_MAX]
    )


def items(document: Any) -> list[Any]:
    """The alerts, unread.

    Raises:
        Reject: it is no list.
    """
    if type(document) is not list:
        raise Reject("bad_shape", "the body of /api/v2/alerts is a list of alerts")
    if len(document) > labelled.ALERTS_MAX:
        raise Reject("too_many", f"{len(document)} alerts; at most {labelled.ALERTS_MAX} are allowed")
    return document


def rebuilt(document: Any, kept: list[Any]) -> Any:
    return kept


def prepared(document: Any, seed: str) -> Any:
    return document


def shrunk(item: Any, bytes_max: int) -> Any:
    return labelled.shrunk(item, bytes_max)


def group_of(document: Any) -> dict[str, str] | None:
    return None


def read(document: Any, context: Context) -> list[Item]:
    """One alert or one reason per item.

    Raises:
        Reject: the whole is no list of alerts.
    """
    found: list[Item] = []
    for place, item in enumerate(items(document)):
        try:
            found.append(alert_of(item, context))
        except Reject as reject:
            found.append(at(f"[{place}]", reject))
    return found


def alert_of(item: Any, context: Context) -> ReadAlert:
    """The alert in one item.

    Raises:
        Reject: it is none.
    """
    document = object_of(item, "")
    labels = labelled.labels_of(document)
    body = labelled.body_of(document, labels, NAME, context.severities)
    starts_at = instant_of(document, "startsAt")
    ends_at = instant_of(document, "endsAt")
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        raise Reject("ends_before_start", "endsAt: lies before startsAt")
    resolved = ends_at is not None and ends_at <= context.received_at
    if resolved and starts_at is None:
        starts_at = ends_at
    # A firing alert with only an `endsAt` moves it with each sending: that is no start that names an episode.
    return ReadAlert(
        status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
        episode=Episode.WINDOW if starts_at is None else Episode.STARTS_AT,
        identity=labels,
        starts_at=starts_at,
        expires_at=None if resolved else ends_at or context.received_at + RESOLVE_TIMEOUT,
        body=body,
        service=labels.get("service", ""),
        correlation_id=body.correlation_id,
    )
