"""Who changed which settings document, when and why: read from the event log itself, which keeps every version.

In: the queries of a database, a key. Out: plain dicts, newest first. Reads only.
"""

import sqlite3
from typing import Any, Final

import msgspec

from tocsin.domain.events import SettingsPublished
from tocsin.persist.queries import Page, Queries
from tocsin.topics import SETTINGS
from tocsin.wire.events import rfc3339

LIMIT_MAX: Final = 500
"""Versions of one page."""
NEWEST: Final = 2**62

_WHICH: Final = "topic = ? AND partition = 0 AND type = ? AND (? = '' OR key = ?)"
_COUNTED: Final = f"SELECT COUNT(*) FROM log WHERE {_WHICH}"  # noqa: S608 fixed texts
_READ: Final = f"SELECT offset, value FROM log WHERE {_WHICH} AND offset < ? ORDER BY offset DESC LIMIT ?"  # noqa: S608
_ONE: Final = "SELECT value FROM log WHERE topic = ? AND partition = 0 AND offset = ?"

_decoder: Final = msgspec.json.Decoder(SettingsPublished)


def settings_history(queries: Queries, key: str = "", *, limit: int = 100, before: int | None = None) -> Page:
    """Versions of `key` (empty = of every document), newest first: `{key, version, changed_at, actor, reason, origin,
    previous, document, replaced}`; `document` is None where it was deleted, `replaced` is what it took the place of.

    Args:
        before: only versions below; `next` of a page.
    """
    limit = max(1, min(limit, LIMIT_MAX))
    which = (SETTINGS.name, SettingsPublished.TYPE, key, key.encode())
    with queries.reader() as connection:
        (total,) = connection.execute(_COUNTED, which).fetchone()
        rows = connection.execute(_READ, (*which, NEWEST if before is None else before, limit + 1)).fetchall()
        items = [_shown(connection, offset, _decoder.decode(value)) for offset, value in rows[:limit]]
    return Page(items, str(rows[limit - 1][0]) if len(rows) > limit else "", total)


def _shown(connection: sqlite3.Connection, offset: int, event: SettingsPublished) -> dict[str, Any]:
    replaced = None
    if event.previous is not None:
        row = connection.execute(_ONE, (SETTINGS.name, event.previous)).fetchone()
        replaced = _decoder.decode(row[0]).document if row is not None else None
    return {
        "key": event.key,
        "version": offset,
        "changed_at": rfc3339(event.recorded_at),
        "actor": event.actor,
        "reason": event.reason,
        "origin": event.origin,
        "previous": event.previous,
        "document": event.document,
        "replaced": replaced,
    }
