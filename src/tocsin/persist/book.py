"""Incidents and their members in the database, as the `Book` that `domain.incident.apply` changes.

In: calls of `apply`. Out: rows of `incidents` and `alerts`, written by `flush` inside the caller's transaction.
Invariants: whatever was handed out since the last flush is written by the next one, because it may have been changed in
place; after a rollback the caller calls `forget`, so that nothing unwritten survives. Retired incidents stay, marked.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from tocsin.domain.alert import AlertFacts
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import to_us

VOIDED: Final = "voided"
"""In place of the status, in the column that lists go by: so they pass over what was voided."""
CACHE_MAX: Final = 10_000
"""Incidents, and members, kept between batches: about 20 MB; a storm works on few incidents at a time."""

_encode: Final = msgspec.json.Encoder().encode
_incident_decoder: Final = msgspec.json.Decoder(Incident)
_member_decoder: Final = msgspec.json.Decoder(Member)


class _Kept(msgspec.Struct):
    """An incident in the cache, with what the row has beside the document."""

    incident: Incident
    version: int
    updated_us: int
    retired_us: int | None = None
    stored: tuple[object, ...] | None = None
    """The indexed columns as they are in the table; None = there is no row yet."""


class _New(msgspec.Struct):
    """What is written once about a member."""

    facts: str
    attached_us: int


class SqliteBook:
    """A `domain.incident.Book` over `connection`. `at_us` is the `recorded_at` of the event being applied."""

    def __init__(self, connection: sqlite3.Connection, cache_max: int = CACHE_MAX) -> None:
        self.at_us = 0
        self._connection = connection
        self._cache_max = cache_max
        self._incidents: dict[str, _Kept] = {}
        self._members: dict[str, Member] = {}
        self._touched: set[str] = set()
        self._touched_members: set[str] = set()
        self._stored_members: dict[str, tuple[str, str]] = {}
        self._arrived: dict[str, set[str]] = {}
        self._new_members: dict[str, _New] = {}

    # ---- what `apply` calls ------------------------------------------------------------------------------------------

    def incident(self, incident_id: str) -> Incident | None:
        kept = self._kept(incident_id)
        if kept is None:
            return None
        self._touched.add(incident_id)
        return kept.incident

    def put(self, incident: Incident) -> None:
        kept = self._incidents.get(incident.id)
        if kept is None:
            kept = self._incidents[incident.id] = _Kept(incident, 0, self.at_us)
        kept.incident = incident
        kept.updated_us = self.at_us
        self._touched.add(incident.id)

    def drop(self, incident_id: str) -> None:
        """Mark it as retired; its row and its members stay."""
        kept = self._kept(incident_id)
        if kept is not None:
            kept.retired_us = kept.updated_us = self.at_us
            self._touched.add(incident_id)

    def member(self, alert_id: str) -> Member | None:
        member = self._members.get(alert_id)
        if member is None:
            row = self._connection.execute("SELECT doc FROM alerts WHERE alert_id = ?", (alert_id,)).fetchone()
            if row is None:
                return None
            member = self._members[alert_id] = _member_decoder.decode(row[0])
            self._stored_members[alert_id] = _indexed_member(member)
        self._touched_members.add(alert_id)
        return member

    def members(self, incident_id: str) -> Iterable[Member]:
        rows = self._connection.execute("SELECT alert_id FROM alerts WHERE incident_id = ?", (incident_id,))
        candidates = {alert_id for (alert_id,) in rows.fetchall()} | self._arrived.get(incident_id, set())
        members = [member for alert_id in candidates if (member := self.member(alert_id))]
        return [member for member in members if member.incident_id == incident_id]

    def attach(self, member: Member, facts: AlertFacts) -> None:
        if member.alert_id in self._members:  # one that is only in the table is found by its key when it is written
            raise LookupError(f"the alert_id {member.alert_id} is attached already")
        self._members[member.alert_id] = member
        self._new_members[member.alert_id] = _New(_encode(facts).decode(), self.at_us)
        self._touched_members.add(member.alert_id)
        self._arrived.setdefault(member.incident_id, set()).add(member.alert_id)

    def move(self, member: Member, incident_id: str) -> None:
        member.incident_id = incident_id
        self._touched_members.add(member.alert_id)
        self._arrived.setdefault(incident_id, set()).add(member.alert_id)

    # ---- what the views call -----------------------------------------------------------------------------------------

    def version(self, incident_id: str, *, first: bool = False) -> int:
        """Version of the last event of the incident; 0 for an unknown one. With `first` the table is not asked: a row
        that is there all the same is found by its key when the new one is written."""
        kept = self._incidents.get(incident_id) if first else self._kept(incident_id)
        return kept.version if kept is not None else 0

    def advance(self, incident_id: str, version: int) -> None:
        """Note that the event `version` was applied."""
        self._incidents[incident_id].version = version
        self._touched.add(incident_id)

    def flush(self) -> None:
        """Write everything that was touched."""
        self._flush_incidents()
        self._flush_members()

    def trim(self) -> None:
        """Keep the cache within its limit. Nothing may be unwritten."""
        if len(self._incidents) > self._cache_max:
            self._incidents.clear()
        if len(self._members) > self._cache_max:
            self._members.clear()
            self._stored_members.clear()

    def forget(self) -> None:
        """Drop everything, the unwritten too: the transaction was rolled back."""
        for kept in (self._incidents, self._members, self._touched, self._touched_members, self._new_members):
            kept.clear()
        self._stored_members.clear()
        self._arrived.clear()

    def _kept(self, incident_id: str) -> _Kept | None:
        kept = self._incidents.get(incident_id)
        if kept is None:
            row = self._connection.execute(
                "SELECT doc, version, updated_us, retired_us FROM incidents WHERE id = ?", (incident_id,)
            ).fetchone()
            if row is None:
                return None
            incident = _incident_decoder.decode(row[0])
            kept = self._incidents[incident_id] = _Kept(incident, row[1], row[2], row[3], _indexed(incident))
        return kept

    def _flush_incidents(self) -> None:
        """New rows, changed rows, and those of which no indexed column has changed: the last are the most and the
        cheapest."""
        new, changed, same = [], [], []
        for incident_id in self._touched:
            kept = self._incidents[incident_id]
            indexed = _indexed(kept.incident)
            rest = (kept.version, kept.updated_us, kept.retired_us, _encode(kept.incident).decode())
            if kept.stored is None:
                header = kept.incident.header
                new.append((incident_id, header.number, to_us(header.opened_at), *rest, *indexed))
            elif kept.stored == indexed:
                same.append((*rest, incident_id))
            else:
                changed.append((*rest, *indexed, incident_id))
            kept.stored = indexed
        write = self._connection.executemany
        write(
            "INSERT INTO incidents (id, number, opened_us, version, updated_us, retired_us, doc, status, severity,"
            " category, service, team, title) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            new,
        )
        write(
            "UPDATE incidents SET version = ?, updated_us = ?, retired_us = ?, doc = ?, status = ?, severity = ?,"
            " category = ?, service = ?, team = ?, title = ? WHERE id = ?",
            changed,
        )
        write("UPDATE incidents SET version = ?, updated_us = ?, retired_us = ?, doc = ? WHERE id = ?", same)
        self._touched.clear()

    def _flush_members(self) -> None:
        new, changed, same = [], [], []
        for alert_id in self._touched_members:
            member = self._members[alert_id]
            indexed = _indexed_member(member)
            doc = _encode(member).decode()
            once = self._new_members.get(alert_id)
            if once is not None:
                constant = (member.fingerprint, member.severity.value, member.service, member.title)
                new.append((alert_id, *constant, once.attached_us, once.facts, *indexed, doc))
            elif self._stored_members.get(alert_id) == indexed:
                same.append((doc, alert_id))
            else:
                changed.append((*indexed, doc, alert_id))
            self._stored_members[alert_id] = indexed
        write = self._connection.executemany
        write(
            "INSERT INTO alerts (alert_id, fingerprint, severity, service, title, attached_us, facts, incident_id,"
            " status, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            new,
        )
        write("UPDATE alerts SET incident_id = ?, status = ?, doc = ? WHERE alert_id = ?", changed)
        write("UPDATE alerts SET doc = ? WHERE alert_id = ?", same)
        self._touched_members.clear()
        self._new_members.clear()
        self._arrived.clear()


def _indexed(incident: Incident) -> tuple[object, ...]:
    """Status, severity, category, service, team and title: the columns that filters use and that may change."""
    header = incident.header
    status = VOIDED if incident.details is not None and incident.details.voided else header.status.value
    return (status, header.severity.value, header.category, header.service, header.team, header.title)


def _indexed_member(member: Member) -> tuple[str, str]:
    return member.incident_id, "firing" if member.firing else "resolved"
