"""The views again, from the rows of the log alone; and one number that says whether two sets of views are equal.

In: the path of a database that no tocsin writes to. Out: the same database with views filled anew, or untouched when
anything fails. Invariants: the fold is the one that runs live (`views.py`); the new tables are filled in a file of
their own and replace the old ones in one transaction, so a kill at any instant leaves a whole set of views. The log is
only read.
"""

import sqlite3
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from tocsin.domain.errors import Reject
from tocsin.persist.chain import PROGRESS_ROWS, Progress, decode_headers
from tocsin.persist.lock import Lock
from tocsin.persist.schema import (
    CACHE_KIB,
    KEYS,
    NEEDED_TO_FOLD,
    VIEWS,
    create_indexes,
    create_views,
    fault_of,
    open_reader,
    open_writer,
)
from tocsin.persist.views import Views
from tocsin.wire.events import decode_value

FLUSH_EVENTS: Final = 20_000
"""Events between two flushes: an incident that changes often is written once for all of them."""

BOOK_MAX: Final = 100_000
"""Incidents and members kept in memory between flushes: about 200 MB at most, and only during a rebuild."""

_encode: Final = msgspec.msgpack.Encoder().encode


class RebuildReport(msgspec.Struct, frozen=True):
    """What `rebuild` did. Different digests mean that the old views did not say what the log says."""

    events: int
    seconds: float
    digest_before: str
    digest_after: str


def digest(path: Path) -> str:
    """SHA-256 (hex) over the rows of all views in the order of their keys: equal views, equal digest, however they
    were made.

    Raises:
        Retry, Unusable: the file cannot be read now, or at all.
    """
    connection = open_reader(path)
    try:
        connection.execute("BEGIN")
        return _digest(connection)
    except sqlite3.Error as error:
        raise fault_of(error, path) from error
    finally:
        connection.close()


def _digest(connection: sqlite3.Connection) -> str:
    total = sha256()
    for table, key in KEYS.items():
        total.update(_encode(table))
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key}"):  # noqa: S608 names of our own tables
            total.update(_encode(row))
    return total.hexdigest()


def rebuild(path: Path, progress: Progress | None = None) -> RebuildReport:
    """Fill the views again from the log and put them in the place of the old ones.

    Raises:
        Held: a tocsin runs on this database; the message names it.
        BrokenHistory: the log does not fold (run `verify`). The old views stay.
        Retry, Unusable: the file cannot be read or written now, or at all.
    """
    started = time.monotonic()
    lock = Lock(path, "tocsin eventlog rebuild")
    fresh = path.with_name(path.name + ".rebuild")
    try:
        fresh.unlink(missing_ok=True)
        before = digest(path)
        events = _fill(path, fresh, progress)
        _swap(path, fresh)
        return RebuildReport(events, time.monotonic() - started, before, digest(path))
    except sqlite3.Error as error:
        raise fault_of(error, path) from error
    finally:
        fresh.unlink(missing_ok=True)
        lock.release()


def _fill(path: Path, fresh: Path, progress: Progress | None) -> int:
    """Fold every row of the log into new tables in the file `fresh`; returns how many there were."""
    target = sqlite3.connect(fresh, isolation_level=None)
    source = open_reader(path)
    try:
        # Nobody else reads this file, and it is thrown away when this process dies: no journal, no waiting for the
        # disk.
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        target.execute(f"PRAGMA cache_size = -{2 * CACHE_KIB}")
        create_views(target)
        total = source.execute("SELECT COALESCE(SUM(rows), 0) FROM position").fetchone()[0]
        views = Views(target, BOOK_MAX)
        done = 0
        rows = source.execute("SELECT topic, partition, offset, type, value, headers FROM log ORDER BY id")
        target.execute("BEGIN")
        while chunk := rows.fetchmany(PROGRESS_ROWS):
            _fold(views, chunk)
            done += len(chunk)
            if done % FLUSH_EVENTS == 0:
                views.flush()
            if progress is not None:
                progress(done, total)
        views.flush()
        target.execute("COMMIT")
        return done
    finally:
        source.close()
        target.close()


def _fold(views: Views, rows: Sequence[tuple[str, int, int, str, bytes | None, bytes]]) -> None:
    for topic, partition, offset, kind, value, headers in rows:
        try:
            event = decode_value(kind, value)
        except Reject:
            views.skip(topic, decode_headers(headers))
            continue
        views.apply(topic, partition, offset, event)


def _swap(path: Path, fresh: Path) -> None:
    """Replace the views by those in `fresh`, all or none."""
    connection = open_writer(path)
    try:
        connection.execute("ATTACH ? AS fresh", (str(fresh),))
        connection.execute("BEGIN IMMEDIATE")
        for table in VIEWS:
            connection.execute(f"DROP TABLE {table}")
        create_views(connection)
        for name in NEEDED_TO_FOLD:
            connection.execute(f"DROP INDEX {name}")  # an index is made faster than it is kept up
        for table, key in KEYS.items():
            connection.execute(f"INSERT INTO {table} SELECT * FROM fresh.{table} ORDER BY {key}")  # noqa: S608 our own names
        create_indexes(connection)
        connection.execute("COMMIT")
        connection.execute("DETACH fresh")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()
