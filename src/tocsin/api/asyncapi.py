"""The AsyncAPI 3 document: the topics that others may publish to or subscribe to, their messages, headers and settings.

In: the published schemas with their examples (`wire.schema.documents`), the topics. Out: one self-contained document,
the same for the same schemas. A schema with `x-topics` is a message that tocsin writes there. Actions are tocsin's, as
AsyncAPI wants it: `receive` = others publish, `send` = others subscribe. Internal topics (normalized batches,
checkpoints) carry no promise and are left out. Schemas of AsyncAPI are JSON Schema draft 7, so tuples are spelled its
way. Source: asyncapi.com/docs/reference/specification/v3.0.0; Kafka bindings 0.5.0.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

import tocsin
from tocsin.ingest.formats.registry import BY_NAME
from tocsin.topics import COMMANDS, RAW, REJECTED, TOPICS, Kind, Topic
from tocsin.wire.schema import documents

VERSION: Final = "3.0.0"
BINDING: Final = "0.5.0"
DAY_MS: Final = 24 * 60 * 60 * 1000
EVENT_HEADERS: Final = "events/headers.v1.json"

Document = dict[str, Any]

RECEIVED: Final = {"alerts/alert.v1.json": RAW.name, "commands/command.v1.json": COMMANDS.name}
"""Schema -> the topic that others publish it to."""

WORDS: Final = {
    RAW.name: "Alerts in any supported format, as bytes. `tocsin_format` names it; else its fields tell.",
    COMMANDS.name: "What people and other systems want done to incidents. The API writes here, too.",
    REJECTED.name: "What could not be read: the original bytes, and why in the headers. A record with "
    "`tocsin_requeued` has no value and says that the one at that offset was given back.",
}
COUNTS: Final = (
    "A record counts if and only if `ce_sequence` is its own offset (20 digits); drop the others. Nothing has to be "
    "remembered for that, so a reader may start anywhere."
)


def document() -> Document:
    """The whole document."""
    schemas = {name: msgspec.json.decode(content) for name, content in documents().items()}
    messages = _messages(schemas)
    channels = {topic.name: _channel(topic, messages) for topic in TOPICS.values() if topic.name in _topics(messages)}
    shared = {name: _spelled(part) for schema in schemas.values() for name, part in _parts(schema).items()}
    shared["EventHeaders"] = _spelled(schemas[EVENT_HEADERS])
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "tocsin",
            "version": tocsin.__version__,
            "description": "A flood of alerts in, few incidents out. An installation may have a prefix before the "
            "names of its topics.",
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "Any broker of the cluster."}},
            }
        },
        "channels": channels,
        "operations": {_operation(name): _acting(name) for name in channels},
        "components": {
            "messages": {name: message for name, (message, _) in messages.items()},
            "schemas": dict(sorted(shared.items())),
        },
    }


@cache
def content() -> bytes:
    """The document as `schemas/asyncapi.json` has it."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _messages(schemas: Mapping[str, Document]) -> dict[str, tuple[Document, tuple[str, ...]]]:
    """Name -> (message, the topics it is in)."""
    found: dict[str, tuple[Document, tuple[str, ...]]] = {}
    for path, schema in schemas.items():
        topics = tuple(schema.get("x-topics", ())) if type(schema) is dict else ()
        if path in RECEIVED:
            topics = (RECEIVED[path],)
        if not topics or path.startswith("examples/"):
            continue
        name = f"tocsin.{PurePosixPath(path).name.removesuffix('.json')}"
        message = {
            "name": name,
            "title": schema.get("title", name),
            "summary": schema.get("description", ""),
            "contentType": "application/json",
            "payload": _spelled(schema),
            "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": BINDING}},
            "examples": [{"payload": schemas[f"examples/{PurePosixPath(path).name}"]}],
        }
        if path.startswith("events/"):
            message["headers"] = {"$ref": "#/components/schemas/EventHeaders"}
        elif path in RECEIVED and topics == (RAW.name,):
            message["headers"] = RAW_HEADERS
        found[name] = (message, topics)
    found["tocsin.rejected.v1"] = (REJECTED_MESSAGE, (REJECTED.name,))
    return found


