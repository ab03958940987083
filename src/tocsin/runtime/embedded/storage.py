"""The file: one SQLite database, its schema, and every statement that runs on it.

In: a connection and plain values. Out: rows as records, each checked against its checksum. Invariants: one
append is one row, so it is there whole or not at all; `next` and `begin` of a partition are stored, so that an
emptied partition goes on where it was. It opens no transactions and starts no threads: the writer does.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from tocsin.runtime.broker import Broken, Draft, Record
from tocsin.topics import Topic

__all__ = [
    "Partition",
    "connect",
    "connect_reader",
    "decode_drafts",
    "drafts_of",
    "encode_drafts",
    "expired",
    "insert",
    "open_topics",
    "positions",
    "read",
    "remove",
    "store_partition",
    "store_position",
]

APPLICATION_ID: Final = 0x746F6373
"""`tocs`: tells this file from any other SQLite database."""
SCHEMA_VERSION: Final = 1
PLACE_BITS: Final = 44
"""A row is keyed by (partition id << 44 | first offset): appends go to the right edge of one B-tree per partition,
and 17 million million offsets are more than a disk holds."""
BUSY_MS: Final = 5_000
"""How long to wait for another process that reads or copies the file and holds its lock for a moment."""
WAL_BYTES_MAX: Final = 64 * 1024 * 1024
"""The write-ahead log is cut back to this once it has been written into the database."""

_SCHEMA: Final = """
CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,
    incarnation TEXT NOT NULL, created_at_ms INTEGER NOT NULL);
CREATE TABLE partition (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES topic, number INTEGER NOT NULL,
    begin INTEGER NOT NULL, next INTEGER NOT NULL, timestamp INTEGER NOT NULL, UNIQUE (topic, number));
CREATE TABLE batch (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    checksum BLOB NOT NULL, payload BLOB NOT NULL);
CREATE TABLE position ("group" TEXT NOT NULL, partition INTEGER NOT NULL REFERENCES partition,
    next INTEGER NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY ("group", partition)) WITHOUT ROWID;
"""
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Draft])
_compacted_decoder: Final = msgspec.msgpack.Decoder(list[Draft | None])
"""None = compacted away; what is missing at the end of the list, too."""


class Partition(msgspec.Struct, frozen=True):
    """A partition as it is stored."""

    id: int
    topic: str
    number: int
    begin: int
    next: int
    timestamp: int
    """Milliseconds, of the newest record; 0 before the first."""
    compacted: bool = False
    """Rows may have lost records whose key has a newer one."""

    @property
    def place(self) -> int:
        """The key of a row at offset 0."""
        return self.id << PLACE_BITS

    def checksum(self, first: int, count: int, timestamp: int, payload: bytes) -> bytes:
        """64 bits over everything that a row says, and where it says it."""
        where = f"{self.topic}/{self.number}/{first}/{count}/{timestamp}/"
        return blake2b(where.encode() + payload, digest_size=8).digest()


def encode_drafts(drafts: Sequence[Draft | None]) -> bytes:
    """The payload of one append, or of what compaction has left of it."""
    return _encoder.encode(drafts)


def decode_drafts(payload: bytes) -> list[Draft]:
    """The inverse.

    Raises:
        msgspec.MsgspecError: it is no payload.
    """
    return _decoder.decode(payload)


def connect(path: Path) -> sqlite3.Connection:
    """The writer's connection; makes the file, readable by its owner only.

    Raises:
        ValueError: the file is something else, or was written by a newer tocsin.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        _sync_directory(path.parent)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    try:
        _check_kind(connection, path)
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise Broken(f"{path}: this file system cannot hold a write-ahead log")
        for pragma in (
            "synchronous = FULL",  # a commit is on the disk before it is acknowledged
            "fullfsync = ON",  # macOS: fsync alone leaves it in the drive's cache
            "checkpoint_fullfsync = ON",
            "wal_autocheckpoint = 0",  # the writer does it, since SQLite keeps the errors of its own to itself
            f"journal_size_limit = {WAL_BYTES_MAX}",
            "cell_size_check = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. For any one thread at a time."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ValueError(f"{path} is a SQLite database, but not a log of tocsin")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema version {version}, written by a newer tocsin; this one knows up to {SCHEMA_VERSION}"
        )


