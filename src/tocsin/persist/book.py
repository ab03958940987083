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
        self._touched_members.add(alert_id)
        return member

    def members(self, incident_id: str) -> Iterable[Member]:
        self.flush()  # rare (merges); so that the table knows every member
        rows = self._connection.execute("SELECT alert_id FROM alerts WHERE incident_id = ?", (incident_id,))
        return [member for (alert_id,) in rows.fetchall() if (member := self.member(alert_id))]

    def attach(self, member: Member, facts: AlertFacts) -> None:
        if member.alert_id in self._members:  # one that is only in the table is found by its key when it is written
            raise LookupError(f"the alert_id {member.alert_id} is attached already")
        self._members[member.alert_id] = member
        self._new_members[member.alert_id] = _New(_encode(facts).decode(), self.at_us)
        self._touched_members.add(member.alert_id)

    def move(self, member: Member, incident_id: str) -> None:
        member.incident_id = incident_id
        self._touched_members.add(member.alert_id)

    # ---- what the views call -----------------------------------------------------------------------------------------

    def version(self, incident_id: str) -> int:
        """Version of the last event of the incident; 0 for an unknown one."""
        kept = self._kept(incident_id)
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

    def forget(self) -> None:
        """Drop everything, the unwritten too: the transaction was rolled back."""
        for kept in (self._incidents, self._members, self._touched, self._touched_members, self._new_members):
            kept.clear()

    def _kept(self, incident_id: str) -> _Kept | None:
        kept = self._incidents.get(incident_id)
        if kept is None:
            row = self._connection.execute(
                "SELECT doc, version, updated_us, retired_us FROM incidents WHERE id = ?", (incident_id,)
            ).fetchone()
            if row is None:
                return None
            kept = self._incidents[incident_id] = _Kept(_incident_decoder.decode(row[0]), *row[1:])
        return kept

    def _flush_incidents(self) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_incident_row(self._incidents[incident_id]) for incident_id in self._touched],
        )
        self._touched.clear()

    def _flush_members(self) -> None:
        members, new = self._members, self._new_members
        self._connection.executemany(
            "INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_member_row(members[alert_id], *msgspec.structs.astuple(once)) for alert_id, once in new.items()],
        )
        self._connection.executemany(
            "UPDATE alerts SET incident_id = ?, status = ?, starts_us = ?, last_us = ?, occurrences = ?, doc = ?"
            " WHERE alert_id = ?",
            [_member_change(members[alert_id]) for alert_id in self._touched_members if alert_id not in new],
        )
        self._touched_members.clear()
        new.clear()


def _incident_row(kept: _Kept) -> tuple[object, ...]:
    header = kept.incident.header
    return (
        header.id,
        header.number,
        kept.version,
        header.status.value,
        header.severity.value,
        header.category,
        header.service,
        header.team,
        header.title,
        to_us(header.opened_at),
        kept.updated_us,
        kept.retired_us,
        _encode(kept.incident).decode(),
    )


def _status(member: Member) -> str:
    return "firing" if member.firing else "resolved"


def _member_row(member: Member, facts: str, attached_us: int) -> tuple[object, ...]:
    return (
        member.alert_id,
        member.incident_id,
        member.fingerprint,
        _status(member),
        member.severity.value,
        member.service,
        member.title,
        attached_us,
        to_us(member.start),
        to_us(member.last),
        member.occurrences,
        _encode(member).decode(),
        facts,
    )


def _member_change(member: Member) -> tuple[object, ...]:
    return (
        member.incident_id,
        _status(member),
        to_us(member.start),
        to_us(member.last),
        member.occurrences,
        _encode(member).decode(),
        member.alert_id,
    )
