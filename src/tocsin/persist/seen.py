"""When an alert with certain labels was last seen, from the views.

In: matchers. Out: alert id and instant. Who asks again and again asks for the alert that it found before, and for what
came new: a million others then cost nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tocsin.domain.instant import Instant, as_utc, to_us
from tocsin.domain.rules import LabelMatch
from tocsin.domain.suppression import matches_all
from tocsin.persist import answer
from tocsin.persist.queries import Queries
from tocsin.persist.recorded import alert_of

FOUND_MAX: Final = 10_000
"""Alerts with the labels that one look compares."""


class Seen(NamedTuple):
    """One alert."""

    alert_id: str
    at: Instant


def seen(queries: Queries, alert_id: str) -> Seen | None:
    """That alert, whether it fires or not."""
    found = alert_of(queries, alert_id)
    return _seen(found) if found is not None else None


def last_seen(queries: Queries, matchers: Sequence[LabelMatch], attached_since: Instant | None = None) -> Seen | None:
    """The alert whose labels match that was seen last: of those that came new since an instant, else of those that
    fire; None when none is there."""
    exact = [one for one in matchers if one.is_equal and not one.is_regex]
    asked = " AND EXISTS (SELECT 1 FROM json_each(facts, '$.labels') WHERE key = ? AND value = ?)" * len(exact)
    values: list[object] = [text for one in exact for text in (one.name, one.value)]
    among = "status = 'firing'" if attached_since is None else "attached_us >= ?"
    first = [] if attached_since is None else [to_us(attached_since)]
    with queries.reader() as connection:
        rows = connection.execute(
            f"SELECT {answer.ALERT_COLUMNS} FROM alerts WHERE {among}{asked} ORDER BY attached_us DESC LIMIT ?",  # noqa: S608 - our own
            (*first, *values, FOUND_MAX),
        ).fetchall()
    alerts = (answer.alert(row) for row in rows)
    return max((_seen(one) for one in alerts if matches_all(matchers, one["labels"])), key=_at, default=None)


def _at(one: Seen) -> Instant:
    return one.at


def _seen(alert: dict[str, Any]) -> Seen:
    return Seen(alert["alert_id"], as_utc(datetime.fromisoformat(alert["last_seen_at"])))
