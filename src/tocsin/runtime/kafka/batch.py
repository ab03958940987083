"""Drafts to the bytes of one record batch, and such bytes to records.

In: drafts with a time and the identity of their producer; or what a broker sent. Out: one batch of format 2, compressed
when that is asked for or when it would be too large for a topic otherwise; or records, whatever their producer was:
any codec of Kafka's, header names that are no UTF-8, headers without a value, transactions. Batches that do not
match their checksum are refused. It decodes no values.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiokafka.codec import has_gzip, has_lz4, has_snappy, has_zstd
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from tocsin.runtime.kafka.errors import UnknownCodec
from tocsin.runtime.kafka.tolerant import tolerant_records
from tocsin.wire.record import Draft, Record

__all__ = ["CODECS", "Identity", "Slice", "decode", "encode", "missing_codecs"]

PLAIN_BYTES_MAX: Final = 1024 * 1024
"""`max.message.bytes` of our topics. Only many tiny records, whose envelopes are larger than they, come so far."""

CODECS: Final = {
    "gzip": (DefaultRecordBatch.CODEC_GZIP, has_gzip),
    "snappy": (DefaultRecordBatch.CODEC_SNAPPY, has_snappy),
    "lz4": (DefaultRecordBatch.CODEC_LZ4, has_lz4),
    "zstd": (DefaultRecordBatch.CODEC_ZSTD, has_zstd),
}
LAST_CODEC: Final = max(number for number, _ in CODECS.values())
_ANY_SIZE: Final = 2**31 - 1
"""The builder's own limit is out of the way: the port has one."""


class Identity(NamedTuple):
    """Of an idempotent producer, given by a broker."""

    id: int
    epoch: int


class Slice(NamedTuple):
    """What one answer of a broker holds."""

    records: list[Record]
    next: int
    """Where to read on: behind the last batch, which may have been empty."""


def encode(
    drafts: Sequence[Draft], timestamp: int, identity: Identity, sequence: int, compression: str | None = None
) -> bytearray:
    """One batch; `timestamp` in milliseconds since the epoch, `sequence` of the first record.

    Raises:
        TypeError: a draft holds something else than bytes and header names.
    """
    codec = CODECS[compression][0] if compression else 0
    builder = DefaultRecordBatchBuilder(2, codec, 0, *identity, sequence, _ANY_SIZE)
    append = builder.append
    try:
        for index, (key, value, headers) in enumerate(drafts):
            if append(index, timestamp, key, value, list(headers)) is None:
                raise AssertionError("the builder took only a part of the batch")
    except UnicodeEncodeError as error:
        raise TypeError(f"a header name cannot be written: {error.reason}") from error
    built: bytearray = builder.build()
    if len(built) > PLAIN_BYTES_MAX and not compression:
        return encode(drafts, timestamp, identity, sequence, "zstd")
    return built


def decode(data: bytes, offset: int) -> Slice:
    """The records of `data` from `offset` on.

    Raises:
        CorruptRecordException: a batch does not match its checksum. UnsupportedCodecError: a library is missing, or
            (UnknownCodec) none is known.
    """
    found: list[Record] = []
    following = offset
    memory = MemoryRecords(data)
    while memory.has_next():
        batch = memory.next_batch()
        if not batch.validate_crc():
            raise CorruptRecordException("checksum")
        if batch.compression_type > LAST_CODEC:
            raise UnknownCodec(f"number {batch.compression_type}")
        if not batch.is_control_batch:
            records = _records(batch, data)
            found += records if batch.base_offset >= offset else [one for one in records if one.offset >= offset]
        following = max(following, batch.next_offset)
    return Slice(found, following)


def _records(batch: Any, data: bytes) -> list[Record]:
    try:
        records = [Record(raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers)) for raw in batch]
    except UnicodeDecodeError:
        # Only one who means harm writes such a header name; it must not stop the partition for ever.
        return tolerant_records(data, batch.base_offset)
    except KafkaError:
        raise
    except Exception as error:  # a codec's library raises what it likes
        raise CorruptRecordException(f"it cannot be unpacked ({type(error).__name__})") from error
    return [_with_values(one) if None in [value for _, value in one.headers] else one for one in records]


def _with_values(record: Record) -> Record:
    """Kafka allows a header without a value; the port does not."""
    return record._replace(headers=tuple((name, value or b"") for name, value in record.headers))


def missing_codecs() -> list[str]:
    """Codecs that this installation cannot read."""
    return [name for name, (_, present) in CODECS.items() if not present()]
