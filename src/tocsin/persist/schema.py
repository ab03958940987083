"""The tables, and how the database is opened. Nothing here reads or writes a row.

`log` and `position` are the event log: rows are only ever added. `VIEWS` are folds of it: they may be dropped and
filled again at any time (`rebuild.py`). Instants in views are whole microseconds since the epoch (`…_us`): exact, and
they sort. A `doc` is the JSON of the struct that `domain.incident.apply` changes; the columns beside it are for
filters.
"""

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tocsin.domain.errors import Retry, TocsinError

SCHEMA_VERSION: Final = 4
"""`PRAGMA user_version`; raised with every change of a table."""

BUSY_MS: Final = 2000
"""How long a writer waits for a foreign lock before the append becomes a retry."""

CACHE_KIB: Final = 32 * 1024
"""Page cache of the writer: the views are written in random order of their keys."""

CHECKPOINT_PAGES: Final = 8000
"""Pages (32 MB) of the write-ahead log before they are copied to the database: with SQLite's 1000 nearly every full
batch would wait for that."""

_CHANGES: Final = """
        CREATE TABLE changes (
            change_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, service TEXT NOT NULL, doc TEXT NOT NULL
        ) WITHOUT ROWID"""

UPGRADES: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE escalations ADD COLUMN update_state TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE escalations ADD COLUMN update_due_us INTEGER",
        "ALTER TABLE escalations ADD COLUMN paused_us INTEGER",
        "ALTER TABLE escalations ADD COLUMN policy TEXT NOT NULL DEFAULT ''",
    ),
    2: (
        _CHANGES,
        "CREATE INDEX changes_by_time ON changes (at_us)",
        "CREATE INDEX changes_by_service ON changes (service, at_us)",
    ),
    3: (
        "ALTER TABLE deliveries ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE deliveries ADD COLUMN partition INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE deliveries ADD COLUMN offsets TEXT NOT NULL DEFAULT ''",
        # Until then every delivery belonged to an incident, whose timeline names each of its events.
        """UPDATE deliveries SET (partition, offsets) = (
            SELECT MAX(partition), GROUP_CONCAT(offset) FROM (
                SELECT partition, offset FROM timeline WHERE timeline.incident_id = deliveries.incident_id
                AND journal = 2 AND substr(id, 1, length(delivery_id) + 1) = delivery_id || '.' ORDER BY offset
            )
        ) WHERE EXISTS (SELECT 1 FROM timeline WHERE timeline.incident_id = deliveries.incident_id
            AND journal = 2 AND substr(id, 1, length(delivery_id) + 1) = delivery_id || '.')""",
        "CREATE INDEX deliveries_by_time ON deliveries (planned_us, delivery_id)",
    ),
}
"""What makes a database of a version one of the next: its rows are as the newer fold of the same log leaves them."""

LOG: Final = """
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB NOT NULL,
    type TEXT NOT NULL, subject TEXT NOT NULL, recorded_at TEXT NOT NULL,
    hash BLOB NOT NULL, seal INTEGER NOT NULL,
    UNIQUE (topic, partition, offset)
);
CREATE TABLE position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    last INTEGER NOT NULL, rows INTEGER NOT NULL, head BLOB NOT NULL,
    PRIMARY KEY (topic, partition)
);
"""

