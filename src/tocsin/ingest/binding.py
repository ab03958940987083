"""How a CloudEvent travels in binary mode: attributes in headers, data in the body.

In: headers of an HTTP request or a Kafka record. Out: the attributes, or None when it is no event in binary mode; with
the parsed body one event as `formats/cloudevents.py` reads it. An event that lacks a required attribute is none: what
its body says may still be an alert. Source: github.com/cloudevents/spec, v1.0.2, HTTP and Kafka protocol bindings.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from tocsin.domain.errors import Reject
from tocsin.ingest.formats.cloudevents import ATTRIBUTES_MAX, is_event

KAFKA_PREFIX: Final = "ce_"
HTTP_PREFIX: Final = "ce-"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
FAMILY: Final = "application/cloudevents"
"""How the content type of every event in structured or batch mode begins."""
_CONTENT_TYPE: Final = "datacontenttype"
"""The attribute that travels in the header `content-type`."""
_REQUIRED: Final = frozenset({"id", "source", "specversion", "type"})

T = TypeVar("T", str, bytes)

_NAME: Final = re.compile(r"[a-z0-9]{1,64}")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


def http_attributes(headers: Iterable[tuple[str, str]]) -> dict[str, str] | None:
    """The attributes in the headers of an HTTP request; their names are in lower case already.

    Raises:
        Reject: `bad_value`, an attribute is not UTF-8 in percent-encoding.
    """
    return _attributes(headers, HTTP_PREFIX, _from_http)


def kafka_attributes(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str] | None:
    """The attributes in the headers of a Kafka record; the first of a name holds.

    Raises:
        Reject: `bad_value`, an attribute is not UTF-8.
    """
    return _attributes(((name.lower(), value) for name, value in headers), KAFKA_PREFIX, bytes.decode)


def enveloped(headers: Iterable[tuple[str, bytes | None]], document: Any) -> Any:
    """The event that a Kafka record in binary mode holds; any other document as it is.

    Raises:
        Reject: an attribute cannot be read.
    """
    if is_event(document):
        return document
    attributes = kafka_attributes(headers)
    return document if attributes is None else event_of(attributes, document)


def event_of(attributes: Mapping[str, str], data: Any) -> dict[str, Any]:
    """Attributes and data as one event in the JSON format."""
    return {**attributes, "data": data}


def media_type(content_type: str) -> str:
    """The content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _attributes(
    headers: Iterable[tuple[str, T | None]], prefix: str, text_of: Callable[[T], str]
) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name, value in headers:
        attribute = _CONTENT_TYPE if name == "content-type" else name.removeprefix(prefix)
        if value is None or attribute in found or not (name.startswith(prefix) or attribute == _CONTENT_TYPE):
            continue
        if attribute == "data" or not _NAME.fullmatch(attribute) or len(value) > ATTRIBUTES_MAX:
            continue
        try:
            found[attribute] = text_of(value)
        except UnicodeDecodeError:
            raise Reject("bad_value", f"{name}: is not UTF-8") from None
    return found if _REQUIRED.issubset(found) else None


def _from_http(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    text = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value
    return unquote(text, errors="strict")
