"""The view of changes: what was changed in the world, by service and time.

In: `change.recorded` events; filters. Out: rows; plain dicts, the newest first. A change that is reported twice (the
same id) is one row.
"""

import json
from typing import Any, Final

import msgspec

from tocsin.domain.events import ChangeRecorded
from tocsin.domain.instant import Instant, from_us, to_us
from tocsin.persist.queries import Queries
from tocsin.wire.events import rfc3339

LIMIT_MAX: Final = 500
SERVICES_MAX: Final = 250
"""Services of one question: below the number of parameters that SQLite takes."""

_encode: Final = msgspec.json.Encoder().encode


def row_of(event: ChangeRecorded) -> tuple[object, ...]:
    """The row of the table `changes`, in the order of its columns."""
    shown = {
        "id": event.change_id,
        "title": event.title,
        "service": event.service,
        "author": event.author,
        "link": event.link,
        "description": event.description,
        "labels": event.labels,
        "actor": event.actor,
        "recorded_at": rfc3339(event.recorded_at),
    }
    return event.change_id, to_us(event.at), event.service, _encode(shown).decode()


def changes(
    queries: Queries,
    *,
    services: tuple[str, ...] = (),
    after: Instant | None = None,
    before: Instant | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Changes of any of `services` (empty = of every one), made from `after` on and before `before`, newest first."""
    conditions, parameters = ["1"], []
    if services:
        some = services[:SERVICES_MAX]
        conditions.append(f"service IN ({', '.join('?' * len(some))})")
        parameters += list[object](some)
    for condition, instant in (("at_us >= ?", after), ("at_us < ?", before)):
        if instant is not None:
            conditions.append(condition)
            parameters.append(to_us(instant))
    with queries.reader() as connection:
        rows = connection.execute(
            f"SELECT at_us, doc FROM changes WHERE {' AND '.join(conditions)}"  # noqa: S608 conditions are ours
            " ORDER BY at_us DESC, change_id LIMIT ?",
            (*parameters, max(1, min(limit, LIMIT_MAX))),
        ).fetchall()
    return [{**json.loads(doc), "at": rfc3339(from_us(at_us))} for at_us, doc in rows]
