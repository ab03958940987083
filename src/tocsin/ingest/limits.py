"""How large the parts of an alert may be: a body in, the same body or a cut one out, with the names of what was cut.

Invariants: `encoded` never returns more than `BODY_BYTES_MAX` bytes; what it cuts is named in `AlertBody.cut`; the same
body is always cut the same way. Identity is none of its business: fingerprint and partition are taken before.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tocsin.domain.alert import AlertBody
from tocsin.domain.errors import Reject
from tocsin.domain.ids import short_hash
from tocsin.wire.normalized import BODY_BYTES_MAX, encode_body

REQUEST_BYTES_MAX: Final = 5 * 1024 * 1024
"""One request or raw record; MEASURES S7."""
LARGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""The same for Alertmanager's shapes: it sends one body however many alerts there are, and not again after a 4xx."""
LABELS_MAX: Final = 64
"""Labels, annotations or links of one alert; MEASURES S7."""
VALUE_BYTES_MAX: Final = 4096
"""One value; MEASURES S7."""
NAME_BYTES_MAX: Final = 256
"""One label name: real ones are below 64; the bound keeps 64 names from filling an encoded body."""
TITLE_MAX: Final = 1024
"""Characters of a title; PagerDuty's limit for a summary."""
WORD_MAX: Final = 255
"""Characters of what names something else: key, correlation id, service, category, source, actor."""

_KEPT_FIRST: Final = (
    "alertname", "severity", "service", "cluster", "namespace", "job", "instance", "category", "correlation_id",
)  # fmt: skip
_STEPS: Final = (2048, 1024, 512, 256, 128)
"""Bytes a value, tried one after the other until the body fits."""


def bounded(text: str, limit: int = WORD_MAX) -> str:
    """At most `limit` characters: a longer `text` becomes its beginning and a hash, so different texts differ."""
    return text if len(text) <= limit else f"{text[: limit - 21]}~{short_hash(text)}"


def shorter(text: str, bytes_max: int) -> str:
    """`text` cut to at most `bytes_max` bytes of UTF-8, between two characters."""
    if len(text) * 4 <= bytes_max or (text.isascii() and len(text) <= bytes_max):
        return text
    return text.encode()[:bytes_max].decode("utf-8", "ignore")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def within(values: Mapping[str, str]) -> bool:
    """Whether the values surely keep the limits: cheap, and right for nearly all alerts; False means look closer."""
    if not values:
        return True
    return (
        len(values) <= LABELS_MAX
        and max(map(len, values.values())) * 4 <= VALUE_BYTES_MAX
        and max(map(len, values)) * 4 <= NAME_BYTES_MAX
    )


def check_values(field: str, values: Mapping[str, str]) -> None:
    """Refuse what is over a limit.

    Raises:
        Reject: `too_many` or `too_long`, naming the value, its size and the limit.
    """
    if within(values):
        return
    if len(values) > LABELS_MAX:
        raise Reject("too_many", f"{field}: {len(values)} entries; at most {LABELS_MAX} are allowed")
    for name, value in values.items():
        if (size := _bytes(name)) > NAME_BYTES_MAX:
            raise Reject("too_long", f"{field}: a name has {size} bytes; at most {NAME_BYTES_MAX} are allowed")
        if (size := _bytes(value)) > VALUE_BYTES_MAX:
            message = f"{field}.{name}: {size} bytes; at most {VALUE_BYTES_MAX} are allowed"
            raise Reject("too_long", message)


def check_length(field: str, text: str, limit: int) -> None:
    """Refuse a text of more than `limit` characters.

    Raises:
        Reject: `too_long`.
    """
    if len(text) > limit:
        raise Reject("too_long", f"{field}: {len(text)} characters; at most {limit} are allowed")


def check_size(size: int, *, large: bool) -> None:
    """Refuse a request or raw record of too many bytes; `large` for formats whose parts are cut.

    Raises:
        Reject: `too_large`, with the limit.
    """
    limit = LARGE_BYTES_MAX if large else REQUEST_BYTES_MAX
    if size > limit:
        raise Reject("too_large", f"{size} bytes; at most {limit} are allowed")


def check_body(body: AlertBody) -> None:
    """Refuse a body that encodes to more than `BODY_BYTES_MAX` bytes.

    Raises:
        Reject: `too_large`.
    """
    if (size := len(encode_body(body))) > BODY_BYTES_MAX:
        raise Reject("too_large", f"the alert encodes to {size} bytes; at most {BODY_BYTES_MAX} are allowed")


def cut_values(values: Mapping[str, str], bytes_max: int = VALUE_BYTES_MAX) -> dict[str, str]:
    """At most `LABELS_MAX` of `values`, each at most `bytes_max` bytes; those that correlation reads by default stay.

    The choice does not depend on the order of `values`. Names over `NAME_BYTES_MAX` are left out.
    """
    names = [name for name in values if _bytes(name) <= NAME_BYTES_MAX]
    if len(names) > LABELS_MAX:
        names = sorted(names, key=lambda name: (name not in _KEPT_FIRST, name))[:LABELS_MAX]
    return {name: shorter(values[name], bytes_max) for name in names}


def encoded(body: AlertBody) -> bytes:
    """The encoded `body`, cut and marked where it is over a limit."""
    value = encode_body(body)
    if len(value) <= VALUE_BYTES_MAX:
        # What is no larger than one value may be holds none that is too large: names are left to look at.
        names = [*body.labels, *body.annotations, *body.links, *(body.group_labels or ())]
        if len(names) <= LABELS_MAX and max(map(len, names), default=0) * 4 <= NAME_BYTES_MAX:
            return value
    if len(value) <= BODY_BYTES_MAX and all(
        map(within, (body.labels, body.annotations, body.links, body.group_labels or {}))
    ):
        return value
    return _cut(body)


def _cut(body: AlertBody) -> bytes:
    """Annotations give way before labels: they are text, labels are what people search and group by."""
    body = _with(body, VALUE_BYTES_MAX, ("labels", "annotations", "group_labels", "links"))
    value = encode_body(body)
    for fields in (("annotations", "links"), ("labels", "group_labels")):
        for bytes_max in _STEPS:
            if len(value) <= BODY_BYTES_MAX:
                return value
            body = _with(body, bytes_max, fields)
            value = encode_body(body)
    if len(value) > BODY_BYTES_MAX:
        # 64 labels and 64 group labels of 256 + 128 bytes are 48 KB: this always fits.
        marks = tuple(dict.fromkeys((*body.cut, "annotations", "links")))
        value = encode_body(msgspec.structs.replace(body, annotations={}, links={}, cut=marks))
    return value


def _with(body: AlertBody, bytes_max: int, fields: tuple[str, ...]) -> AlertBody:
    changes: dict[str, dict[str, str]] = {}
    for field in fields:
        values = getattr(body, field)
        if not values:
            continue
        # Half a URL leads nowhere.
        kept = cut_values(values, bytes_max) if field != "links" else _short_links(values, bytes_max)
        if kept != values:
            changes[field] = kept
    if not changes:
        return body
    marks = tuple(dict.fromkeys((*body.cut, *changes)))
    return msgspec.structs.replace(body, **changes, cut=marks)


def _short_links(links: Mapping[str, str], bytes_max: int) -> dict[str, str]:
    short = {name: url for name, url in links.items() if _bytes(url) <= bytes_max}
    return cut_values(short, bytes_max)
