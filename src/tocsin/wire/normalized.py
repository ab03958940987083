"""Normalized batches: columns, one row per alert; bodies once per fingerprint and batch. msgpack, internal, no promise.

In: sightings of one raw partition. Out: one value of at most `bytes_max` bytes each, and the sightings again. A body
stays encoded until somebody asks for it (`body_of`).
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tocsin.domain.alert import AlertBody, AlertStatus, Episode, Sighting
from tocsin.domain.instant import Instant, from_ms, to_ms

BATCH_BYTES_MAX: Final = 800 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
"""An encoded alert; RECORDS §1."""

_STATUS: Final = tuple(AlertStatus)
_EPISODE: Final = tuple(Episode)


class Row(msgspec.Struct, array_like=True, gc=False):
    """One sighting; the columns that a batch shares are in `Batch`."""

    offset: int
    index: int
    received_ms: int
    fingerprint: str
    status: int
    episode: int
    starts_at: Instant | None
    expires_at: Instant | None
    partition_key: str
    correlation_id: str
    actor: str
    body: int
    """Index into the bodies; -1 = none."""


class Batch(msgspec.Struct, array_like=True, gc=False):
    raw_topic: str
    raw_partition: int
    incarnation: str
    rows: list[Row]
    bodies: list[bytes]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Batch)
_body_decoder: Final = msgspec.msgpack.Decoder(AlertBody)


def encode_body(body: AlertBody) -> bytes:
    return _encoder.encode(body)


def body_of(sighting: Sighting) -> AlertBody:
    """Decode the body of a sighting that has one."""
    return _body_decoder.decode(sighting.body)


def encode_batches(sightings: Iterable[Sighting], bytes_max: int = BATCH_BYTES_MAX) -> Iterator[bytes]:
    """Encode sightings of *one* raw partition, in order, into as few values as fit."""
    batch: Batch | None = None
    places: dict[tuple[str, bytes], int] = {}
    size = 0
    for sighting in sightings:
        if batch is None or size > bytes_max - BODY_BYTES_MAX - 1024:
            if batch is not None:
                yield _encoder.encode(batch)
            batch = Batch(sighting.raw_topic, sighting.raw_partition, sighting.incarnation, [], [])
            places, size = {}, 0
        place = -1
        if sighting.body:
            known = places.get((sighting.fingerprint, sighting.body))
            if known is None:
                known = places[sighting.fingerprint, sighting.body] = len(batch.bodies)
                batch.bodies.append(sighting.body)
                size += len(sighting.body)
            place = known
        size += 160 + len(sighting.partition_key) + len(sighting.correlation_id)
        batch.rows.append(
            Row(
                sighting.offset,
                sighting.index,
                to_ms(sighting.received_at),
                sighting.fingerprint,
                _STATUS.index(sighting.status),
                _EPISODE.index(sighting.episode),
                sighting.starts_at,
                sighting.expires_at,
                sighting.partition_key,
                sighting.correlation_id,
                sighting.actor,
                place,
            )
        )
    if batch is not None:
        yield _encoder.encode(batch)


def decode_batch(value: bytes) -> list[Sighting]:
    """The sightings of one normalized record, in order.

    Raises:
        msgspec.MsgspecError: it is none (a bug: only ingest writes this topic).
    """
    batch = _decoder.decode(value)
    bodies = batch.bodies
    return [
        Sighting(
            raw_topic=batch.raw_topic,
            raw_partition=batch.raw_partition,
            incarnation=batch.incarnation,
            offset=row.offset,
            index=row.index,
            received_at=from_ms(row.received_ms),
            fingerprint=row.fingerprint,
            status=_STATUS[row.status],
            episode=_EPISODE[row.episode],
            starts_at=row.starts_at,
            expires_at=row.expires_at,
            partition_key=row.partition_key,
            correlation_id=row.correlation_id,
            actor=row.actor,
            body=bodies[row.body] if row.body >= 0 else b"",
        )
        for row in batch.rows
    ]
