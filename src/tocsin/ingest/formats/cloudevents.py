"""CloudEvents 1.0 in JSON: one event, or a batch of them (a list).

In: events whose `data` is a native alert, a list of them, or a body of another format, alone; in a batch each event
holds one alert. Out: those alerts. The attributes complete a native alert and change nothing that it says itself:
`source`, `subject` (the label of that name), `time`, and the extensions `severity` or `severitytext` and
`correlationid`. `id` identifies the event and not the alert: a repeated event is a repeat of its alert, as any other
is. How attributes travel in headers is `ingest/binding.py`. Source: github.com/cloudevents/spec, v1.0.2 (specification
and JSON format).
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tocsin.domain.alert import AlertStatus
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant
from tocsin.ingest import document as documents
from tocsin.ingest.formats import alertmanager, native, pagerduty, prometheus
from tocsin.ingest.limits import bounded
from tocsin.ingest.reading import Context, Item, ReadAlert, at, bad_type, instant_of, object_of, shown, text_of

if TYPE_CHECKING:
    from tocsin.ingest.formats.registry import Format

T = TypeVar("T")

NAME: Final = "cloudevents"
CUTS: Final = False
NATIVE_TYPE: Final = "tocsin.alert.v1"
"""`type` of an event whose data is surely meant as a native alert; other types say nothing about the data."""
ATTRIBUTES_MAX: Final = 8192
"""Characters of all attributes of one event, names included: records that a large list is split into repeat them. The
specification asks for 64 KB for a whole event."""
_DATA: Final = frozenset({"data", "data_base64"})
_PATH: Final = re.compile(r"[\w.\[\]-]+:")
"""How a message begins that names a field."""
_REQUIRED: Final = ("id", "source", "type")
_LOOKED_AT_MAX: Final = 16
"""Items that detection reads."""


def is_event(document: Any) -> bool:
    """Whether `document` is meant as a CloudEvent."""
    return type(document) is dict and "specversion" in document


def is_json(media_type: str) -> bool:
    """Whether a content type says JSON; a missing one does (JSON format, section 3.1)."""
    name = media_type.partition(";")[0].strip().lower()
    return name in ("", "application/json", "text/json") or name.endswith("+json")


def looks_like(document: Any) -> bool:
    """An object with `specversion`, or a list in which an early item is one."""
    return is_event(document) or (type(document) is list and any(map(is_event, document[:_LOOKED_AT_MAX])))


def items(document: Any) -> list[Any]:
    """The alerts within an event, or the events of a batch; unread.

    Raises:
        Reject: it is neither, or the batch is too long.
    """
    if type(document) is not list:
        format, data = _opened(document)
        return _of_data(lambda: format.items(data))
    if len(document) > native.ALERTS_MAX:
        raise Reject("too_many", f"{len(document)} events; at most {native.ALERTS_MAX} are allowed")
    return document


def rebuilt(document: Any, kept: list[Any]) -> Any:
    if type(document) is list:
        return kept
    format, data = _opened(document)
    return _with_data(document, format.rebuilt(data, kept))


def prepared(document: Any, seed: str) -> Any:
    """The events with `data` as it may be published; what is wrong in a batch stays as it is."""
    if type(document) is not list:
        return _prepared(document, seed)
    found = [_prepared_or_same(event, f"{seed}/{place}") for place, event in enumerate(items(document))]
    unchanged = all(new is old for new, old in zip(found, document, strict=True))
    return document if unchanged else found


def shrunk(item: Any, bytes_max: int) -> Any:
    return item


def group_of(document: Any) -> dict[str, str] | None:
    """The labels that the source of the data grouped it by, if it did."""
    if type(document) is list:
        return None
    format, data = _opened(document)
    return format.group_of(data)


def read(document: Any, context: Context) -> list[Item]:
    """One alert or one reason per item.

    Raises:
        Reject: the whole is no event, and no batch.
    """
    if type(document) is not list:
        return _alerts(document, context)
    return [_alert(event, place, context) for place, event in enumerate(items(document))]


def _alert(event: Any, place: int, context: Context) -> Item:
    """The one alert of an event of a batch."""
    try:
        found = _alerts(event, msgspec.structs.replace(context, seed=f"{context.seed}/{place}"))
        if len(found) != 1:
            message = f"data: {len(found)} alerts; in a batch an event holds one, several go into an event of their own"
            raise Reject("bad_shape", message)
    except Reject as reject:
        return at(f"[{place}]", reject)
    (alert,) = found
    return at(f"[{place}]", alert) if isinstance(alert, Reject) else alert


def _alerts(document: Any, context: Context) -> list[Item]:
    format, data = _opened(document)
    time = instant_of(document, "time", strict=True)
    if format is not native:
        return [_named(item) for item in _of_data(lambda: format.read(data, context))]
    completed = [_completed(alert, document) for alert in data] if type(data) is list else _completed(data, document)
    return [_dated(_named(item), time) for item in _of_data(lambda: native.read(completed, context))]


def _named(item: Item) -> Item:
    return _in_data(item) if isinstance(item, Reject) else item


def _dated(item: Item, time: Instant | None) -> Item:
    """A firing alert that names no start began at `time`, which names no episode: it differs at each sending."""
    if time is None or not isinstance(item, ReadAlert) or item.status is not AlertStatus.FIRING or item.starts_at:
        return item
    return msgspec.structs.replace(item, starts_at=time)


def _completed(alert: Any, event: dict[str, Any]) -> Any:
    """A native alert with what the attributes of its event add; what is no alert stays for its reader to refuse."""
    labels = alert.get("labels") if type(alert) is dict else ()
    if labels is None:
        labels = {}
    if type(labels) is not dict:
        return alert
    added: dict[str, Any] = {}
    if (subject := text_of(event, "subject")) and not labels.get("subject"):
        added["labels"] = {**labels, "subject": subject}
    if not alert.get("source"):
        added["source"] = bounded(text_of(event, "source"))
    if not (alert.get("severity") or labels.get("severity") or labels.get("priority")):
        added["severity"] = text_of(event, "severity") or text_of(event, "severitytext")
    if not (alert.get("correlation_id") or labels.get("correlation_id")):
        added["correlation_id"] = bounded(text_of(event, "correlationid"))
    return {**alert, **added}


def _opened(document: Any) -> "tuple[Format, Any]":
    """The data of one event, and its format.

    Raises:
        Reject: it is no event that can be read, or its data is in no known format.
    """
    event = object_of(document, "")
    _check(event)
    data = event["data"] if "data" in event else _decoded(event["data_base64"])
    if event["type"] == NATIVE_TYPE:
        return native, data
    formats: Sequence[Format] = (alertmanager, pagerduty, prometheus, native)
    for format in () if looks_like(data) else formats:
        if format.looks_like(data):
            return format, data
    names = ", ".join(format.NAME for format in formats)
    raise Reject("unknown_format", f"data: no known format: it has to be an alert in one of {names}")


def _check(event: dict[str, Any]) -> None:
    size = 0
    for name, value in event.items():
        if name in _DATA:
            continue
        if type(value) in (dict, list, float):
            raise bad_type(shown(name), "a string, an integer or a boolean", value)
        size += len(name) + (len(value) if type(value) is str else 0)
    if size > ATTRIBUTES_MAX:
        message = f"the attributes have {size} characters together; at most {ATTRIBUTES_MAX} are allowed"
        raise Reject("too_large", message)
    version = text_of(event, "specversion")
    if version != "1.0":
        raise Reject("bad_value", f"specversion: must be '1.0', is {shown(version)}")
    for name in _REQUIRED:
        if not text_of(event, name):
            raise Reject("missing_field", f"{name}: required")
    media_type = text_of(event, "datacontenttype")
    if not is_json(media_type):
        raise Reject("bad_value", f"datacontenttype: must be JSON, is {shown(media_type)}")
    if _DATA.isdisjoint(event):
        raise Reject("missing_field", "data: required")
    if _DATA.issubset(event):
        raise Reject("bad_value", "data, data_base64: only one of them is allowed")


def _decoded(value: Any) -> Any:
    """The document in `data_base64`."""
    if type(value) is not str:
        raise bad_type("data_base64", "a string", value)
    try:
        found = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise Reject("bad_value", "data_base64: is no base64") from None
    return _of_data(lambda: documents.parsed(found))


def _of_data(call: Callable[[], T]) -> T:
    """What `call` returns; a reject names the data."""
    try:
        return call()
    except Reject as reject:
        raise _in_data(reject) from None


def _in_data(reject: Reject) -> Reject:
    """`reject` of a document with the place of that document before its message: a path goes on, a sentence follows."""
    message = str(reject)
    between = "" if message.startswith((":", "[")) else "." if _PATH.match(message) else ": "
    return Reject(reject.word, f"data{between}{message}")


def _prepared(document: Any, seed: str) -> Any:
    format, data = _opened(document)
    ready = _of_data(lambda: format.prepared(data, seed))
    return document if "data" in document and ready is data else _with_data(document, ready)


def _prepared_or_same(event: Any, seed: str) -> Any:
    try:
        return _prepared(event, seed)
    except Reject:
        return event


def _with_data(event: dict[str, Any], data: Any) -> dict[str, Any]:
    return {**{name: value for name, value in event.items() if name not in _DATA}, "data": data}
