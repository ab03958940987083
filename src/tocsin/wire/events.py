"""Events as CloudEvents in Kafka binary mode: the value is the flat JSON of the struct, the rest is in the headers.

In: an event and, at the append, its place in the log. Out: key, value, headers; and back. The value never depends on
the place, so that a commit can be stamped again for another offset without encoding its events again.
"""

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from typing import Final

import msgspec

from tocsin.domain.errors import Reject
from tocsin.domain.events import BY_TYPE, Event, IncidentEvent, SettingsPublished, event_id, subject_of
from tocsin.domain.instant import Instant
from tocsin.wire.record import Headers

TYPE_PREFIX: Final = "tocsin."
TYPE_SUFFIX: Final = ".v1"
SEQUENCE: Final = "ce_sequence"
CLAIM: Final = "tocsin_claim"
POSITION: Final = "tocsin_position"
CONTENT_TYPE: Final = ("content-type", b"application/json")
SPECVERSION: Final = ("ce_specversion", b"1.0")

EVENT_BYTES_MAX: Final = 256 * 1024
"""One encoded event; RECORDS §1."""

_encoder: Final = msgspec.json.Encoder()
_TYPES: Final = {name: ("ce_type", f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}".encode()) for name in BY_TYPE}
_decoders: Final = {name: msgspec.json.Decoder(kind) for name, kind in BY_TYPE.items()}
_NAMES: Final = {header[1]: name for name, header in _TYPES.items()}
"""Type by the value of its header: a rebuild decodes it a million times."""


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """An event whose value is encoded and whose place is not known yet."""

    event: Event
    key: bytes | None
    value: bytes
    id: str
    """Empty for an event whose id comes from its place."""

    @property
    def size(self) -> int:
        """Bytes in the log, headers included, rounded up."""
        return len(self.value) + len(self.key or b"") + 400


def encode(event: Event) -> Encoded:
    """Encode the value of `event`.

    Raises:
        ValueError: the value is larger than `EVENT_BYTES_MAX`: a bug of the stage that made it.
    """
    value = _encoder.encode(event)
    if len(value) > EVENT_BYTES_MAX:
        raise ValueError(f"{event.TYPE} encodes to {len(value)} bytes; at most {EVENT_BYTES_MAX} are allowed")
    if isinstance(event, IncidentEvent):  # nearly all of them
        return Encoded(event, event.incident_id.encode(), value, f"{event.incident_id}.{event.version}")
    subject = event.key if isinstance(event, SettingsPublished) else subject_of(event)
    return Encoded(event, subject.encode() if subject else None, value, event_id(event))


def stamp(encoded: Encoded, *, source: str, journal: str, partition: int, offset: int, claim: int) -> Headers:
    """The headers of `encoded` at `offset` of its journal, written under the claim at offset `claim`."""
    event = encoded.event
    identifier = encoded.id or f"{journal}.{partition}.{offset}"
    headers = [
        ("ce_id", identifier.encode()),
        _source(source),
        SPECVERSION,
        _TYPES[event.TYPE],
        _time(event.recorded_at),
        (SEQUENCE, b"%020d" % offset),
        _claim(claim),
        CONTENT_TYPE,
    ]
    if encoded.key is not None:
        headers.append(("ce_subject", encoded.key))
    if event.cause:
        headers.append(("ce_causationid", event.cause.encode()))
    return tuple(headers)


# The headers that the records of a commit have in common are the same objects: the collector looks at each tuple.


@lru_cache(maxsize=16)
def _time(instant: Instant) -> tuple[str, bytes]:
    """`ce_time`; what is decided together has one."""
    return "ce_time", rfc3339(instant).encode()


@lru_cache(maxsize=1024)
def _source(source: str) -> tuple[str, bytes]:
    """`ce_source`; a journal partition has one."""
    return "ce_source", source.encode()


@lru_cache(maxsize=1024)
def _claim(claim: int) -> tuple[str, bytes]:
    """`tocsin_claim`; an owner has one."""
    return CLAIM, b"%020d" % claim


def source_of(instance: str, journal: str, partition: int) -> str:
    """`ce_source` of a journal partition: `/<instance>/<journal>/<partition>`."""
    return f"/{instance}/{journal}/{partition}"


def rfc3339(instant: Instant) -> str:
    """RFC 3339 in UTC with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    """The first header of that name."""
    for key, value in headers:
        if key == name:
            return value
    return None


def counts(headers: Sequence[tuple[str, bytes]], offset: int) -> bool:
    """Whether a journal record counts: it lies where its writer expected it (PROTOCOL §1).

    Twenty digits are compared as text: what anybody else may have written there is never turned into a number.
    """
    return header(headers, SEQUENCE) == b"%020d" % offset


def type_of(headers: Sequence[tuple[str, bytes]]) -> str:
    """The event type (`incident.opened`) in the `ce_type` header; empty when there is none."""
    found = header(headers, "ce_type") or b""
    if (name := _NAMES.get(found)) is not None:
        return name
    word = found.decode("utf-8", "replace")
    return word.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)


def decode(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> Event:
    """The event of one journal record.

    Raises:
        Reject: unknown type, or a value that does not fit it.
    """
    return decode_value(type_of(headers), value)


def decode_value(name: str, value: bytes | None) -> Event:
    """The event of type `name` (`incident.opened`) with this value; raises like `decode`."""
    decoder = _decoders.get(name)
    if decoder is None or value is None:
        raise Reject("unknown_event_type", f"no event type {name!r} is known to this version")
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # the last two come from foreign bytes
        raise Reject("bad_event", f"{name}: {error}") from error
