"""What the API, the CLI and the metrics ask. Reads only; every answer is one snapshot.

In: filters. Out: plain dicts and lists, instants as RFC 3339 with Z. Thread-safe: a call takes a read-only connection
of its own from a small pool. Values go into SQL as parameters only. Rendering and access control are somebody else's.
"""

import sqlite3
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant, from_us, to_us
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.persist import answer
from tocsin.persist.book import VOIDED
from tocsin.persist.chain import decode_headers
from tocsin.persist.row import Delivery, Escalation
from tocsin.persist.schema import fault_of, open_reader
from tocsin.wire.events import rfc3339

READERS_IDLE_MAX: Final = 8
"""Connections kept between calls; more at the same time are opened and closed again."""

LIMIT_MAX: Final = 1000
"""Items of one page."""

_FIRED: Final = "(SELECT fired FROM escalations WHERE incident_id = incidents.id)"
_COLUMNS: Final = f"opened_us, id, doc, updated_us, retired_us, {_FIRED}"
"""What `answer.incident` takes."""
DELIVERY_COLUMNS: Final = ", ".join(["planned_us", "delivery_id", *Delivery.__struct_fields__])
"""What `answer.delivery_of` takes."""

SEARCH_MAX: Final = 200
"""Characters of a search text; a longer one finds nothing that a shorter one does not narrow down."""


class Page(msgspec.Struct, frozen=True):
    """One page of a list. `next` is the cursor of the page after it, empty at the end; `total` counts all pages."""

    items: list[dict[str, Any]]
    next: str
    total: int


