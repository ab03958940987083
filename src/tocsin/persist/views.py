"""The views: what people ask for, folded from the events of the log.

In: decoded events with their place, in the order of each journal partition. Out: rows, written by `flush` inside the
caller's transaction. Invariants: incidents change only in `domain.incident.apply`; a row depends on the events of one
journal partition only, so neither the order among partitions nor where batches are cut can change the tables; versions
of an incident rise by one, and a hole is a bug that stops the flow (`BrokenHistory`).

An event that this version cannot decode changes no view. Its version is noted in `gaps`, so that the incident goes on
with the next event (its header says everything that the skipped one changed), and a later tocsin rebuilds the views in
full.
"""

import sqlite3
from typing import Final

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.errors import TocsinError
from tocsin.domain.incident import apply
from tocsin.domain.instant import to_us
from tocsin.persist.book import CACHE_MAX, SqliteBook
from tocsin.persist.changes import row_of
from tocsin.persist.fold import fold_delivery, fold_escalation
from tocsin.persist.row import Delivery, Escalation, Rows
from tocsin.persist.timeline import text_of
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS
from tocsin.wire.events import header, rfc3339
from tocsin.wire.record import Headers

JOURNALS: Final = {INCIDENTS.name: 0, ESCALATIONS.name: 1, NOTIFICATIONS.name: 2}
"""Topic -> its rank in a timeline: at the same instant, what happened comes before what followed from it."""

OUTCOMES: Final[dict[type[ev.CommandEvent], str]] = {
    ev.CommandApplied: "applied",
    ev.CommandUnchanged: "unchanged",
    ev.CommandRejected: "rejected",
}

PLAYBOOK: Final = "playbook."
"""Counters of the use of playbooks begin so: `playbook.<what>:<name>`."""

_encode: Final = msgspec.json.Encoder().encode


class BrokenHistory(TocsinError):
    """The events of an incident do not follow each other: a bug of the writer or a damaged log. Nothing was stored."""


