"""What reading an alert gives (`ReadAlert`), and how single fields of foreign documents are read.

In: values of a parsed document. Out: typed values, or a `Reject` whose message begins with the path of the field,
relative to the item. Knows no format and makes no decision about incidents.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from tocsin.domain.alert import AlertBody, AlertStatus, Episode
from tocsin.domain.errors import Reject
from tocsin.domain.instant import EPOCH, Instant, as_utc
from tocsin.domain.severity import Severity

REJECT_WORDS: Final = frozenset(
    {
        "bad_charset", "bad_instant", "bad_json", "bad_shape", "bad_type", "bad_value", "ends_before_start",
        "ingest_bug", "missing_field", "missing_title", "no_labels", "too_deep", "too_large", "too_long", "too_many",
        "unknown_field", "unknown_format",
    }
)  # fmt: skip
"""Every named reason of ingest; bounded, so that metrics can be labelled by it."""

LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Instants end here, so that what is added to one later cannot leave the calendar."""
_SHOWN_MAX: Final = 40
"""Characters of a wrong value that a message repeats."""
_INSTANT_MAX: Final = 64
"""Characters of an instant: nanoseconds and an offset need 35, and Python would read a million digits."""
_TYPES: Final = {
    type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list",
    dict: "an object",
}  # fmt: skip


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader needs besides the document."""

    received_at: Instant
    severities: dict[str, Severity] = {}
    """Own source words (`rules.ingest.severities`)."""
    seed: str = ""
    """Differs per raw record; what a missing key is derived from."""


class ReadAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert as its source means it: not yet cut, not yet placed."""

    status: AlertStatus
    episode: Episode
    identity: dict[str, str]
    """What identifies it: labels, or one reserved name (it begins with a NUL) for a key."""
    keyed: bool = False
    """Whether that is a key: labels of others may have any name."""
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    body: AlertBody | None = None
    """None for a row that can name only a key."""
    service: str = ""
    """The service that the source named as such; not one guessed from `job` or `app`."""
    correlation_id: str = ""
    actor: str = ""


Item = ReadAlert | Reject


def at(path: str, reject: Reject) -> Reject:
    """`reject` of an item, with the item's path before its message: `alerts[3].status: must be …`."""
    message = str(reject)
    plain = message.startswith(":")
    sentence = reject.word in ("unknown_field", "too_large")
    return Reject(reject.word, f"{path}{'' if plain else ': ' if sentence else '.'}{message}")


def shown(value: object) -> str:
    """A wrong value for a message: short, and without control characters."""
    text = repr(value[:_SHOWN_MAX] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_MAX + 2 else f"{text[:_SHOWN_MAX]}…"


def bad_type(field: str, wanted: str, value: object) -> Reject:
    return Reject("bad_type", f"{field}: must be {wanted}, is {_TYPES.get(type(value), 'something else')}")


def object_of(value: object, field: str) -> dict[str, Any]:
    """An object. `field` is empty for the item itself.

    Raises:
        Reject: it is none.
    """
    if type(value) is not dict:
        raise bad_type(field, "an object", value)
    return value


def text_of(document: dict[str, Any], field: str, path: str = "") -> str:
    """The text in `field`; empty when it is absent or null.

    Raises:
        Reject: it is no string.
    """
    value = document.get(field)
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise bad_type(f"{path}{field}", "a string", value)


def texts_of(document: dict[str, Any], field: str) -> dict[str, str]:
    """The object of texts in `field`, without empty values (an empty label is no label); empty when absent or null.

    Raises:
        Reject: it is no object, or a value is no string, or a name is empty.
    """
    values = document.get(field)
    if values is None:
        return {}
    if type(values) is not dict:
        raise bad_type(field, "an object", values)
    if not values:
        return values
    if {*map(type, values.values())} != {str}:
        for name, value in values.items():
            if type(value) is not str:
                raise bad_type(f"{field}.{name[:_SHOWN_MAX]}", "a string", value)
    if "" in values:
        raise Reject("bad_value", f"{field}: a name is empty")
    if "" in values.values():
        return {name: value for name, value in values.items() if value}
    return values


def instant_of(document: dict[str, Any], field: str, path: str = "", *, strict: bool = False) -> Instant | None:
    """The RFC 3339 instant in `field`; None when it is absent, null or empty.

    Without `strict` what lies before 1970 (Go's zero time) is none, and a missing zone means UTC, as for Alertmanager.

    Raises:
        Reject: `bad_type` or `bad_instant`.
    """
    value = document.get(field)
    if value is None or value == "":
        return None
    if type(value) is not str:
        raise bad_type(f"{path}{field}", "a string", value)
    found = _instant(value)
    if found is None:
        message = f"{path}{field}: {shown(value)} is no RFC 3339 instant such as 2026-01-02T03:04:05Z"
        raise Reject("bad_instant", message)
    if not strict:
        found = as_utc(found) if found.tzinfo is not UTC else found
        return None if found < EPOCH else min(found, LATEST)
    if found.tzinfo is None:
        raise Reject("bad_instant", f"{path}{field}: {shown(value)} has no time zone; end it with Z or an offset")
    found = found.astimezone(UTC)
    if not EPOCH <= found < LATEST:
        raise Reject("bad_instant", f"{path}{field}: {shown(value)} is not between 1970 and {LATEST.year}")
    return found


def _instant(text: str) -> datetime | None:
    if not 19 <= len(text) <= _INSTANT_MAX or text[4] != "-" or text[7] != "-" or text[10] not in "Tt " or "\0" in text:
        return None
    try:
        return _in_calendar(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    try:
        text = text.upper()
        if text[17:19] == "60":  # a leap second is the instant after :59
            return _in_calendar(datetime.fromisoformat(f"{text[:17]}59{text[19:]}") + timedelta(seconds=1))
        return _in_calendar(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _in_calendar(found: datetime) -> datetime:
    """`found`, or where its zone would lead out of the calendar an OverflowError now and not later."""
    if found.tzinfo is not None and found.tzinfo is not UTC and found.year in (1, 9999):
        return found.astimezone(UTC)
    return found


def one_line(text: str) -> str:
    """`text` without control characters and line breaks, so that a title stays one line wherever it is shown."""
    if text.isprintable():
        return text.strip()
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def is_link(url: str) -> bool:
    """Whether `url` may be shown as a link: http or https, nothing that could run or end its line."""
    return url.startswith(("http://", "https://")) and url.isprintable() and " " not in url