def _topics(messages: Mapping[str, tuple[Document, tuple[str, ...]]]) -> set[str]:
    return {topic for _, topics in messages.values() for topic in topics}


def _channel(topic: Topic, messages: Mapping[str, tuple[Document, tuple[str, ...]]]) -> Document:
    retention = -1 if topic.retention_days is None else topic.retention_days * DAY_MS
    kafka: Document = {
        "topic": topic.name,
        "topicConfiguration": {
            "cleanup.policy": ["compact" if topic.compacted else "delete"],
            "retention.ms": retention,
        },
        "bindingVersion": BINDING,
    }
    if topic.partitions:
        kafka["partitions"] = topic.partitions
    return {
        "address": topic.name,
        "description": COUNTS if topic.kind is Kind.JOURNAL else WORDS.get(topic.name, ""),
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name, (_, topics) in messages.items()
            if topic.name in topics
        },
        "bindings": {"kafka": kafka},
    }


def _operation(topic: str) -> str:
    """`incidents.events.v1` -> `sendIncidentsEvents`."""
    words = topic.split(".")[:-1]
    return ("receive" if topic in RECEIVED.values() else "send") + "".join(word.capitalize() for word in words)


def _acting(topic: str) -> Document:
    action = "receive" if topic in RECEIVED.values() else "send"
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _parts(schema: Any) -> Document:
    """The schemas that `schema` refers to, by name."""
    found: Document = schema.get("$defs", {}) if type(schema) is dict else {}
    return found


def _spelled(schema: Any) -> Any:
    """A schema of 2020-12 in the words of AsyncAPI: parts lie in the components, tuples are lists of items."""
    if isinstance(schema, list):
        return [_spelled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found: Document = {}
    for name, value in schema.items():
        if name in ("$schema", "$id", "$defs", "x-topics"):
            continue
        if name == "$ref":
            found[name] = value.replace("#/$defs/", "#/components/schemas/")
        elif name == "properties":
            found[name] = {field: _spelled(part) for field, part in value.items()}
        elif name == "prefixItems":
            found["items"] = _spelled(value)
        elif name in ("default", "const", "enum"):
            found[name] = value
        else:
            found[name] = _spelled(value)
    return found


_TEXT: Final[Document] = {"type": "string"}

RAW_HEADERS: Final[Document] = {
    "type": "object",
    "description": "All may be absent. The attributes of a CloudEvent in binary mode are read, too (`ce_id`, …).",
    "properties": {
        "tocsin_format": {"type": "string", "enum": list(BY_NAME), "description": "The format of the value."},
        "content-type": _TEXT,
        "tocsin_requeued_from": {**_TEXT, "description": "The rejected record that this one was."},
        "tocsin_requeued_by": {**_TEXT, "description": "Who gave it back."},
    },
}
REJECTED_MESSAGE: Final[Document] = {
    "name": "tocsin.rejected.v1",
    "title": "A record that nobody can use",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "properties": {
            "tocsin_error_reason": {**_TEXT, "description": "A named reason, such as `bad_json`."},
            "tocsin_error_message": {**_TEXT, "description": "Where and what instead."},
            "tocsin_error_stage": {**_TEXT, "description": "Who could not use it."},
            "tocsin_error_source": {**_TEXT, "description": "`<topic>/<partition>` it came from."},
            "tocsin_error_position": {**_TEXT, "description": "`<offset>`, or `<offset>/<index>` of one item."},
            "tocsin_error_cut": {**_TEXT, "description": "What was left out of a record that was too large."},
            "tocsin_requeued": {**_TEXT, "description": "Only on a marker: the offset of what was given back."},
        },
    },
    "payload": {"description": "The bytes as they came, with the headers that they had."},
}
