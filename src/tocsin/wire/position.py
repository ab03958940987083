"""The `tocsin_position` header: JSON `{"sources": {...}, "raw": {...}}` (RECORDS §3)."""

from hashlib import sha256
from typing import Final

import msgspec

from tocsin.domain.alert import RawMark


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far sources are read; the `tocsin_position` header of a commit (RECORDS §3).

    `sources`: `<topic>/<p>` -> (next offset, fingerprint of the record before it). `raw`: `<topic>/<p>` -> last alert
    applied.
    """

    sources: dict[str, tuple[int, str]] = {}
    raw: dict[str, RawMark] = {}


_decoder: Final = msgspec.json.Decoder(Position)


def encode_position(position: Position) -> bytes:
    return msgspec.json.encode(position)


def decode_position(value: bytes) -> Position:
    return _decoder.decode(value)


def record_fingerprint(key: bytes | None, value: bytes | None) -> str:
    """SHA-256 of a record's key and value, the first 64 bits in hex: recognises a record before which one stopped."""
    digest = sha256()
    for part in (key, value):
        digest.update(b"\0" if part is None else b"\1" + len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