class _Filter:
    """Conditions and their parameters, joined by AND."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[object] = []

    def add(self, condition: str, *parameters: object) -> None:
        self.conditions.append(condition)
        self.parameters += parameters

    def among(self, column: str, values: Sequence[str]) -> None:
        if values:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *values)

    def equals(self, column: str, value: str) -> None:
        if value:
            self.add(f"{column} = ?", value)

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


class Queries:
    """Questions to the database at `path`. It need not exist yet: each call opens it, or raises `Retry`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def close(self) -> None:
        """Close the connections that are not in use; those in use follow when their call ends."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    # ---- incidents ---------------------------------------------------------------------------------------------------

    def incidents(
        self,
        *,
        status: Sequence[str] = (),
        severity: Sequence[str] = (),
        category: Sequence[str] = (),
        service: str = "",
        team: str = "",
        q: str = "",
        opened_after: Instant | None = None,
        opened_before: Instant | None = None,
        voided: bool = False,
        limit: int = 50,
        cursor: str = "",
    ) -> Page:
        """Incidents, newest first. A `service` finds every incident that one of its alerts names; `q` searches title,
        number, service and id; `opened_after` is included, `opened_before` is not. Voided ones only when asked for.

        Raises:
            Reject: `bad_cursor`.
        """
        chosen = _Filter()
        chosen.among("status", status)
        chosen.among("severity", severity)
        chosen.among("category", category)
        chosen.equals("team", team)
        if service:
            chosen.add("(service = ? OR id IN (SELECT incident_id FROM alerts WHERE service = ?))", service, service)
        if q:
            text = _like(q)
            chosen.add(
                "(title LIKE ? ESCAPE '\\' OR number LIKE ? ESCAPE '\\' OR service LIKE ? ESCAPE '\\' OR id = ?)",
                *(text, text, text, q),
            )
        if opened_after is not None:
            chosen.add("opened_us >= ?", to_us(opened_after))
        if opened_before is not None:
            chosen.add("opened_us < ?", to_us(opened_before))
        if not voided and VOIDED not in status:
            chosen.add("status <> ?", VOIDED)
        return self._newest("incidents", _COLUMNS, chosen, limit, cursor, answer.incident)

    def incident(self, reference: str) -> dict[str, Any] | None:
        """One incident by its id or its number (case does not matter); None when there is none."""
        with self.reader() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM incidents WHERE id = ? UNION ALL"  # noqa: S608 fixed texts
                f" SELECT {_COLUMNS} FROM incidents WHERE number = ? LIMIT 1",
                (reference, reference),
            ).fetchone()
        return answer.incident(row) if row is not None else None

    def alerts(
        self,
        *,
        incident: str = "",
        status: str = "",
        severity: str = "",
        service: str = "",
        fingerprint: str = "",
        q: str = "",
        limit: int = 100,
        cursor: str = "",
    ) -> Page:
        """Members of incidents, newest first. `incident` is an id; `q` searches title, service, fingerprint and label
        values.

        Raises:
            Reject: `bad_cursor`.
        """
        chosen = _Filter()
        chosen.equals("incident_id", incident)
        chosen.equals("status", status)
        chosen.equals("severity", severity)
        chosen.equals("service", service)
        chosen.equals("fingerprint", fingerprint)
        if q:
            text = _like(q)
            chosen.add(
                "(title LIKE ? ESCAPE '\\' OR service LIKE ? ESCAPE '\\' OR fingerprint LIKE ? ESCAPE '\\' OR EXISTS"
                " (SELECT 1 FROM json_each(facts, '$.labels') WHERE value LIKE ? ESCAPE '\\'))",
                *(text, text, text, text),
            )
        return self._newest("alerts", answer.ALERT_COLUMNS, chosen, limit, cursor, answer.alert)

    def timeline(self, incident_id: str, *, limit: int = 500, cursor: str = "") -> Page:
        """What happened to an incident, oldest first.

        Raises:
            Reject: `bad_cursor`.
        """
        limit = _limited(limit)
        after: Sequence[object] = _decode_cursor(cursor, 4) if cursor else (-(2**62), 0, 0, 0)
        with self.reader() as connection:
            (total,) = connection.execute(
                "SELECT COUNT(*) FROM timeline WHERE incident_id = ?", (incident_id,)
            ).fetchone()
            rows = connection.execute(
                "SELECT at_us, journal, partition, offset, id, type, actor, reason, text FROM timeline"
                " WHERE incident_id = ? AND (at_us, journal, partition, offset) > (?, ?, ?, ?)"
                " ORDER BY at_us, journal, partition, offset LIMIT ?",
                (incident_id, *after, limit + 1),
            ).fetchall()
        return Page([answer.entry(row) for row in rows[:limit]], _cursor_after(rows, limit, 4), total)

    def deliveries(self, incident_id: str) -> list[dict[str, Any]]:
        """Every delivery for an incident, in the order in which they were planned."""
        with self.reader() as connection:
            rows = connection.execute(
                "SELECT * FROM deliveries WHERE incident_id = ? ORDER BY planned_us, delivery_id", (incident_id,)
            ).fetchall()
        return [answer.delivery(Delivery(*row)) for row in rows]

    def every_delivery(
        self,
        *,
        incident: str = "",
        status: Sequence[str] = (),
        channel: str = "",
        recipient: str = "",
        limit: int = 50,
        cursor: str = "",
    ) -> Page:
        """Deliveries of all incidents, the last planned first. `incident` is an id.

        Raises:
            Reject: `bad_cursor`.
        """
        chosen = _Filter()
        chosen.equals("incident_id", incident)
        chosen.among("status", status)
        chosen.equals("channel", channel)
        chosen.equals("recipient", recipient)
        return self._newest("deliveries", DELIVERY_COLUMNS, chosen, limit, cursor, answer.delivery_of)

    def escalation(self, incident_id: str) -> dict[str, Any]:
        """`{level, fired, team, next: {level, escalate_to, due_at} | None, steps, sla: {acknowledge, resolve, update},
        policy, paused_at,
        fired_at, stopped_at, reason}`; for an incident without escalation everything is empty."""
        with self.reader() as connection:
            row = connection.execute("SELECT * FROM escalations WHERE incident_id = ?", (incident_id,)).fetchone()
        return answer.escalation(Escalation(*row) if row is not None else Escalation(incident_id))

    def outcome(self, command_id: str) -> dict[str, Any] | None:
        """The answer to a command: `{command_id, outcome, verb, reason, message, incident, events, actor, at}`."""
        with self.reader() as connection:
            row = connection.execute(
                "SELECT doc FROM outcomes WHERE command_id = ? ORDER BY at_us, partition LIMIT 1", (command_id,)
            ).fetchone()
        return msgspec.json.decode(row[0]) if row is not None else None

    # ---- numbers -----------------------------------------------------------------------------------------------------

    def totals(self) -> dict[str, Any]:
        """Counts over everything that was ever recorded: `incidents` and `alerts` and `deliveries` by status,
        `open_by_severity`, and single numbers: `incidents_opened`, `alerts_attached` (members), `repeats`,
        `occurrences` (all sightings), `escalations_fired`, `sla_at_risk`, `sla_breached`, `events` (rows of the log),
        `events_not_understood`."""
        with self.reader() as connection:
            counters = dict(connection.execute("SELECT name, value FROM counters"))
            (events,) = connection.execute("SELECT COALESCE(SUM(rows), 0) FROM position").fetchone()
            statuses = connection.execute("SELECT status, severity, COUNT(*) FROM incidents GROUP BY status, severity")
            by_status: dict[str, int] = {}
            open_by_severity: dict[str, int] = {}
            for status, severity, count in statuses.fetchall():
                by_status[status] = by_status.get(status, 0) + count
                if status in UNFINISHED:
                    open_by_severity[severity] = open_by_severity.get(severity, 0) + count
            alerts = dict(connection.execute("SELECT status, COUNT(*) FROM alerts GROUP BY status"))
            deliveries = dict(connection.execute("SELECT status, COUNT(*) FROM deliveries GROUP BY status"))
        attached, repeats = counters.get("alerts", 0), counters.get("repeats", 0)
        return {
            "incidents": by_status,
            "open_by_severity": open_by_severity,
            "alerts": alerts,
            "deliveries": deliveries,
            "incidents_opened": counters.get("incidents_opened", 0),
            "alerts_attached": attached,
            "repeats": repeats,
            "occurrences": attached + repeats + counters.get("resolves", 0),
            "escalations_fired": counters.get("escalation.fired", 0),
            "sla_at_risk": counters.get("sla.at_risk", 0),
            "sla_breached": counters.get("sla.breached", 0),
            "events": events,
            "events_not_understood": counters.get("events_not_understood", 0),
        }

    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset that the log reads next."""
        with self.reader() as connection:
            rows = connection.execute("SELECT topic, partition, next FROM position").fetchall()
        return {(topic, partition): following for topic, partition, following in rows}

    def log_rows(self, topic: str | None = None, after: str = "", limit: int = 500) -> Page:
        """Rows of the log as `topics export` writes them (RECORDS §5), in the order in which they were stored.

        Raises:
            Reject: `bad_cursor`.
        """
        limit = _limited(limit)
        (start,) = _decode_cursor(after, 1) if after else (0,)
        condition, parameters = ("topic = ? AND ", [topic]) if topic is not None else ("", [])
        with self.reader() as connection:
            (total,) = connection.execute(
                "SELECT COALESCE(SUM(rows), 0) FROM position WHERE ? IS NULL OR topic = ?", (topic, topic)
            ).fetchone()
            rows = connection.execute(
                "SELECT id, topic, partition, offset, timestamp, key, headers, value FROM log"  # noqa: S608 fixed texts
                f" WHERE {condition}id > ? ORDER BY id LIMIT ?",
                [*parameters, start, limit + 1],
            ).fetchall()
        return Page([_export(row) for row in rows[:limit]], _cursor_after(rows, limit, 1), total)

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _newest(self, table: str, columns: str, chosen: _Filter, limit: int, cursor: str, shape: Any) -> Page:
        """One page by (instant, key) descending, which are the first two of `columns` and never change."""
        limit = _limited(limit)
        instant, key = columns.split(", ")[:2]
        counted = f"SELECT COUNT(*) FROM {table}{chosen.where}"  # noqa: S608 names of our own; values are parameters
        counted_parameters = list(chosen.parameters)
        if cursor:
            chosen.add(f"({instant}, {key}) < (?, ?)", *_decode_cursor(cursor, 2))
        with self.reader() as connection:
            (total,) = connection.execute(counted, counted_parameters).fetchone()
            rows = connection.execute(
                f"SELECT {columns} FROM {table}{chosen.where} ORDER BY {instant} DESC, {key} DESC LIMIT ?",  # noqa: S608
                [*chosen.parameters, limit + 1],
            ).fetchall()
        return Page([shape(row) for row in rows[:limit]], _cursor_after(rows, limit, 2), total)

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A connection within one snapshot, for a question of another module."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise fault_of(error, self.path) from error
            raise
        if self._closed or len(self._idle) >= READERS_IDLE_MAX:
            connection.close()
        else:
            self._idle.append(connection)


