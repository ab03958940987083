"""Crafted bad bytes: what is no document, and valid bodies of every format with one thing wrong."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from unit.ingest.bodies import api_v2_alert, event, grafana, native, trigger, webhook

VALID: Final[dict[str, Any]] = {
    "webhook": webhook(),
    "grafana": grafana(),
    "api_v2": [api_v2_alert()],
    "native": native(),
    "native list": [native()],
    "trigger": trigger(),
    "resolve": {"routing_key": "r", "event_action": "resolve", "dedup_key": "k"},
    "CloudEvent": event(),
    "CloudEvent of a list": event([native()]),
    "CloudEvent of a webhook": event(webhook()),
    "CloudEvent of a trigger": event({"routing_key": "r", "event_action": "resolve", "dedup_key": "k"}),
    "CloudEvents": [event()],
}
"""One valid body of each shape; each has one alert."""

NO_DOCUMENT: Final[dict[str, bytes]] = {
    "empty": b"",
    "blank": b" \n\t",
    "null byte": b"\0",
    "only a mark": b"\xef\xbb\xbf",
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "UTF-32": '{"title": "x"}'.encode("utf-32"),
    "latin-1": '{"title": "\xe9"}'.encode("latin-1"),
    "overlong UTF-8": b'{"title": "\xc0\xaf"}',
    "UTF-8 beyond Unicode": b'{"title": "\xf4\x90\x80\x80"}',
    "surrogate as UTF-8": b'{"title": "\xed\xa0\x80"}',
    "lone high surrogate": b'{"title": "\\ud800"}',
    "lone low surrogate": b'{"title": "\\udc00"}',
    "reversed pair": b'{"title": "\\udc00\\ud800"}',
    "half an escape": b'{"title": "\\u00"}',
    "unknown escape": b'{"title": "\\x41"}',
    "raw line break": b'{"title": "a\nb"}',
    "raw control": b'{"title": "a\x01b"}',
    "NaN": b'{"title": "x", "labels": NaN}',
    "Infinity": b'{"title": "x", "labels": Infinity}',
    "-Infinity": b"[-Infinity]",
    "too large a float": b'{"title": "x", "labels": 1e999}',
    "huge integer": b"9" * 5000,
    "leading zero": b'{"title": 01}',
    "leading plus": b'{"title": +1}',
    "hex": b'{"title": 0x1}',
    "comment": b'{"title": "x"} // y',
    "trailing comma": b'{"title": "x",}',
    "single quotes": b"{'title': 'x'}",
    "bare name": b'{title: "x"}',
    "two documents": b'{"title": "x"}{"title": "y"}',
    "lines": b'{"title": "x"}\n{"title": "y"}\n',
    "form": b"title=x&severity=high",
    "XML": b'<?xml version="1.0"?><alert/>',
    "YAML": b"title: x\n",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "msgpack": b"\x81\xa5title\xa1x",
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01x\x94.",
    "True": b"True",
    "deep lists": b"[" * 17 + b"]" * 17,
    "deep objects": b'{"a":' * 17 + b"1" + b"}" * 17,
    "unclosed lists": b"[" * 200_000,
    "unclosed objects": b'{"a":' * 100_000,
    "long string without end": b'"' + b"a" * 100_000,
}

NO_FORMAT: Final[dict[str, bytes]] = {
    "null": b"null",
    "true": b"true",
    "zero": b"0",
    "huge negative integer": b"-" + b"9" * 300,
    "text": b'"alert"',
    "no fields": b"{}",
    "fields of nobody": b'{"a": 1, "b": {"c": 2}}',
    "change event": b'{"payload": {"summary": "x"}, "client": "y"}',
    "SNS": b'{"Type": "Notification", "Message": "{}"}',
    "CloudEvent": b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "y", "data": {}}',
    "CloudEvent within a CloudEvent": orjson.dumps(event(event())),
}

_WRONG: Final[tuple[Any, ...]] = (None, True, 0, -1.5, 10**300, "", "\0", [], [[]], [1, "x"], {}, {"a": {"b": []}})
"""What is put in the place of each value of a valid body."""


def replaced() -> Iterator[tuple[str, bytes]]:
    """Each value of each valid body replaced by each wrong one; some of the results are valid, and may be."""
    for name, document in VALID.items():
        for path in paths(document):
            for number, wrong in enumerate(_WRONG):
                yield f"{name} {'.'.join(map(str, path))} {number}", orjson.dumps(with_value(document, path, wrong))


def truncated() -> Iterator[tuple[str, bytes]]:
    """Each valid body cut off at many places; none is valid."""
    for name, document in VALID.items():
        value = orjson.dumps(document)
        for size in {*range(1, len(value), 23), len(value) - 1}:
            yield f"{name} {size}", value[:size]


def paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in children:
        yield (*path, name)
        yield from paths(value, (*path, name))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        # orjson has no integers of more than 64 bits: as a float it is what a parser makes of them.
        return float(value) if value == 10**300 else value
    found = document.copy()
    found[path[0]] = with_value(document[path[0]], path[1:], value)
    return found
