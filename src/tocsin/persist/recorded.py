"""The recorded events of one incident, as they lie in the log: what explanations rest on. Reads only.

In: `Queries` and an incident. Out: records in the order of its timeline, by one query over the event log. Nothing is
decoded here: a record may be of a newer version.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tocsin.persist import answer
from tocsin.persist.queries import Queries
from tocsin.persist.views import PLAYBOOK
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS

EVENTS_MAX: Final = 5000
"""Events of one incident that are read at once, some 10 MB: the chain to a page is among the first of them."""


class Recorded(NamedTuple):
    """One event as it lies in the log, and its line of the timeline."""

    topic: str
    partition: int
    offset: int
    type: str
    value: bytes
    text: str


def events_of(
    queries: Queries, incident_id: str, *, types: Sequence[str] = (), limit: int = EVENTS_MAX
) -> tuple[list[Recorded], bool]:
    """The first `limit` recorded events of an incident (of these `types`; none named = of all) in the order of its
    timeline, as they lie in the log, and whether there are more."""
    only = f" AND timeline.type IN ({', '.join('?' * len(types))})" if types else ""
    with queries.reader() as connection:
        rows = connection.execute(
            "SELECT log.topic, log.partition, log.offset, log.type, log.value, timeline.text FROM timeline"  # noqa: S608
            " CROSS JOIN log ON log.topic = CASE timeline.journal WHEN 0 THEN ? WHEN 1 THEN ? ELSE ? END"
            " AND log.partition = timeline.partition AND log.offset = timeline.offset WHERE incident_id = ?"
            f"{only} ORDER BY at_us, journal, timeline.partition, timeline.offset LIMIT ?",
            (INCIDENTS.name, ESCALATIONS.name, NOTIFICATIONS.name, incident_id, *types, limit + 1),
        ).fetchall()
    return [Recorded(*row) for row in rows[:limit]], len(rows) > limit


def incident_with(queries: Queries, reference: str) -> str:
    """The id of the incident that an id or number of an incident, an alert id or a delivery id names; empty when
    none does."""
    with queries.reader() as connection:
        row = connection.execute(
            "SELECT id FROM incidents WHERE id = ? UNION ALL SELECT id FROM incidents WHERE number = ? UNION ALL"
            " SELECT incident_id FROM alerts WHERE alert_id = ? UNION ALL"
            " SELECT incident_id FROM deliveries WHERE delivery_id = ? LIMIT 1",
            (reference,) * 4,
        ).fetchone()
    return str(row[0]) if row is not None else ""


class Arrival(NamedTuple):
    """How an alert came into its incident."""

    incident_id: str
    number: str
    type: str
    """`incident.opened`, `incident.alert_attached` or `incident.late_amended`."""
    reason: str
    first_alert: str
    """Id of the alert that came first into the incident; its own when it opened it."""


def arrival_of(queries: Queries, alert_id: str) -> Arrival | None:
    """How the alert came into the incident that it is in now; None while no incident has a member of this id.

    An alert that only continues a known one has no member of its own.
    """
    with queries.reader() as connection:
        found = connection.execute(
            "SELECT alerts.incident_id, incidents.number, alerts.attached_us FROM alerts"
            " JOIN incidents ON incidents.id = alerts.incident_id WHERE alert_id = ?",
            (alert_id,),
        ).fetchone()
        if found is None:
            return None
        incident_id, number, attached_us = found
        (first,) = connection.execute(
            "SELECT alert_id FROM alerts WHERE incident_id = ? ORDER BY attached_us, alert_id LIMIT 1", (incident_id,)
        ).fetchone()
        event = connection.execute(
            "SELECT timeline.type, timeline.reason FROM timeline CROSS JOIN log ON log.topic = ?"
            " AND log.partition = timeline.partition AND log.offset = timeline.offset"
            " WHERE incident_id = ? AND at_us = ? AND journal = 0"
            " AND json_extract(CAST(log.value AS TEXT), '$.alert.alert_id') = ? LIMIT 1",
            (INCIDENTS.name, incident_id, attached_us, alert_id),
        ).fetchone()
    kind, reason = event or ("incident.alert_moved", "alert_moved")
    return Arrival(incident_id, number, kind, reason, first)


def playbook_usage(queries: Queries) -> dict[str, dict[str, int]]:
    """How often each playbook was `started` and `finished`, and how its steps went (`done`, `skipped`, `failed`, of
    finished runs), by its name."""
    with queries.reader() as connection:
        rows = connection.execute(
            "SELECT name, value FROM counters WHERE name >= ? AND name < ?", (PLAYBOOK, PLAYBOOK[:-1] + "/")
        ).fetchall()
    usage: dict[str, dict[str, int]] = {}
    for key, value in rows:
        what, _, name = key.removeprefix(PLAYBOOK).partition(":")
        usage.setdefault(name, dict.fromkeys(("started", "finished", "done", "skipped", "failed"), 0))[what] = value
    return usage


def alert_of(queries: Queries, alert_id: str) -> dict[str, Any] | None:
    """One alert by its id, as the list of alerts shows it; None when no incident has it."""
    with queries.reader() as connection:
        row = connection.execute(
            f"SELECT {answer.ALERT_COLUMNS} FROM alerts WHERE alert_id = ?",  # noqa: S608 - a constant
            (alert_id,),
        ).fetchone()
    return answer.alert(row) if row is not None else None
