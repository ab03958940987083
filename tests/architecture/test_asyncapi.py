"""The AsyncAPI document is valid by AsyncAPI's own schema, whole, and true of every example."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tocsin.api import asyncapi
from tocsin.domain import events as ev
from tocsin.topics import CHECKPOINTS, COMMANDS, EVENT_TOPICS, NORMALIZED, RAW, REJECTED

OFFICIAL = json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
DOCUMENT: Any = json.loads(asyncapi.content())
MESSAGES = DOCUMENT["components"]["messages"]


def errors(document: Any) -> list[str]:
    return [error.message for error in Draft7Validator(OFFICIAL).iter_errors(document)]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "$ref":
                yield part
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def resolved(reference: str) -> Any:
    found = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_it_is_valid_asyncapi() -> None:
    assert errors(DOCUMENT) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {**DOCUMENT, "asyncapi": "4"},
        {**DOCUMENT, "info": {"title": "tocsin"}},
        {**DOCUMENT, "operations": {"x": {"action": "publish", "channel": {"$ref": "#/channels/x"}}}},
        {**DOCUMENT, "chanels": {}},
    ],
    ids=["version", "info", "action", "field"],
)
def test_a_mistake_would_be_found(wrong: Any) -> None:
    assert errors(wrong)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        resolved(reference)


def test_every_public_topic_has_a_channel_with_its_messages() -> None:
    channels = DOCUMENT["channels"]
    public = {RAW.name, COMMANDS.name, REJECTED.name, *(topic.name for topic in EVENT_TOPICS)}
    assert public <= set(channels)
    assert {NORMALIZED.name, CHECKPOINTS.name}.isdisjoint(channels)
    everywhere = {name for channel in channels.values() for name in channel["messages"]}
    assert everywhere == set(MESSAGES)
    assert {f"tocsin.{name}.v1" for name in ev.BY_TYPE} <= everywhere
    assert "tocsin.journal.claimed.v1" in channels["escalations.events.v1"]["messages"]
    assert channels["alerts.raw.v1"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == 7 * 24 * 3600 * 1000


def test_every_channel_has_one_operation_in_the_right_direction() -> None:
    acting = {operation["channel"]["$ref"]: operation["action"] for operation in DOCUMENT["operations"].values()}
    received = {RAW.name, COMMANDS.name}
    assert acting == {f"#/channels/{name}": "receive" if name in received else "send" for name in DOCUMENT["channels"]}


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if "examples" in message])
def test_an_example_fits_its_payload(name: str) -> None:
    schema = {"allOf": [{"$ref": f"#/components/messages/{name}/payload"}], "components": DOCUMENT["components"]}
    validator = Draft7Validator(schema)
    [example] = MESSAGES[name]["examples"]
    assert list(validator.iter_errors(example["payload"])) == []
    assert list(validator.iter_errors({"recorded_at": 7, "verb": 7, "title": 7})), "anything fits"


def test_the_headers_of_an_event_fit_the_headers_of_its_message() -> None:
    schema = {"allOf": [MESSAGES["tocsin.incident.opened.v1"]["headers"]], "components": DOCUMENT["components"]}
    example = json.loads((Path(__file__).parents[2] / "schemas/examples/headers.v1.json").read_text())
    assert list(Draft7Validator(schema).iter_errors(example)) == []
    assert list(Draft7Validator(schema).iter_errors({**example, "ce_sequence": "7"}))
