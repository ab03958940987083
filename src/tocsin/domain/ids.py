"""Every id is a hash of its cause: the same input gives the same id, and no two causes share one.

Fingerprints are BLAKE2b-128 in hex; all other ids are BLAKE2b-96 in lower-case base32 (RFC 4648) behind a prefix. The
ids of incidents, alerts and deliveries carry the partition in their first two characters, so that a command finds its
owner.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final

BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
PARTITIONS_MAX: Final = 1024
"""Two base32 characters."""


_SHORT: Final = 128
_PREFIXES: Final = [chr(length) for length in range(_SHORT)]
"""Length prefixes without their three leading zeros, for parts of few characters of ASCII."""


_NEW: Final = {size: blake2b(digest_size=size) for size in (8, 12, 16)}
"""Hashes of nothing yet, by their bytes: to copy one takes less than half of what it takes to make one."""


def _digest(data: bytes, size: int) -> bytes:
    found = _NEW[size].copy()
    found.update(data)
    return found.digest()


def _hash(parts: Sequence[str], size: int) -> bytes:
    """BLAKE2b over length-prefixed parts, so that ("ab", "c") and ("a", "bc") differ."""
    try:
        # Nearly all parts are like this, and every alert has five hashes: joined as one text, 20 parts take 1.8 us
        # instead of the 3.3 us of encoding each.
        text = "".join([f"\0\0\0{_PREFIXES[len(part)]}{part}" for part in parts])
    except IndexError:  # a long one
        return _hash_of_any(parts, size)
    return _digest(text.encode(), size) if text.isascii() else _hash_of_any(parts, size)


def _hash_of_any(parts: Iterable[str], size: int) -> bytes:
    pieces: list[bytes] = []
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        pieces += (len(encoded).to_bytes(4, "big"), encoded)
    return _digest(b"".join(pieces), size)


_PAIRS: Final = [first + second for first in BASE32 for second in BASE32]
"""Ten bits at a time: the standard library's encoder costs eight times as much, and every alert has an id."""


_taken_apart: Final = Struct(">IBIBH").unpack


def short_hash(*parts: str) -> str:
    """20 characters of lower-case base32 over `parts`: 96 bits, and four of padding as RFC 4648 has them."""
    # Five bytes are four pairs. Taken apart so that every integer is small: one of 96 bits costs twice as much.
    a, b, c, d, e = _taken_apart(_hash(parts, 12))
    pairs = _PAIRS
    return (
        f"{pairs[a >> 22]}{pairs[a >> 12 & 1023]}{pairs[a >> 2 & 1023]}{pairs[(a & 3) << 8 | b]}"
        f"{pairs[c >> 22]}{pairs[c >> 12 & 1023]}{pairs[c >> 2 & 1023]}{pairs[(c & 3) << 8 | d]}"
        f"{pairs[e >> 6]}{pairs[e << 4 & 1023]}"
    )


_NAMES_MAX: Final = 64
"""Labels whose order is remembered: so many an alert may have."""


@lru_cache(maxsize=1024)  # 130 bytes a name: at most 9 MB; the alerts of one source have the same names
def _in_order(names: tuple[str, ...], ignored: tuple[str, ...]) -> list[tuple[str, str]]:
    """The names that identify, in their order, each with what the hash reads before the length of its value.

    Raises:
        IndexError: one is long.
    """
    chosen = [name for name in sorted(names) if name not in ignored]
    return [(name, f"\0\0\0{_PREFIXES[len(name)]}{name}\0\0\0") for name in chosen]


def fingerprint(labels: Mapping[str, str], ignored: Collection[str] = ()) -> str:
    """Hex BLAKE2b-128 of the identifying labels: those with a value whose name is not in `ignored`."""
    if len(labels) <= _NAMES_MAX:
        try:
            pairs = [
                f"{head}{_PREFIXES[len(value)]}{value}"
                for name, head in _in_order(tuple(labels), tuple(ignored))
                if (value := labels[name])
            ]
            text = "".join(pairs)
            if text.isascii():
                return _digest(text.encode(), 16).hex()
        except IndexError:
            pass  # a long one
    chosen = [(name, labels[name]) for name in sorted(labels) if labels[name] and name not in ignored]
    return _hash_of_any((text for pair in chosen for text in pair), 16).hex()


def partition_of_key(key: str, partitions: int) -> int:
    """The partition of a partition key: fixed for the life of the topics."""
    return int.from_bytes(_hash((key,), 8), "big") % partitions


def correlation_partition_key(correlation_id: str) -> str:
    """Partition key of everything that names a correlation id: alerts of any source, and declared incidents."""
    return f"correlation:{escaped(correlation_id)}"


def escaped(part: str) -> str:
    """A part of a partition key: slashes separate parts, so those within one are escaped."""
    return part.replace("%", "%25").replace("/", "%2F")


def partition_word(partition: int) -> str:
    """Two base32 characters for a partition number below `PARTITIONS_MAX`."""
    return BASE32[partition >> 5] + BASE32[partition & 31]


def partition_in(identifier: str) -> int:
    """The partition that an `inc_`, `alt_`, `esc_` or `ntf_` id carries.

    Raises:
        ValueError: the text is no such id.
    """
    prefix, _, rest = identifier.partition("_")
    if len(prefix) != 3 or len(rest) < 3:
        raise ValueError(f"{identifier!r} is not an id of tocsin")
    return (BASE32.index(rest[0]) << 5) | BASE32.index(rest[1])


def incident_id(partition: int, *cause: str) -> str:
    """Id of the incident that `cause` opened."""
    return f"inc_{partition_word(partition)}{short_hash('incident', *cause)}"


def alert_id(raw_partition: int, incarnation: str, offset: int, index: int) -> str:
    """Id of the alert at one place of the raw topic; the intake can return it before anything has read it."""
    place = short_hash("alert", incarnation, str(raw_partition), str(offset), str(index))
    return f"alt_{partition_word(raw_partition)}{place}"


def escalation_id(partition: int, *cause: str) -> str:
    """Id of one escalation event."""
    return f"esc_{partition_word(partition)}{short_hash('escalation', *cause)}"


def change_id(partition: int, command_id: str) -> str:
    """Id of a reported change."""
    return f"chg_{partition_word(partition)}{short_hash('change', command_id)}"


def delivery_id(partition: int, cause: str, step: str, channel: str, recipient: str) -> str:
    """Id of one message to one recipient over one channel for one cause: the idempotency key at the receiver."""
    return f"ntf_{partition_word(partition)}{short_hash('delivery', cause, step, channel, recipient)}"
