"""Records of a batch whose header names are no UTF-8, which aiokafka refuses to read.

In: what a broker sent, checksums checked, and the base offset of the batch in it. Out: its records, with U+FFFD in
place of what is no UTF-8. Slow, and made for batches that only somebody writes who means harm: one such record must
not stop its partition for ever. Layout: Apache Kafka's documentation, "Record Batch" and "Record".
"""

import struct
from typing import Final

from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import CorruptRecordException

from tocsin.wire.record import Record

__all__ = ["tolerant_records"]

_FRAME: Final = struct.Struct(">qi")
"""Base offset, length of what follows."""
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and greatest timestamp,
producer id and epoch, first sequence, records."""
_CODEC: Final = 0x07
_APPEND_TIME: Final = 0x08
_UNPACK: Final = {0: bytes, 1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}


def tolerant_records(data: bytes, base_offset: int) -> list[Record]:
    """The records of the batch in `data` that begins at `base_offset`.

    Raises:
        CorruptRecordException: no such batch, or its records do not fit in it.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        base, length = _FRAME.unpack_from(data, at)
        end = at + _FRAME.size + length
        if base == base_offset:
            return _batch(bytes(data[at:end]))
        at = end
    raise CorruptRecordException(f"no batch at {base_offset}")


def _batch(batch: bytes) -> list[Record]:
    base, _, _, _, _, attributes, _, first, greatest, _, _, _, count = _HEAD.unpack_from(batch)
    reader = _Reader(_UNPACK[attributes & _CODEC](batch[_HEAD.size :]))
    records = []
    for _ in range(count):
        reader.varint()  # its length
        reader.at += 1  # its attributes: none are defined
        timestamp = first + reader.varint()
        offset = base + reader.varint()
        key, value = reader.blob(), reader.blob()
        headers = tuple(
            ((reader.blob() or b"").decode("utf-8", "replace"), reader.blob() or b"") for _ in range(reader.varint())
        )
        records.append(Record(offset, greatest if attributes & _APPEND_TIME else timestamp, key, value, headers))
    return records


class _Reader:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)
        self.at = 0

    def varint(self) -> int:
        """A signed number in zigzag, seven bits a byte, lowest first."""
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise CorruptRecordException("a number does not end")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def blob(self) -> bytes | None:
        """Bytes behind their length; None for length -1."""
        length = self.varint()
        if length < 0:
            return None
        start, self.at = self.at, self.at + length
        if self.at > len(self.data):
            raise CorruptRecordException("a field does not fit in its batch")
        return self.data[start : self.at]