def _limited(limit: int) -> int:
    return max(1, min(limit, LIMIT_MAX))


def _like(text: str) -> str:
    """A LIKE pattern that finds `text` anywhere, taken literally."""
    cut = text[:SEARCH_MAX]
    return "%" + cut.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _cursor_after(rows: Sequence[tuple[Any, ...]], limit: int, width: int) -> str:
    """The cursor of the page after these rows, of which one more than `limit` was read."""
    if len(rows) <= limit:
        return ""
    return urlsafe_b64encode(msgspec.json.encode(rows[limit - 1][:width])).decode().rstrip("=")


def _decode_cursor(cursor: str, width: int) -> list[int | str]:
    try:
        found = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[int | str])
    except (ValueError, msgspec.MsgspecError):
        found = []
    if len(found) != width:
        raise Reject("bad_cursor", "the cursor is none of ours; start again without one")
    return found


def _export(row: tuple[Any, ...]) -> dict[str, Any]:
    _, topic, partition, offset, timestamp, key, headers, value = row
    line: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp": rfc3339(from_us(timestamp * 1000)),
        "key": key.decode("utf-8", "replace") if key is not None else None,
        "headers": {name: content.decode("utf-8", "replace") for name, content in decode_headers(headers)},
    }
    if value is None:
        return {**line, "value": None}
    try:
        return {**line, "value": value.decode()}
    except UnicodeDecodeError:
        return {**line, "value_base64": b64encode(value).decode()}
