"""The hash chain of each journal partition, and the proof that no row was touched.

In: the rows of `log` and the chain heads in `position`. Out: the hash of a row; a `VerifyReport`. Invariants: hash =
SHA-256(previous ‖ topic, partition, offset, key, headers sorted by name, value), each length-prefixed (RECORDS §7);
the first `previous` is 32 zero bytes. The columns that this hash does not cover (broker timestamp, the exact order of
headers, what was copied out of them) are covered by `seal`, a checksum tied to the hash. It finds what was changed by
accident or by hand. Who recomputes the whole chain and its head is found by signatures outside of this database, not
here. `verify` writes nothing and takes no lock.
"""

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec

from tocsin.domain.errors import Retry
from tocsin.persist.schema import Unusable, open_reader
from tocsin.wire.record import Headers

GENESIS: Final = bytes(32)
"""What the first row of a partition follows."""

PROGRESS_ROWS: Final = 1000
"""Rows between two calls of the progress callback."""

_NONE: Final = b"\xff" * 8
"""Length of what is absent: a key that is None differs from an empty one."""

_SIZES: Final = tuple(size.to_bytes(8, "big") for size in range(4096))
"""Length prefixes of nearly every field: a row has about 25 of them."""

_by_name: Final = itemgetter(0)
_headers_decoder: Final = msgspec.msgpack.Decoder(Headers)
_headers_encoder: Final = msgspec.msgpack.Encoder()

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


class VerifyReport(msgspec.Struct, frozen=True):
    """What `verify` found. `problem` is the first one, with its topic, partition and offset."""

    ok: bool
    rows: int
    """Rows checked."""
    partitions: int
    problem: str | None = None


def encode_headers(headers: Headers) -> bytes:
    """Headers exactly as they are, their order included."""
    return _headers_encoder.encode(headers)


def decode_headers(stored: bytes) -> Headers:
    """The inverse of `encode_headers`. Raises `msgspec.DecodeError` for anything else."""
    return _headers_decoder.decode(stored)


def link(
    previous: bytes, topic: str, partition: int, offset: int, key: bytes | None, headers: Headers, value: bytes | None
) -> bytes:
    """Hash of the row that follows the row with hash `previous` in its partition."""
    fields: list[bytes | None] = [topic.encode(), b"%d" % partition, b"%d" % offset, key]
    for name, content in sorted(headers, key=_by_name):  # stable: equal names keep their order
        fields += (name.encode("utf-8", "surrogatepass"), content)
    fields.append(value)
    parts = [previous]
    for field in fields:
        if field is None:
            parts.append(_NONE)
        else:
            size = len(field)
            parts += (_SIZES[size] if size < len(_SIZES) else size.to_bytes(8, "big"), field)
    return sha256(b"".join(parts)).digest()


def seal(digest: bytes, timestamp: int, headers: bytes, kind: str, subject: str, recorded_at: str) -> int:
    """Checksum over the columns of a row that the chain does not cover, tied to its hash."""
    text = f"{timestamp}\0{kind}\0{subject}\0{recorded_at}".encode("utf-8", "surrogatepass")
    return crc32(text, crc32(headers, crc32(digest)))


class _Broken(Exception):
    """A problem was found; the text says which and where."""


def verify(path: Path, progress: Progress | None = None) -> VerifyReport:
    """Check every row against the chain, and the chain against its heads: finds and locates rows that were edited,
    deleted, inserted, reordered or cut off at the end. Reads one snapshot, beside a running tocsin if there is one.

    Raises:
        Retry: the file is not there or cannot be opened now.
    """
    rows = 0
    partitions: list[tuple[Any, ...]] = []
    try:
        connection = open_reader(path)
        try:
            connection.execute("BEGIN")  # one snapshot for the rows and their heads
            partitions = connection.execute(
                "SELECT topic, partition, next, last, rows, head FROM position ORDER BY topic, partition"
            ).fetchall()
            total = sum(position[4] for position in partitions)
            for position in partitions:
                for _ in _check(connection, *position):
                    rows += 1
                    if progress is not None and rows % PROGRESS_ROWS == 0:
                        progress(rows, total)
            _check_strays(connection)
            if progress is not None:
                progress(rows, total)
        finally:
            connection.close()
    except _Broken as broken:
        return VerifyReport(False, rows, len(partitions), str(broken))
    except (sqlite3.DatabaseError, Unusable) as error:
        if isinstance(error, Retry):
            raise
        return VerifyReport(False, rows, len(partitions), f"{path} cannot be read: {error}")
    return VerifyReport(True, rows, len(partitions))


def _check(
    connection: sqlite3.Connection, topic: str, partition: int, following: int, last: int, rows: int, head: bytes
) -> Iterator[None]:
    """Walk one partition; yields once a row."""
    where = f"{topic}/{partition}"
    previous, offset, seen, place = GENESIS, -1, 0, -1
    for row in connection.execute(
        "SELECT id, offset, timestamp, key, value, headers, type, subject, recorded_at, hash, seal"
        " FROM log WHERE topic = ? AND partition = ? ORDER BY offset",
        (topic, partition),
    ):
        _check_row(where, topic, partition, offset, previous, row)
        if row[1] > last:
            raise _Broken(f"{where}: the row at offset {row[1]} was inserted; the log ends at offset {last}")
        if row[0] < place:
            raise _Broken(f"{where}: the row at offset {row[1]} stands before the row at offset {offset} in the table")
        previous, offset, place = row[9], row[1], row[0]
        seen += 1
        yield
    if offset < last:
        raise _Broken(f"{where}: the rows after offset {offset} are missing; the log ended at offset {last}")
    if previous != head or seen != rows or last >= following:
        raise _Broken(
            f"{where}: the row at offset {offset} is not the one that was written last, or its position was changed"
        )


def _check_row(where: str, topic: str, partition: int, before: int, previous: bytes, row: tuple[Any, ...]) -> None:
    _, offset, timestamp, key, value, stored, kind, subject, recorded_at, digest, checksum = row
    try:
        headers = decode_headers(stored)
        expected = link(previous, topic, partition, offset, key, headers, value)
        sealed = seal(digest, timestamp, stored, kind, subject, recorded_at)
    except (msgspec.MsgspecError, TypeError, AttributeError) as error:  # a column of another type
        raise _Broken(f"{where}: the row at offset {offset} was edited: {error}") from error
    if expected != digest:
        after = "it is not the first" if before < 0 else f"it does not follow offset {before}"
        missing = f"rows between {before} and {offset} are missing, or " if offset > before + 1 else ""
        raise _Broken(f"{where}: the row at offset {offset} breaks the chain ({missing}it was edited, or {after})")
    if sealed != checksum:
        raise _Broken(
            f"{where}: the row at offset {offset} was edited outside of its value (timestamp, type or header order)"
        )


def _check_strays(connection: sqlite3.Connection) -> None:
    stray = connection.execute(
        "SELECT topic, partition, MIN(offset) FROM log WHERE NOT EXISTS (SELECT 1 FROM position"
        " WHERE position.topic = log.topic AND position.partition = log.partition) GROUP BY topic, partition"
    ).fetchone()
    if stray is not None:
        raise _Broken(f"{stray[0]}/{stray[1]}: the row at offset {stray[2]} belongs to a partition that was never read")
