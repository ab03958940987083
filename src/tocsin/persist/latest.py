"""What happened to an incident last: its timeline from its end, for people.

In: the views. Out: lines as `answer.entry` has them, newest first, page by page. The steps of a delivery under way are
left out: the deliveries themselves show them.
"""

import re
from typing import Any, Final

from tocsin.domain.errors import Reject
from tocsin.persist import answer
from tocsin.persist.queries import Page, Queries

STEPS: Final = (
    "delivery.planned",
    "delivery.attempted",
    "escalation.scheduled",
    "command.applied",
    "command.unchanged",
)
"""What only prepares something else, or says again that it was done."""
_CURSOR: Final = re.compile(r"-?\d{1,19}(\.\d{1,19}){3}", re.ASCII)


def latest(queries: Queries, incident_id: str, *, limit: int, cursor: str = "") -> Page:
    """One page of at most `limit` lines; `total` counts all of them.

    Raises:
        Reject: `bad_cursor`.
    """
    if cursor and not _CURSOR.fullmatch(cursor):
        raise Reject("bad_cursor", "the cursor is none of ours; start again without one")
    before = [int(part) for part in cursor.split(".")] if cursor else [2**62, 0, 0, 0]
    if any(abs(part) >= 2**63 for part in before):
        raise Reject("bad_cursor", "the cursor is none of ours; start again without one")
    marks = ", ".join("?" * len(STEPS))
    where = f"incident_id = ? AND type NOT IN ({marks})"
    with queries.reader() as connection:
        (total,) = connection.execute(
            f"SELECT COUNT(*) FROM timeline WHERE {where}",  # noqa: S608 - marks only
            (incident_id, *STEPS),
        ).fetchone()
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT at_us, journal, partition, offset, id, type, actor, reason, text FROM timeline"  # noqa: S608
            f" WHERE {where} AND (at_us, journal, partition, offset) < (?, ?, ?, ?)"
            " ORDER BY at_us DESC, journal DESC, partition DESC, offset DESC LIMIT ?",
            (incident_id, *STEPS, *before, limit + 1),
        ).fetchall()
    following = ".".join(str(part) for part in rows[limit - 1][:4]) if len(rows) > limit else ""
    return Page([answer.entry(row) for row in rows[:limit]], following, total)
