"""The delivery ledger as people look at it: each attempt with its time and the receiver's answer, and what waits.

In: ids. Out: plain dicts, instants as RFC 3339 with Z. The attempts are read from the log, where the row of a delivery
says that its events lie; nothing else is kept of them. Reads only.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant, from_us
from tocsin.persist import answer
from tocsin.persist.queries import Queries
from tocsin.persist.row import Delivery
from tocsin.topics import NOTIFICATIONS
from tocsin.wire.events import decode_value, rfc3339

EVENTS_MAX: Final = 1000
"""Events of one answer: a delivery has at most some two hundred."""
ROWS_MAX: Final = 200
"""Deliveries of one answer: nobody reads more at once, and a storm has thousands."""
UNFINISHED: Final = ("planned", "attempted", "failed")
"""Statuses of deliveries that may still be sent."""
ENDS: Final = (ev.DeliveryDelivered, ev.DeliveryFailed, ev.DeliveryGaveUp)
"""How an attempt ends."""


def delivery_with(queries: Queries, delivery_id: str) -> dict[str, Any] | None:
    """One delivery with its `attempts` and `steps`; None when there is none."""
    with queries.reader() as connection:
        row = connection.execute("SELECT * FROM deliveries WHERE delivery_id = ?", (delivery_id,)).fetchone()
    if row is None:
        return None
    events = _events(queries, [Delivery(*row)])
    steps = [{"at": rfc3339(event.recorded_at), "status": event.word, "reason": event.reason} for event in events]
    return {**answer.delivery(Delivery(*row)), "attempt_list": attempts(events), "steps": steps}


def with_attempts(queries: Queries, incident_id: str, *, limit: int = ROWS_MAX) -> tuple[list[dict[str, Any]], int]:
    """The last `limit` deliveries for an incident, in the order in which they were planned, each with its
    `attempt_list`; and how many there are. What is beyond `EVENTS_MAX` lacks at the oldest of them."""
    with queries.reader() as connection:
        (total,) = connection.execute(
            "SELECT COUNT(*) FROM deliveries WHERE incident_id = ?", (incident_id,)
        ).fetchone()
        newest = [
            Delivery(*row)
            for row in connection.execute(
                "SELECT * FROM deliveries WHERE incident_id = ? ORDER BY planned_us DESC, delivery_id DESC LIMIT ?",
                (incident_id, limit),
            ).fetchall()
        ]
    by_delivery: dict[str, list[ev.DeliveryEvent]] = {}
    for event in _events(queries, newest):
        by_delivery.setdefault(event.delivery_id, []).append(event)
    rows = reversed(newest)
    shown = [{**answer.delivery(row), "attempt_list": attempts(by_delivery.get(row.delivery_id, ()))} for row in rows]
    return shown, total


def attempts(events: Iterable[ev.DeliveryEvent]) -> list[dict[str, Any]]:
    """Each attempt that `events` of one delivery tell of: `attempt`, `at`, `status`, `seconds` until its end, `answer`
    (what the receiver said), `possible_duplicate`, `next_attempt_at`."""
    found: dict[int, dict[str, Any]] = {}
    begun: dict[int, Instant] = {}
    for event in events:
        if isinstance(event, ev.DeliveryAttempted):
            begun[event.attempt] = event.recorded_at
            found[event.attempt] = {
                "attempt": event.attempt,
                "at": rfc3339(event.recorded_at),
                "status": "sending",
                "seconds": None,
                "answer": "",
                "possible_duplicate": False,
                "next_attempt_at": None,
            }
        elif isinstance(event, ENDS) and event.attempt in found:
            found[event.attempt].update(_end(event, begun[event.attempt]))
    return list(found.values())


def _end(event: ev.DeliveryDelivered | ev.DeliveryFailed | ev.DeliveryGaveUp, begun: Instant) -> dict[str, Any]:
    seconds = round((event.recorded_at - begun).total_seconds(), 3)
    if isinstance(event, ev.DeliveryDelivered):
        return {
            "status": "delivered",
            "seconds": round(event.duration_seconds, 3),
            "answer": event.receipt,
            "possible_duplicate": event.possible_duplicate,
        }
    if isinstance(event, ev.DeliveryFailed):
        again = rfc3339(event.next_attempt_at)
        return {"status": "failed", "seconds": seconds, "answer": event.error, "next_attempt_at": again}
    return {"status": event.reason or "gave_up", "seconds": seconds, "answer": event.error}


def waiting(queries: Queries) -> dict[str, dict[str, Any]]:
    """What is not finished, by channel: `waiting` (how many), `pages` of them, `oldest_waiting_at`."""
    with queries.reader() as connection:
        rows = connection.execute(
            "SELECT channel, COUNT(*), SUM(page), MIN(planned_us) FROM deliveries WHERE status IN (?, ?, ?)"
            " GROUP BY channel",
            UNFINISHED,
        ).fetchall()
    return {
        channel: {
            "waiting": count,
            "pages": pages,
            "oldest_waiting_at": rfc3339(from_us(oldest)) if oldest is not None else None,
        }
        for channel, count, pages, oldest in rows
    }


def _events(queries: Queries, rows: Sequence[Delivery]) -> list[ev.DeliveryEvent]:
    """The events of `rows` in the order of the log, as far as this version can read them."""
    places = [(row.partition, offset) for row in rows for offset in row.offsets.split(",") if offset][:EVENTS_MAX]
    with queries.reader() as connection:
        found = [
            connection.execute(
                "SELECT type, value FROM log WHERE topic = ? AND partition = ? AND offset = ?",
                (NOTIFICATIONS.name, partition, int(offset)),
            ).fetchone()
            for partition, offset in places
        ]
    return list(_decoded(row for row in found if row is not None))


def _decoded(rows: Iterable[tuple[str, bytes | None]]) -> Iterator[ev.DeliveryEvent]:
    for kind, value in rows:
        try:
            event = decode_value(kind, value)
        except Reject:
            continue
        if isinstance(event, ev.DeliveryEvent):
            yield event