def open_topics(
    connection: sqlite3.Connection,
    topics: Mapping[str, Topic],
    partitions: int,
    stamp: Callable[[], str],
    created_at_ms: int,
) -> tuple[list[Partition], dict[str, str]]:
    """Make what is missing of the schema and of `topics`; (their partitions, incarnation by topic).

    Raises:
        ValueError: a topic exists with another partition count.
        Broken: rows are missing at the end of a partition.
    """
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for topic in topics.values():
        count = topic.partitions or partitions
        found = connection.execute("SELECT partitions FROM topic WHERE name = ?", (topic.name,)).fetchone()
        if found is None:
            cursor = connection.execute(
                "INSERT INTO topic (name, partitions, incarnation, created_at_ms) VALUES (?, ?, ?, ?)",
                (topic.name, count, stamp(), created_at_ms),
            )
            connection.executemany(
                "INSERT INTO partition (topic, number, begin, next, timestamp) VALUES (?, ?, 0, 0, 0)",
                [(cursor.lastrowid, number) for number in range(count)],
            )
        elif found != (count,):
            raise ValueError(
                f"topic {topic.name} has {found[0]} partitions, not {count}: the count is fixed when the log is made"
            )
    rows = connection.execute(
        "SELECT p.id, t.name, p.number, p.begin, p.next, p.timestamp FROM partition p JOIN topic t ON t.id = p.topic"
    )
    found_partitions = [
        Partition(key, name, number, begin, next_, timestamp, topics[name].compacted)
        for key, name, number, begin, next_, timestamp in rows
        if name in topics
    ]
    for partition in found_partitions:
        _check_end(connection, partition)
    return found_partitions, dict(connection.execute("SELECT name, incarnation FROM topic"))


def _check_end(connection: sqlite3.Connection, partition: Partition) -> None:
    row = connection.execute(
        "SELECT place + count FROM batch WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT 1",
        (partition.place, partition.place + (1 << PLACE_BITS)),
    ).fetchone()
    end = row[0] - partition.place if row else partition.begin
    # Rows wholly below `begin` may still lie there when a trim was cut off.
    if max(end, partition.begin) != partition.next:
        raise Broken(f"{partition.topic}/{partition.number} must end at {partition.next}, but its records end at {end}")


def insert(
    connection: sqlite3.Connection,
    partition: Partition,
    first: int,
    count: int,
    timestamp: int,
    payload: bytes,
) -> None:
    """Add one append as one row."""
    connection.execute(
        "INSERT INTO batch (place, count, timestamp, checksum, payload) VALUES (?, ?, ?, ?, ?)",
        (
            partition.place + first,
            count,
            timestamp,
            partition.checksum(first, count, timestamp, payload),
            payload,
        ),
    )


def store_partition(connection: sqlite3.Connection, partition: Partition) -> None:
    """Store where a partition begins and ends."""
    connection.execute(
        "UPDATE partition SET begin = ?, next = ?, timestamp = ? WHERE id = ?",
        (partition.begin, partition.next, partition.timestamp, partition.id),
    )


def store_position(connection: sqlite3.Connection, group: str, partition_id: int, position: tuple[int, str]) -> None:
    """Store how far `group` has read."""
    connection.execute(
        'INSERT OR REPLACE INTO position ("group", partition, next, metadata) VALUES (?, ?, ?, ?)',
        (group, partition_id, *position),
    )


def positions(connection: sqlite3.Connection) -> Iterator[tuple[str, int, int, str]]:
    """Every (group, partition id, next offset, metadata)."""
    yield from connection.execute('SELECT "group", partition, next, metadata FROM position')


def remove(connection: sqlite3.Connection, partition: Partition, rows_max: int) -> int:
    """Delete up to `rows_max` of the rows that lie wholly below `partition.begin`; how many."""
    upto = partition.place + partition.begin
    return connection.execute(
        "DELETE FROM batch WHERE place IN (SELECT place FROM batch"
        " WHERE place >= ? AND place < ? AND place + count <= ? ORDER BY place LIMIT ?)",
        (partition.place, upto, upto, rows_max),
    ).rowcount