class Views:
    """The fold of all event journals over the tables of `connection`."""

    def __init__(self, connection: sqlite3.Connection, cache_max: int = CACHE_MAX) -> None:
        self._connection = connection
        self._book = SqliteBook(connection, cache_max)
        self._deliveries = Rows(connection, "deliveries", Delivery, cache_max)
        self._escalations = Rows(connection, "escalations", Escalation, cache_max)
        self._timeline: list[tuple[object, ...]] = []
        self._outcomes: list[tuple[object, ...]] = []
        self._changes: list[tuple[object, ...]] = []
        self._counts: dict[str, int] = {}
        self._gaps: dict[str, int] = {}

    def apply(self, topic: str, partition: int, offset: int, event: ev.Event) -> None:
        """Fold one event in.

        Raises:
            BrokenHistory: it does not follow the last event of its incident.
        """
        at_us = to_us(event.recorded_at)
        self._book.at_us = at_us
        if isinstance(event, ev.IncidentEvent):
            self._apply_incident(f"{topic}/{partition}/{offset}", event)
        elif isinstance(event, ev.Tallied):
            apply(self._book, event)
            self._count("repeats", sum(tally.count for tally in event.tallies))
        elif isinstance(event, ev.DeliveryEvent):
            fold_delivery(self._deliveries.of(event.delivery_id, first=event.n == 1), event, partition, offset)
        elif isinstance(event, ev.EscalationEvent):
            fold_escalation(self._escalations.of(event.incident_id), event)
            self._count(event.TYPE, 1)
        elif isinstance(event, ev.ChangeRecorded):
            self._changes.append(row_of(event))
            self._count("changes", 1)
        elif isinstance(event, ev.CommandEvent):
            self._outcomes.append((event.command_id, partition, at_us, _encode(outcome_of(event)).decode()))
        journal = JOURNALS.get(topic)
        incident_id = ev.subject_of(event)
        if journal is not None and incident_id:
            self._timeline.append((incident_id, at_us, journal, partition, offset, *_entry(event)))

    def skip(self, topic: str, headers: Headers) -> None:
        """Note an event that this version cannot decode."""
        self._count("events_not_understood", 1)
        incident_id, _, version = (header(headers, "ce_id") or b"").decode("utf-8", "replace").rpartition(".")
        if topic == INCIDENTS.name and incident_id.startswith("inc_") and version.isdigit():
            self._gaps[incident_id] = int(version)

    def flush(self) -> None:
        """Write everything."""
        self._book.flush()
        self._book.trim()
        self._deliveries.flush()
        self._escalations.flush()
        write = self._connection.executemany
        write("INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._timeline)
        write("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", self._outcomes)
        write("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?)", self._changes)
        write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, count) for name, count in self._counts.items() if count],
        )
        write("INSERT OR REPLACE INTO gaps VALUES (?, ?)", list(self._gaps.items()))
        self._clear()

    def forget(self) -> None:
        """Drop everything that was not written: the transaction was rolled back."""
        self._book.forget()
        self._deliveries.forget()
        self._escalations.forget()
        self._clear()

    def _clear(self) -> None:
        for pending in (self._timeline, self._outcomes, self._changes, self._counts, self._gaps):
            pending.clear()

    def _count(self, name: str, by: int) -> None:
        self._counts[name] = self._counts.get(name, 0) + by

    def _apply_incident(self, where: str, event: ev.IncidentEvent) -> None:
        book, incident_id = self._book, event.incident_id
        known = book.version(incident_id, first=event.version == 1)
        if event.version != known + 1:
            gap = self._gap(incident_id)
            if event.version != gap + 1:
                raise BrokenHistory(
                    f"{where}: {event.TYPE} is version {event.version} of {incident_id}; expected {max(known, gap) + 1}"
                )
            if known == 0 and not isinstance(event, ev.Opened):
                self._gaps[incident_id] = event.version  # its opening could not be decoded
                return
        try:
            apply(book, event)
        except LookupError as error:
            raise BrokenHistory(f"{where}: {error}") from error
        book.advance(incident_id, event.version)
        self._count_incident(event)

    def _gap(self, incident_id: str) -> int:
        if incident_id not in self._gaps:
            row = self._connection.execute("SELECT version FROM gaps WHERE incident_id = ?", (incident_id,)).fetchone()
            if row is None:
                return 0
            self._gaps[incident_id] = row[0]
        return self._gaps[incident_id]

    def _count_incident(self, event: ev.IncidentEvent) -> None:
        if isinstance(event, ev.Opened):
            self._count("incidents_opened", 1)
            self._count("alerts", 1 if event.alert is not None else 0)
        elif isinstance(event, ev.AlertAttached | ev.LateAmended):
            self._count("alerts", 1)
        elif isinstance(event, ev.AlertResolved):
            self._count("resolves", len(event.alert_ids))
        elif isinstance(event, ev.PlaybookStarted):
            self._count(f"{PLAYBOOK}started:{event.playbook}", 1)
        elif isinstance(event, ev.PlaybookFinished):
            for what, count in (
                ("finished", 1),
                ("done", event.done),
                ("skipped", event.skipped),
                ("failed", event.failed),
            ):
                self._count(f"{PLAYBOOK}{what}:{event.playbook}", count)


def _entry(event: ev.Event) -> tuple[str, ...]:
    return ev.event_id(event), event.TYPE, event.actor, event.reason, text_of(event)


def outcome_of(event: ev.CommandEvent) -> dict[str, object]:
    """The answer to a command (RECORDS §5), with what the event knows besides."""
    return {
        "command_id": event.command_id,
        "outcome": OUTCOMES[type(event)],
        "verb": event.verb,
        "reason": event.reason,
        "message": event.message,
        "incident": event.incident_id,
        "events": list(event.events),
        "actor": event.actor,
        "at": rfc3339(event.recorded_at),
    }
