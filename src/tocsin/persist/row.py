"""Rows of the smaller views: typed, cached, written together.

In: the key of a row, or the whole row. Out: `INSERT OR REPLACE` of every row that was handed out since the last flush.
Invariant: a struct has exactly the columns of its table, in their order, the key first (a test compares them).
"""

import sqlite3
from typing import Generic, TypeVar

import msgspec


class Delivery(msgspec.Struct):
    """One delivery, folded from its events. `status` is the word of the last one."""

    delivery_id: str
    incident_id: str = ""
    channel: str = ""
    recipient: str = ""
    step: str = ""
    page: int = 0
    status: str = ""
    attempts: int = 0
    error: str = ""
    receipt: str = ""
    reason: str = ""
    possible_duplicate: int = 0
    planned_us: int | None = None
    attempted_us: int | None = None
    next_attempt_us: int | None = None
    finished_us: int | None = None
    digest: str = ""
    """Delivery id of the digest that says what this one would have said."""
    partition: int = 0
    offsets: str = ""
    """Where its events lie in the notifications journal, with commas: the attempts are read from there."""


class Escalation(msgspec.Struct):
    """The escalation of one incident. States of a promise: empty (none), `running`, `at_risk`, `breached`, `ended`."""

    incident_id: str
    level: int = 0
    """The last level that fired."""
    fired: int = 0
    team: str = ""
    steps: str = "[]"
    """JSON: the steps still to come, earliest first."""
    next_due_us: int | None = None
    acknowledge_state: str = ""
    acknowledge_due_us: int | None = None
    resolve_state: str = ""
    resolve_due_us: int | None = None
    fired_us: int | None = None
    stopped_us: int | None = None
    reason: str = ""
    update_state: str = ""
    update_due_us: int | None = None
    paused_us: int | None = None
    policy: str = ""


Row = TypeVar("Row", Delivery, Escalation)


class Rows(Generic[Row]):
    """The rows of one table by their key."""

    def __init__(self, connection: sqlite3.Connection, table: str, kind: type[Row], cache_max: int) -> None:
        columns = kind.__struct_fields__
        self._connection = connection
        self._cache_max = cache_max
        self._kind: type[Row] = kind
        self._read = f"SELECT * FROM {table} WHERE {columns[0]} = ?"  # noqa: S608 names of our own tables
        self._write = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        self._rows: dict[str, Row] = {}
        self._touched: set[str] = set()

    def of(self, key: str, *, first: bool = False) -> Row:
        """The row, or a blank one; changes in place are kept. With `first` there is none in the table, so it is not
        asked."""
        row = self._rows.get(key)
        if row is None:
            stored = None if first else self._connection.execute(self._read, (key,)).fetchone()
            row = self._rows[key] = self._kind(*(stored or (key,)))
        self._touched.add(key)
        return row

    def flush(self) -> None:
        """Write what was handed out."""
        self._connection.executemany(self._write, [msgspec.structs.astuple(self._rows[key]) for key in self._touched])
        self._touched.clear()
        if len(self._rows) > self._cache_max:
            self._rows.clear()

    def forget(self) -> None:
        """Drop everything, the unwritten too."""
        self._rows.clear()
        self._touched.clear()