VIEWS: Final[Mapping[str, str]] = {
    "incidents": """
        CREATE TABLE incidents (
            id TEXT PRIMARY KEY, number TEXT NOT NULL COLLATE NOCASE, opened_us INTEGER NOT NULL, version INTEGER NOT
            NULL, status TEXT NOT NULL, severity TEXT NOT NULL, category TEXT NOT NULL, service TEXT NOT NULL, team
            TEXT NOT NULL, title TEXT NOT NULL, updated_us INTEGER NOT NULL, retired_us INTEGER, doc TEXT NOT NULL
        )""",
    "alerts": """
        CREATE TABLE alerts (
            alert_id TEXT PRIMARY KEY, incident_id TEXT NOT NULL, fingerprint TEXT NOT NULL, status TEXT NOT NULL,
            severity TEXT NOT NULL, service TEXT NOT NULL, title TEXT NOT NULL, attached_us INTEGER NOT NULL,
            doc TEXT NOT NULL, facts TEXT NOT NULL
        )""",
    "timeline": """
        CREATE TABLE timeline (
            incident_id TEXT NOT NULL, at_us INTEGER NOT NULL, journal INTEGER NOT NULL,
            partition INTEGER NOT NULL, offset INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
            actor TEXT NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL,
            PRIMARY KEY (incident_id, at_us, journal, partition, offset)
        ) WITHOUT ROWID""",
    "deliveries": """
        CREATE TABLE deliveries (
            delivery_id TEXT PRIMARY KEY, incident_id TEXT NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL,
            step TEXT NOT NULL, page INTEGER NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL,
            error TEXT NOT NULL, receipt TEXT NOT NULL, reason TEXT NOT NULL, possible_duplicate INTEGER NOT NULL,
            planned_us INTEGER, attempted_us INTEGER, next_attempt_us INTEGER, finished_us INTEGER,
            digest TEXT NOT NULL, partition INTEGER NOT NULL, offsets TEXT NOT NULL
        ) WITHOUT ROWID""",
    "escalations": """
        CREATE TABLE escalations (
            incident_id TEXT PRIMARY KEY, level INTEGER NOT NULL, fired INTEGER NOT NULL, team TEXT NOT NULL,
            steps TEXT NOT NULL, next_due_us INTEGER, acknowledge_state TEXT NOT NULL, acknowledge_due_us INTEGER,
            resolve_state TEXT NOT NULL, resolve_due_us INTEGER, fired_us INTEGER, stopped_us INTEGER,
            reason TEXT NOT NULL, update_state TEXT NOT NULL, update_due_us INTEGER, paused_us INTEGER,
            policy TEXT NOT NULL
        ) WITHOUT ROWID""",
    "outcomes": """
        CREATE TABLE outcomes (
            command_id TEXT NOT NULL, partition INTEGER NOT NULL, at_us INTEGER NOT NULL, doc TEXT NOT NULL,
            PRIMARY KEY (command_id, partition)
        ) WITHOUT ROWID""",
    "changes": _CHANGES,
    "counters": "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "gaps": "CREATE TABLE gaps (incident_id TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
}
"""View -> its table. Only events of one journal partition touch a row, so the order among journals does not matter."""

KEYS: Final[Mapping[str, str]] = {
    "incidents": "id",
    "alerts": "alert_id",
    "timeline": "incident_id, at_us, journal, partition, offset",
    "deliveries": "delivery_id",
    "escalations": "incident_id",
    "outcomes": "command_id, partition",
    "changes": "change_id",
    "counters": "name",
    "gaps": "incident_id",
}

INDEXES: Final[Mapping[str, str]] = {
    "incidents_by_number": "ON incidents (number)",
    "incidents_by_time": "ON incidents (opened_us, id)",
    "incidents_by_status": "ON incidents (status, severity, opened_us)",
    "incidents_by_severity": "ON incidents (severity, opened_us)",
    "incidents_by_category": "ON incidents (category, opened_us)",
    "incidents_by_service": "ON incidents (service, opened_us)",
    "incidents_by_team": "ON incidents (team, opened_us)",
    "alerts_by_incident": "ON alerts (incident_id, attached_us)",
    "alerts_by_time": "ON alerts (attached_us, alert_id)",
    "alerts_by_fingerprint": "ON alerts (fingerprint, attached_us)",
    "alerts_by_service": "ON alerts (service, incident_id)",
    "alerts_by_status": "ON alerts (status, severity, attached_us)",
    "changes_by_time": "ON changes (at_us)",
    "changes_by_service": "ON changes (service, at_us)",
    "deliveries_by_incident": "ON deliveries (incident_id)",
    "deliveries_by_status": "ON deliveries (status)",
    "deliveries_by_time": "ON deliveries (planned_us, delivery_id)",
}

NEEDED_TO_FOLD: Final = ("alerts_by_incident",)
"""Indexes that the fold itself reads by; the others are made after a rebuild has filled the tables."""


class Unusable(TocsinError):
    """The file is no event log of this version, or it is damaged: stop, say why, change nothing."""


_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""Faults that may pass without anybody touching the file: locked, full, read-only, out of memory."""


def fault_of(error: sqlite3.Error, path: Path) -> Retry | Unusable:
    """What an error of SQLite means for the caller: try again, or stop."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _PASSING:
        return Retry(f"{path}: {error}")
    return Unusable(f"{path}: {error}")


def create_views(connection: sqlite3.Connection) -> None:
    """The tables of the views, empty, with the indexes that the fold needs."""
    for table in VIEWS.values():
        connection.execute(table)
    for name in NEEDED_TO_FOLD:
        connection.execute(f"CREATE INDEX {name} {INDEXES[name]}")


def create_indexes(connection: sqlite3.Connection) -> None:
    """Every index that is not there yet."""
    for name, columns in INDEXES.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} {columns}")


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; creates file and tables. The caller holds the lock. Autocommit outside of BEGIN.

    Raises:
        Unusable: not ours, of another version, or damaged.
        Retry: it cannot be opened now.
    """
    # Alerts may name what others must not read: the file is the owner's alone, and SQLite gives -wal and -shm the same
    # mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("BEGIN IMMEDIATE")
        empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
        if empty:
            for statement in LOG.split(";"):
                connection.execute(statement)
            create_views(connection)
            create_indexes(connection)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        else:
            _upgrade(connection)
        connection.execute("COMMIT")
        _check_version(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise fault_of(error, path) from error
    except TocsinError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, usable beside a running tocsin and from any one thread at a time.

    Raises:
        Unusable: not ours, of another version, or damaged.
        Retry: there is no such file, or it cannot be opened now.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only = ON")
        _check_version(connection, path)
    except (sqlite3.Error, TocsinError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise fault_of(error, path) from error
        raise
    return connection


def _upgrade(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    while version in UPGRADES:
        for statement in UPGRADES[version]:
            connection.execute(statement)
        version += 1
        connection.execute(f"PRAGMA user_version = {version}")


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise Unusable(f"{path}: schema version {version}; this tocsin reads and writes version {SCHEMA_VERSION}")
