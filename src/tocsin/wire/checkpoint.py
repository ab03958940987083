"""Records of `checkpoints.v1`: the chunks of a frozen state, and the record that closes them.

In: slices of a state; what it stands on. Out: keys and values; back, what a closing record says, or that it is damaged.
Keys are `<stage>/<partition>/<slot>/<chunk number | end>`. The slot is the generation modulo `SLOTS`, so that a new
generation takes the place of the oldest and nothing has to be deleted: while one is written, two whole ones stay.
A closing record is believed only if its own hash fits, and its chunks only if their number and digest fit.
"""

import zlib
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.wire.position import Position

FORMAT: Final = 1
"""Of chunks and closing records. Another one is no checkpoint."""
SLOTS: Final = 3
END: Final = "end"
SLICE_BYTES_MAX: Final = 16 * 1024 * 1024
"""A slice is at most half a megabyte (`frozen.SLICE_BYTES` and the largest item): what grows beyond this is damaged."""
_LEVEL: Final = 1
"""Of compression: a tenth of the size at a third of the time that encoding takes."""
_HASH_BYTES: Final = 16

_encoder: Final = msgspec.msgpack.Encoder()


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of a checkpoint: what the chunks are, and what they stand on."""

    format: int
    layout: int
    """Of the slices (`stage.Freezable.layout`)."""
    generation: int
    incarnation: str
    """Of the journal topic."""
    next: int
    """The state is the fold of the journal below this offset."""
    fingerprint: str
    """Of the journal record before `next`; empty when there is none."""
    position: Position
    """Every source and every raw mark."""
    latest: Instant
    """The greatest `now` so far."""
    entries: int
    chunks: int
    first: int
    """No chunk lies below this offset of `checkpoints.v1`."""
    digest: bytes
    """Of all chunks, whatever their order."""
    written_at: Instant


_decoder: Final = msgspec.msgpack.Decoder(Closing)


class Digest:
    """Sum of the hashes of numbered chunks: whichever order they are met in, whatever lies between them."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, generation: int, number: int, value: bytes) -> None:
        place = generation.to_bytes(8, "big") + number.to_bytes(8, "big")
        self._sum += int.from_bytes(blake2b(place + value, digest_size=_HASH_BYTES).digest(), "big")

    def value(self) -> bytes:
        return (self._sum % (1 << 8 * _HASH_BYTES)).to_bytes(_HASH_BYTES, "big")


def key_of(stage: str, partition: int, generation: int, number: int | None) -> bytes:
    """Key of chunk `number`, or of the closing record (None)."""
    last = END if number is None else f"{number:06d}"
    return f"{stage}/{partition}/{generation % SLOTS}/{last}".encode()


def closes(key: bytes | None, stage: str, partition: int) -> bool:
    """Whether a record with this key closes a checkpoint of this stage."""
    return key in {key_of(stage, partition, slot, None) for slot in range(SLOTS)}


def encode_chunk(slice_: bytes) -> bytes:
    """A slice as it is stored."""
    return zlib.compress(slice_, _LEVEL)


def decode_chunks(values: Iterable[bytes]) -> Iterable[bytes]:
    """The slices again.

    Raises:
        ValueError: a value is no chunk.
    """
    for value in values:
        inflate = zlib.decompressobj()
        try:
            slice_ = inflate.decompress(value, SLICE_BYTES_MAX)
        except zlib.error as error:
            raise ValueError(f"a chunk that cannot be decompressed: {error}") from None
        if not inflate.eof or inflate.unused_data:
            raise ValueError("a chunk that does not end where it should")
        yield slice_


def encode_closing(closing: Closing) -> bytes:
    """The value of a closing record."""
    body = _encoder.encode(closing)
    return blake2b(body, digest_size=_HASH_BYTES).digest() + body


def decode_closing(value: bytes | None) -> Closing:
    """The inverse.

    Raises:
        ValueError: it is damaged, or of another format.
    """
    found, body = (value or b"")[:_HASH_BYTES], (value or b"")[_HASH_BYTES:]
    if found != blake2b(body, digest_size=_HASH_BYTES).digest():
        raise ValueError("its closing record is damaged")
    try:
        closing = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its closing record is of another version: {error}") from None
    if closing.format != FORMAT:
        raise ValueError(f"its format is {closing.format}, not {FORMAT}")
    return closing
