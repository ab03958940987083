"""Normalized batches: one row per alert, and once per batch what the source says of it. msgpack, internal, no promise.

In: sightings of one raw partition. Out: values of at most `bytes_max` bytes each, and the sightings again. What a
source repeats is encoded once (`Packed`), however often ingest reads it; a body stays encoded until somebody asks for
it (`body_of`). A statement stands in every batch that has a row of it: the two stages forget at different times.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec

from tocsin.domain.alert import AlertBody, AlertStatus, Episode, RawMark, Sighting
from tocsin.domain.instant import Instant, from_ms, to_ms

BATCH_BYTES_MAX: Final = 800 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
"""An encoded alert; RECORDS §1."""
LAYOUT: Final = 2
"""Of the struct below: a value of another one is refused by name."""
_ROW_BYTES: Final = 48
"""A row in msgpack: four integers of at most nine bytes, an instant of at most 14, and what frames them."""
_BATCH_BYTES: Final = 1024
"""The fields of a batch besides rows and statements: topic names are below 250 characters."""
_MS_MAX: Final = 253_370_764_800_000
"""Milliseconds to the year 9999, where the calendar ends."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class Statement(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a source says of one alert, each time in the same words: all of a sighting but its place and time."""

    fingerprint: str
    status: AlertStatus
    episode: Episode
    starts_at: Instant | None
    partition_key: str
    correlation_id: str
    actor: str
    body: bytes


class Row(msgspec.Struct, array_like=True, gc=False):
    """One sighting: where and when a statement was made."""

    offset: Count
    index: Count
    received_ms: Annotated[int, msgspec.Meta(ge=0, le=_MS_MAX)]
    statement: Count
    """Index into the statements of the batch."""
    expires_at: Instant | None


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Rows of one raw partition, in its order: each lies behind the one before it."""

    layout: int
    raw_topic: str
    raw_partition: int
    incarnation: str
    rows: list[Row]
    statements: list[Statement]

    @property
    def raw_source(self) -> str:
        """`<topic>/<partition>` of the raw records."""
        return f"{self.raw_topic}/{self.raw_partition}"

    def __len__(self) -> int:
        return len(self.rows)

    def behind(self, mark: RawMark | None) -> int:
        """The number of the first row behind `mark`: 0 when it is of another incarnation, or none."""
        if mark is None or mark.incarnation != self.incarnation:
            return 0
        place = (mark.offset, mark.index)
        return next((n for n, row in enumerate(self.rows) if (row.offset, row.index) > place), len(self.rows))

    def mark(self, number: int) -> RawMark:
        """The place and time of row `number`."""
        row = self.rows[number]
        return RawMark(self.incarnation, row.offset, row.index, from_ms(row.received_ms))

    def sighting(self, number: int) -> Sighting:
        """Row `number` with what was said there."""
        row = self.rows[number]
        said = self.statements[row.statement]
        return Sighting(
            raw_topic=self.raw_topic,
            raw_partition=self.raw_partition,
            incarnation=self.incarnation,
            offset=row.offset,
            index=row.index,
            received_at=from_ms(row.received_ms),
            fingerprint=said.fingerprint,
            status=said.status,
            episode=said.episode,
            starts_at=said.starts_at,
            expires_at=row.expires_at,
            partition_key=said.partition_key,
            correlation_id=said.correlation_id,
            actor=said.actor,
            body=said.body,
        )


class _Written(msgspec.Struct, array_like=True, gc=False):
    """A `Batch` whose statements are encoded already."""

    layout: int
    raw_topic: str
    raw_partition: int
    incarnation: str
    rows: list[Row]
    statements: list[msgspec.Raw]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Batch)
_body_decoder: Final = msgspec.msgpack.Decoder(AlertBody)


def encode_body(body: AlertBody) -> bytes:
    return _encoder.encode(body)


def body_of(sighting: Sighting) -> AlertBody:
    """Decode the body of a sighting that has one."""
    return _body_decoder.decode(sighting.body)


class Packed:
    """An encoded statement, to be put into batches. Two are the same only if they are the same object."""

    __slots__ = ("encoded", "size")

    def __init__(self, statement: Statement) -> None:
        value = _encoder.encode(statement)
        self.encoded = msgspec.Raw(value)
        self.size = len(value)


class Packer:
    """Collects rows of *one* raw partition, in order, into as few values as fit."""

    __slots__ = ("_bytes_max", "_done", "_places", "_rows", "_size", "_source", "_statements")

    def __init__(self, source: tuple[str, int, str], bytes_max: int = BATCH_BYTES_MAX) -> None:
        """`source`: topic, partition and incarnation of the raw records."""
        self._source = source
        self._bytes_max = bytes_max
        self._done: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._rows: list[Row] = []
        self._statements: list[msgspec.Raw] = []
        self._places: dict[Packed, int] = {}
        self._size = _BATCH_BYTES

    def add(self, said: Packed, offset: int, index: int, received_ms: int, expires_at: Instant | None) -> None:
        """One more row, behind all that were added before."""
        place = self._places.get(said)
        size = _ROW_BYTES if place is not None else _ROW_BYTES + said.size
        if self._size + size > self._bytes_max and self._rows:
            self._end()
            place, size = None, _ROW_BYTES + said.size
        if place is None:
            place = self._places[said] = len(self._statements)
            self._statements.append(said.encoded)
        self._size += size
        self._rows.append(Row(offset, index, received_ms, place, expires_at))

    def _end(self) -> None:
        self._done.append(_encoder.encode(_Written(LAYOUT, *self._source, self._rows, self._statements)))
        self._begin()

    def values(self) -> list[bytes]:
        """Everything, encoded."""
        if self._rows:
            self._end()
        return self._done


def statement_of(sighting: Sighting) -> Statement:
    """All of a sighting but its place and time."""
    return Statement(
        sighting.fingerprint,
        sighting.status,
        sighting.episode,
        sighting.starts_at,
        sighting.partition_key,
        sighting.correlation_id,
        sighting.actor,
        sighting.body,
    )


def encode_batches(sightings: Iterable[Sighting], bytes_max: int = BATCH_BYTES_MAX) -> Iterator[bytes]:
    """Encode sightings of *one* raw partition, in order, into as few values as fit."""
    packer: Packer | None = None
    known: dict[Statement, Packed] = {}
    for sighting in sightings:
        if packer is None:
            packer = Packer((sighting.raw_topic, sighting.raw_partition, sighting.incarnation), bytes_max)
        statement = statement_of(sighting)
        said = known.get(statement) or known.setdefault(statement, Packed(statement))
        packer.add(said, sighting.offset, sighting.index, to_ms(sighting.received_at), sighting.expires_at)
    yield from packer.values() if packer else ()


def read_batch(value: bytes) -> Batch:
    """One normalized record; every row has its statement.

    Raises:
        msgspec.MsgspecError: it is none (a bug: only ingest writes this topic), or one of another layout.
    """
    batch = _decoder.decode(value)
    if batch.layout != LAYOUT:
        raise msgspec.ValidationError(f"a batch of layout {batch.layout}; this version reads {LAYOUT}")
    if batch.rows and max([row.statement for row in batch.rows]) >= len(batch.statements):
        raise msgspec.ValidationError("a row names a statement that the batch does not have")
    return batch


def decode_batch(value: bytes) -> list[Sighting]:
    """The sightings of one normalized record, in order; raises like `read_batch`."""
    batch = read_batch(value)
    return [batch.sighting(number) for number in range(len(batch))]
