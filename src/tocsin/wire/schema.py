"""The JSON Schemas (2020-12) of every public record, each with one example.

In: the structs of `domain/` and the examples of `wire/examples.py`. Out: `documents()`, the files of `schemas/` as
relative path -> bytes, always the same bytes for the same structs. Descriptions are the docstrings of the structs
and of their fields. Schemas leave objects open: a newer tocsin may add fields, and a reader ignores what it does not
know. It writes no file (`cli/schema_files.py` does) and describes no internal record: normalized batches are
msgpack and carry no promise.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import msgspec.inspect as shape

from tocsin.domain import events as ev
from tocsin.domain.command import ARGUMENTS, VERBS, Command
from tocsin.wire import examples
from tocsin.wire.position import Position
from tocsin.wire.state import TYPE as STATE_TYPE
from tocsin.wire.state import IncidentState

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSION: Final = "v1"
"""Of every schema: the suffix of `ce_type` and of the file names."""

Schema = dict[str, Any]

INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
TEXT: Final[Schema] = {"type": "string"}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

# Topic names as words: wire lies below `topics`; a test compares them.
INCIDENTS: Final = "incidents.events.v1"
ESCALATIONS: Final = "escalations.events.v1"
NOTIFICATIONS: Final = "notifications.events.v1"
SETTINGS: Final = "settings.events.v1"
STATES: Final = "incidents.state.v1"

JOURNALS: Final = (
    (ev.IncidentEvent, (INCIDENTS,)),
    (ev.CommandEvent, (INCIDENTS,)),
    (ev.ChangeRecorded, (INCIDENTS,)),
    (ev.EscalationEvent, (ESCALATIONS,)),
    (ev.DeliveryEvent, (NOTIFICATIONS,)),
    (ev.Followed, (NOTIFICATIONS,)),
    (ev.Tallied, (INCIDENTS,)),
    (ev.Tombstoned, (INCIDENTS,)),
    (ev.SettingsPublished, (SETTINGS,)),
    (ev.Event, (INCIDENTS, ESCALATIONS, NOTIFICATIONS)),
)
"""Where the events of a kind stand; the first that fits counts."""


def documents() -> dict[str, bytes]:
    """Every file of `schemas/`: relative path with slashes -> content, in order of the paths.

    Raises:
        KeyError: an event type has no example.
    """
    found: dict[str, bytes] = {}
    for folder, name, schema, example in _records():
        head = {"$schema": DIALECT, "$id": f"tocsin:{name}.{VERSION}"}
        first = {word: schema[word] for word in ("title", "description") if word in schema}
        found[f"{folder}/{name}.{VERSION}.json"] = _pretty({**head, **first, **schema})
        found[f"examples/{name}.{VERSION}.json"] = _pretty(example)
    return dict(sorted(found.items()))


def schema_of(kind: type[msgspec.Struct]) -> Schema:
    """The schema of one struct; the structs and enums it uses stand in `$defs`."""
    _, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for struct in _structs(shape.type_info(kind)):
        if struct.cls.__name__ in components:
            _describe(components[struct.cls.__name__], struct)
    schema: Schema = components.pop(kind.__name__)
    if components:
        schema["$defs"] = dict(sorted(components.items()))
    return schema


def _records() -> Iterator[tuple[str, str, Schema, Any]]:
    """(folder, name, schema, example) of every public record."""
    for name, kind in ev.BY_TYPE.items():
        yield "events", name, _event_schema(kind), examples.EVENTS[name]
    yield "events", "headers", HEADERS, examples.headers()
    yield "commands", "command", _command_schema(), examples.COMMAND
    yield "alerts", "alert", ALERT, examples.ALERT
    yield "positions", "position", schema_of(Position), examples.POSITION
    yield "states", "incident", _state_schema(), examples.STATE
    yield "exports", "record", EXPORTED, examples.exported()


def _event_schema(kind: type[ev.Event]) -> Schema:
    schema = schema_of(kind)
    schema["title"] = f"tocsin.{kind.TYPE}.{VERSION}"
    where = next(found for parent, found in JOURNALS if issubclass(kind, parent))
    schema["x-topics"] = list(where)
    return schema


def _state_schema() -> Schema:
    schema = schema_of(IncidentState)
    schema["title"] = STATE_TYPE
    schema["x-topics"] = [STATES]
    return schema


def _command_schema() -> Schema:
    schema = schema_of(Command)
    schema["properties"]["verb"] = {"enum": list(VERBS), "description": "What to do."}
    known = "; ".join(f"{verb}: {', '.join(names)}" for verb, names in ARGUMENTS.items())
    schema["properties"]["arguments"]["description"] = f"By verb: {known}. The other verbs take none."
    return schema


def _structs(info: shape.Type) -> Iterator[shape.StructType]:
    """The struct types within `info`, itself first. Our records do not nest without end."""
    match info:
        case shape.StructType():
            yield info
            for field in info.fields:
                yield from _structs(field.type)
        case shape.UnionType():
            for part in info.types:
                yield from _structs(part)
        case shape.TupleType():
            for part in info.item_types:
                yield from _structs(part)
        case shape.VarTupleType() | shape.ListType():
            yield from _structs(info.item_type)
        case shape.DictType():
            yield from _structs(info.value_type)
        case _:
            pass


def _describe(schema: Schema, struct: shape.StructType) -> None:
    """Say of each field what the source says, and which texts are instants."""
    words = field_docs(struct.cls)
    text = _docstring(struct.cls)
    if text:
        schema["description"] = text
    for place, field in enumerate(struct.fields):
        array = struct.array_like
        node = schema["prefixItems"][place] if array else schema["properties"][field.encode_name]
        _mark_instants(node, field.type)
        if array:
            node["title"] = field.name
        if field.name in words:
            node["description"] = words[field.name]
    if struct.array_like:
        # Newer versions may append.
        schema.pop("maxItems", None)


def _mark_instants(node: Schema, info: shape.Type) -> None:
    """msgspec leaves the format of a datetime without a declared zone open; ours are RFC 3339 with a Z."""
    match info:
        case shape.DateTimeType():
            node["format"] = "date-time"
        case shape.UnionType():
            for part in node.get("anyOf", ()):
                if part.get("type") == "string" and any(isinstance(t, shape.DateTimeType) for t in info.types):
                    part["format"] = "date-time"
        case shape.VarTupleType() | shape.ListType():
            _mark_instants(node["items"], info.item_type)
        case _:
            pass


def _docstring(kind: type) -> str:
    """The docstring of `kind` or of its nearest parent that has one, as one paragraph."""
    for parent in kind.__mro__:
        text = parent.__dict__.get("__doc__")
        if text and issubclass(parent, msgspec.Struct) and parent is not msgspec.Struct:
            return _one_line(text)
    return ""


def field_docs(kind: type) -> dict[str, str]:
    """Field -> the string that follows it in the source of `kind` or of a parent."""
    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if not parent.__module__.startswith("tocsin."):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(parent))).body
        assert isinstance(node, ast.ClassDef)
        for field, after in zip(node.body, node.body[1:], strict=False):
            match field, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = _one_line(text)
                case _:
                    pass
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


ALERT: Final[Schema] = {
    "title": "A native alert",
    "description": (
        "One alert as `POST /api/v1/alerts` and `alerts.raw.v1` take it, alone or in an array. It is identified by"
        " `key`, else by its labels and title. Fields that are not listed are refused."
    ),
    "type": "object",
    "properties": {
        "title": {**TEXT, "minLength": 1, "description": "Needed unless `labels.alertname` is given."},
        "status": {"enum": ["firing", "resolved"], "default": "firing"},
        "severity": {
            **TEXT,
            "description": "A severity of tocsin or a word of its table, such as `warning` or `p1`.",
        },
        "category": {**TEXT, "description": "`security`, `database`, …; else the rule says, else `system`."},
        "service": {**TEXT, "description": "What the alert is about."},
        "source": {**TEXT, "description": "Who found it."},
        "correlation_id": {
            **TEXT,
            "description": "Alerts with the same one belong together, whatever the rules say.",
        },
        "key": {
            **TEXT,
            "minLength": 1,
            "description": "Identifies the alert instead of its labels and title.",
        },
        "starts_at": {**INSTANT, "description": "When it began to fire, as the source knows it."},
        "ends_at": {**INSTANT, "description": "When it ended; in the past = resolved."},
        "labels": {**TEXTS, "maxProperties": 64, "description": "What identifies the alert."},
        "annotations": {**TEXTS, "description": "Text for people; it does not identify the alert."},
        "links": {**TEXTS, "description": "Name to URL: `runbook`, `dashboard`, `generator`, …"},
    },
    "additionalProperties": False,
    "anyOf": [
        {"required": ["title"]},
        {"properties": {"labels": {"required": ["alertname"]}}, "required": ["labels"]},
    ],
}

HEADERS: Final[Schema] = {
    "title": "Headers of an event",
    "description": (
        "CloudEvents 1.0 in Kafka binary mode: each property is one record header, here as text. A record counts if and"
        " only if `ce_sequence` is its own offset; a reader drops the others."
    ),
    "type": "object",
    "properties": {
        "ce_id": {**TEXT, "description": "Unique together with `ce_source`."},
        "ce_source": {
            **TEXT,
            "pattern": "^/.+/.+/[0-9]+$",
            "description": "`/<instance>/<journal>/<partition>`.",
        },
        "ce_specversion": {"const": "1.0"},
        "ce_type": {**TEXT, "enum": [f"tocsin.{name}.{VERSION}" for name in ev.BY_TYPE]},
        "ce_time": {**INSTANT, "description": "`recorded_at` of the event."},
        "ce_subject": {**TEXT, "description": "The incident id, or the key of a settings document."},
        "ce_causationid": {**TEXT, "description": "What brought it about: `cause` of the event."},
        "ce_sequence": {**TEXT, "pattern": "^[0-9]{20}$", "description": "The offset its writer expected."},
        "tocsin_claim": {
            **TEXT,
            "pattern": "^[0-9]{20}$",
            "description": "The offset of its writer's claim.",
        },
        "tocsin_position": {**TEXT, "description": "On the last record of a commit: see `position`."},
        "content-type": {"const": "application/json"},
        "traceparent": TEXT,
    },
    "required": [
        "ce_id",
        "ce_source",
        "ce_specversion",
        "ce_type",
        "ce_time",
        "ce_sequence",
        "tocsin_claim",
        "content-type",
    ],
}

EXPORTED: Final[Schema] = {
    "title": "One line of `tocsin topics export`",
    "description": "One record of any topic, exact: key and value as they are when they are UTF-8, else in base64.",
    "type": "object",
    "properties": {
        "topic": TEXT,
        "partition": COUNT,
        "offset": COUNT,
        "timestamp": {**COUNT, "description": "Milliseconds since the Unix epoch, stamped by the broker."},
        "key": {"type": ["string", "null"]},
        "key_base64": {**TEXT, "contentEncoding": "base64"},
        "headers": {**TEXTS, "description": "Header name to value, as text."},
        "value": {"type": ["string", "null"]},
        "value_base64": {**TEXT, "contentEncoding": "base64"},
        "counts": {
            "const": False,
            "description": "Only on records of a journal that do not lie where their writer expected: to be ignored.",
        },
    },
    "required": ["topic", "partition", "offset", "timestamp", "key", "headers"],
    "oneOf": [{"required": ["value"]}, {"required": ["value_base64"]}],
}