def expired(connection: sqlite3.Connection, partition: Partition, before_ms: int, rows_max: int) -> int:
    """The lowest offset whose record is as new as `before_ms`; it looks at `rows_max` rows at most."""
    rows = connection.execute(
        "SELECT place + count, timestamp FROM batch WHERE place + count > ? AND place >= ? AND place < ?"
        " ORDER BY place LIMIT ?",
        (
            partition.place + partition.begin,
            partition.place,
            partition.place + partition.next,
            rows_max,
        ),
    )
    begin = partition.begin
    for end, timestamp in rows:
        if timestamp >= before_ms:
            break
        begin = end - partition.place
    return begin


def read(
    connection: sqlite3.Connection, partition: Partition, offset: int, records_max: int, bytes_max: int
) -> list[Record]:
    """Records from `offset` on, below `partition.next`: within the limits, but one if there is one.

    It begins at the stored begin when that is higher.

    Raises:
        Broken: a checksum does not fit, or a row is missing; the message says where.
    """
    connection.execute("BEGIN")  # one snapshot: a trim may run beside
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT begin FROM partition WHERE id = ?", (partition.id,))
        start = max(offset, cursor.fetchone()[0])
        cursor.execute(
            "SELECT place, count, timestamp, checksum, payload FROM batch"
            " WHERE place >= coalesce((SELECT place FROM batch WHERE place >= :low AND place <= :at"
            "                          ORDER BY place DESC LIMIT 1), :at) AND place < :end ORDER BY place",
            {
                "low": partition.place,
                "at": partition.place + start,
                "end": partition.place + partition.next,
            },
        )
        return _take(partition, cursor, start, records_max, bytes_max)
    finally:
        cursor.close()
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _take(
    partition: Partition,
    rows: Iterator[tuple[int, int, int, bytes, bytes]],
    start: int,
    records_max: int,
    bytes_max: int,
) -> list[Record]:
    records: list[Record] = []
    offset = start
    for place, count, timestamp, checksum, payload in rows:
        first = place - partition.place
        if not first <= offset < first + count:
            break  # a hole
        if records and len(payload) > bytes_max:
            return records
        found = _records(partition, first, count, timestamp, checksum, payload)
        found = [record for record in found if record.offset >= offset] if offset > first else found
        if found and len(payload) > bytes_max:
            return found[: min(_fitting(found, bytes_max), records_max)]
        bytes_max -= len(payload)  # a little more than its records count
        records += found
        offset = first + count
        if len(records) >= records_max:
            return records[:records_max]
    if offset < partition.next:
        raise Broken(f"{partition.topic}/{partition.number}: record {offset} is missing, the end is {partition.next}")
    return records


def _fitting(records: Sequence[Record], bytes_max: int) -> int:
    """How many of the first `records` fit into `bytes_max`, at least one."""
    for n, record in enumerate(records):
        bytes_max -= Draft(*record[2:]).size
        if bytes_max < 0:
            return max(n, 1)
    return len(records)


def _records(
    partition: Partition, first: int, count: int, timestamp: int, checksum: bytes, payload: bytes
) -> list[Record]:
    drafts = drafts_of(partition, first, count, timestamp, checksum, payload)
    return [Record(first + n, timestamp, *draft) for n, draft in enumerate(drafts) if draft is not None]


def drafts_of(
    partition: Partition, first: int, count: int, timestamp: int, checksum: bytes, payload: bytes
) -> Sequence[Draft | None]:
    """The records of one row, None for those that compaction has dropped.

    Raises:
        Broken: the row is damaged; the message says where.
    """
    where = f"{partition.topic}/{partition.number}, offset {first}"
    if checksum != partition.checksum(first, count, timestamp, payload):
        raise Broken(f"{where} to {first + count - 1}: the checksum does not fit, the file is damaged")
    if partition.compacted:
        left = _compacted_decoder.decode(payload)
        if len(left) <= count:
            return left
    drafts = decode_drafts(payload)
    if len(drafts) != count:
        raise Broken(f"{where}: {len(drafts)} records where {count} should be")
    return drafts
