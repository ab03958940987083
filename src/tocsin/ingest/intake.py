"""What the HTTP edge asks before it publishes: a request body in, records for `alerts.raw.v1` and errors per item out.

Only valid items are published, in the format they came in, as records of at most `RECORD_BYTES_MAX` bytes. An item that
is published is one that `map` accepts. PagerDuty's routing key is published as a hash. Pure; nothing is stored here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import orjson

from tocsin.domain.errors import Reject
from tocsin.domain.ids import partition_of_key
from tocsin.domain.instant import Instant
from tocsin.ingest import binding
from tocsin.ingest import document as documents
from tocsin.ingest.formats import cloudevents, pagerduty
from tocsin.ingest.formats.registry import Format, detected, named
from tocsin.ingest.limits import check_size
from tocsin.ingest.normalise import group_key, source_key
from tocsin.ingest.reading import Context

RECORD_BYTES_MAX: Final = 256 * 1024
"""One raw record: four fit an append, and a slow reader is never far behind its position."""
_ITEM_BYTES_MAX: Final = 160 * 1024
"""One item; the rest is left to the envelope (at most 64 KB) that every record of a webhook repeats."""
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class ItemError(msgspec.Struct, frozen=True):
    """Why one item was not accepted: a named reason, and where and what instead."""

    word: str
    message: str


class IntakeRecord(msgspec.Struct, frozen=True):
    """One record to publish to `alerts.raw.v1`, with the header `tocsin_format`."""

    value: bytes
    format: str
    partition_key: str
    places: tuple[int, ...]
    """`places[i]` = index in the request of the i-th item of this record."""


class Intake(msgspec.Struct, frozen=True):
    """What became of a request. An item is in `errors` or in exactly one record."""

    count: int
    """Items in the request."""
    format: str
    records: tuple[IntakeRecord, ...] = ()
    errors: dict[int, ItemError] = {}
    """By index in the request, in rising order."""
    keys: tuple[str, ...] = ()
    """The dedup key of a PagerDuty event that was accepted, given or derived."""

    @property
    def dedup_key(self) -> str:
        """What PagerDuty's answer names; empty for other formats."""
        return self.keys[0] if self.keys else ""


def take(
    body: bytes,
    *,
    format: str | None,
    content_type: str = "",
    headers: Iterable[tuple[str, str]] = (),
    received_at: Instant,
    seed: str,
    partitions: int | None = None,
) -> Intake:
    """Read a request body.

    Args:
        format: name of the format; None = content type, headers and fields tell.
        content_type: of the request; its charset matters, and whether it says CloudEvents.
        headers: of the request, names in lower case; the attributes of a CloudEvent in binary mode are among them.
        received_at: now; decides nothing that is published.
        seed: differs per request; the key of a PagerDuty trigger without one is derived from it.
        partitions: partition count of the raw topic; without it a list gives one record per partition key.

    Raises:
        Reject: the body is wrong as a whole: `too_large`, `bad_charset`, `bad_json`, `too_deep`, `unknown_format`,
            `bad_shape`, `bad_type`, `too_many`.
    """
    _check_charset(content_type)
    wanted = _by_content_type(content_type) if format is None else named(format)
    check_size(len(body), large=wanted is None or wanted.CUTS)
    parsed = documents.parsed(body)
    original = _enveloped(parsed, headers) if wanted is None or wanted is cloudevents else parsed
    found = wanted or detected(original)
    check_size(len(body), large=found.CUTS)
    document = found.prepared(original, seed)
    items = found.read(document, Context(received_at=received_at, seed=seed))
    errors = {place: item for place, item in enumerate(items) if isinstance(item, Reject)}
    group = found.group_of(document)
    common = None if group is None else group_key(group)
    keys = {place: common or source_key(item) for place, item in enumerate(items) if not isinstance(item, Reject)}
    whole = documents.without_mark(body) if document is parsed and not errors else None
    records: list[IntakeRecord] = []
    for key, places in _by_partition(keys, partitions):
        if whole is not None and len(places) == len(items) and len(whole) <= RECORD_BYTES_MAX:
            records.append(IntakeRecord(whole, found.NAME, key, tuple(places)))
            continue
        for value, packed in _packed(found, document, places, errors):
            records.append(IntakeRecord(value, found.NAME, key, packed))
    return Intake(
        count=len(items),
        format=found.NAME,
        records=tuple(records),
        errors={place: ItemError(error.word, str(error)) for place, error in sorted(errors.items())},
        keys=_dedup_keys(found, document) if records else (),
    )


def _by_partition(keys: dict[int, str], partitions: int | None) -> Iterator[tuple[str, list[int]]]:
    """Items that go to one partition, in their order, with the key of the first."""
    together: dict[str | int, list[int]] = {}
    for place, key in keys.items():
        mark = key if partitions is None else partition_of_key(key, partitions)
        together.setdefault(mark, []).append(place)
    for places in together.values():
        yield keys[places[0]], places


def _packed(
    format: Format, document: Any, places: list[int], errors: dict[int, Reject]
) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """Values of at most `RECORD_BYTES_MAX` bytes with the items at `places`; what fits in none is added to `errors`."""
    items = format.items(document)
    overhead = len(orjson.dumps(format.rebuilt(document, [0])))
    parts: list[orjson.Fragment] = []
    packed: list[int] = []
    size = overhead
    for place in places:
        part = orjson.dumps(items[place])
        if overhead + len(part) > RECORD_BYTES_MAX:
            part = orjson.dumps(format.shrunk(items[place], _ITEM_BYTES_MAX))
        if overhead + len(part) > RECORD_BYTES_MAX:
            message = f"[{place}]: {len(part)} bytes of JSON; at most {RECORD_BYTES_MAX} are allowed"
            errors[place] = Reject("too_large", message)
            continue
        if parts and size + len(part) + 1 > RECORD_BYTES_MAX:
            yield orjson.dumps(format.rebuilt(document, parts)), tuple(packed)
            parts, packed, size = [], [], overhead
        parts.append(orjson.Fragment(part))
        packed.append(place)
        size += len(part) + 1
    if parts:
        yield orjson.dumps(format.rebuilt(document, parts)), tuple(packed)


def _dedup_keys(format: Format, document: Any) -> tuple[str, ...]:
    return (document["dedup_key"],) if format is pagerduty else ()


def _by_content_type(content_type: str) -> Format | None:
    """The format that the content type names, if it does.

    Raises:
        Reject: `unknown_format`, it names CloudEvents in another encoding than JSON.
    """
    name = binding.media_type(content_type)
    if name in (binding.STRUCTURED, binding.BATCH):
        return cloudevents
    if name.startswith(binding.FAMILY):
        raise Reject(
            "unknown_format", f"{name[:64]!r}: CloudEvents are taken as {binding.STRUCTURED} or {binding.BATCH}"
        )
    return None


def _enveloped(document: Any, headers: Iterable[tuple[str, str]]) -> Any:
    """The event in binary mode that headers and body make together; else the body."""
    if cloudevents.looks_like(document):
        return document
    attributes = binding.http_attributes(headers)
    return document if attributes is None else binding.event_of(attributes, document)


def _check_charset(content_type: str) -> None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in _CHARSETS:
            raise Reject("bad_charset", f"the body must be UTF-8, not {charset[:40]!r}")
