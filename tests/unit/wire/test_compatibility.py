"""What breaks a promise of the schemas and what does not: one line a case, for what is read and what is written."""

from typing import Any

import msgspec
import pytest

from tocsin.wire.compatibility import problems
from tocsin.wire.schema import documents

READ, WRITTEN = "commands/command.v1.json", "events/incident.opened.v1.json"

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
NULLABLE = {"anyOf": [TEXT, {"type": "null"}]}


def record(required: tuple[str, ...] = ("a",), /, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": TEXT, **fields}, "required": list(required)}


def part(name: str, **defs: Any) -> dict[str, Any]:
    return {**record(b={"$ref": f"#/$defs/{name}"}), "$defs": defs}


def text(**limits: Any) -> dict[str, Any]:
    return record(b={**TEXT, **limits})


LONGEST, NO_Y, NO_1 = "b has another maxLength", "b has no y any more", "b has no 1 any more"
CLOSED = {**record(), "additionalProperties": False}

CASES: list[tuple[str, Any, Any, str, str]] = [
    # (what, old, new, breach where it is read, breach where it is written); "" = none
    ("nothing", record(), record(), "", ""),
    ("an optional field more", record(), record(b=TEXT), "", ""),
    ("a required field more", record(), record(("a", "b"), b=TEXT), "b is required now", ""),
    ("a field that becomes required", record(b=TEXT), record(("a", "b"), b=TEXT), "b is required now", ""),
    ("a field that becomes optional", record(("a", "b"), b=TEXT), record(b=TEXT), "", "b may be absent now"),
    ("a field less", record(b=TEXT), record(), "b is gone", "b is gone"),
    ("another type", record(b=TEXT), record(b=NUMBER), "b is no longer taken as string", "b may now be integer"),
    ("null as well", record(b=TEXT), record(b=NULLABLE), "", "b may now be null"),
    ("null no more", record(b=NULLABLE), record(b=TEXT), "b is no longer taken as null", ""),
    ("null in a list of types", record(b={"type": ["string", "null"]}), record(b=NULLABLE), "", ""),
    ("a number where an integer was", record(b=NUMBER), record(b={"type": "number"}), "", "b may now be number"),
    ("an integer where a number was", record(b={"type": "number"}), record(b=NUMBER), "b is no longer taken as", ""),
    ("any value", record(b=TEXT), record(b={}), "", "b may now be any value"),
    ("no longer any value", record(b={}), record(b=TEXT), "b was any value, is now string", ""),
    ("a word more", record(b={"enum": ["x"]}), record(b={"enum": ["x", "y"]}), "", ""),
    ("a word less", record(b={"enum": ["x", "y"]}), record(b={"enum": ["x"]}), NO_Y, NO_Y),
    ("a list of words", record(b=TEXT), record(b={"enum": ["x"]}), "b takes only x now", ""),
    ("any word", record(b={"enum": ["x"]}), record(b=TEXT), "", "b may now be other words"),
    ("another constant", record(b={"const": "1"}), record(b={"const": "2"}), NO_1, NO_1),
    ("a tighter end", text(maxLength=9), text(maxLength=5), LONGEST, ""),
    ("a wider end", text(maxLength=5), text(maxLength=9), "", LONGEST),
    ("an end", text(), text(maxLength=9), LONGEST, ""),
    ("a beginning", record(b=NUMBER), record(b={**NUMBER, "minimum": 0}), "b has another minimum", ""),
    ("no beginning", record(b={**NUMBER, "minimum": 0}), record(b=NUMBER), "", "b has another minimum"),
    ("a pattern", record(b=TEXT), record(b={**TEXT, "pattern": "x"}), "b has another pattern", ""),
    ("no format", record(b={**TEXT, "format": "date-time"}), record(b=TEXT), "", "b has another format"),
    (
        "another format",
        record(b={**TEXT, "format": "date"}),
        record(b={**TEXT, "format": "date-time"}),
        "b has another format: date before, date-time now",
        "b has another format: date before, date-time now",
    ),
    ("other words for people", {**record(), "title": "x"}, {**record(), "description": "y"}, "", ""),
    (
        "another meaning of absence",
        record(b={**NUMBER, "default": 0}),
        record(b={**NUMBER, "default": 1}),
        "b means something else when it is absent: 0 before, 1 now",
        "b means something else when it is absent: 0 before, 1 now",
    ),
    ("other fields refused", record(), CLOSED, "takes no other fields any more", ""),
    (
        "values of a map",
        record(b={"type": "object", "additionalProperties": TEXT}),
        record(b={"type": "object", "additionalProperties": NUMBER}),
        "b.* is no longer taken as string",
        "b.* may now be integer",
    ),
    (
        "items of a list",
        record(b={"type": "array", "items": TEXT}),
        record(b={"type": "array", "items": NULLABLE}),
        "",
        "b[] may now be null",
    ),
    (
        "a place more in a tuple",
        record(b={"type": "array", "prefixItems": [TEXT]}),
        record(b={"type": "array", "prefixItems": [TEXT, NUMBER]}),
        "",
        "",
    ),
    (
        "a place less in a tuple",
        record(b={"type": "array", "prefixItems": [TEXT, NUMBER]}),
        record(b={"type": "array", "prefixItems": [TEXT]}),
        "b[1] is gone",
        "b[1] is gone",
    ),
    ("a field less within", part("P", P=record(c=TEXT)), part("P", P=record()), "b.c is gone", "b.c is gone"),
    ("another name of a part", part("P", P=record()), part("Q", Q=record()), "", ""),
    (
        "a part that contains itself",
        part("P", P=record(c={"$ref": "#/$defs/P"}, d=TEXT)),
        part("P", P=record(c={"$ref": "#/$defs/P"})),
        "b.d is gone",
        "b.d is gone",
    ),
    (
        "what has to be there together",
        {**record(), "anyOf": [{"required": ["a"]}]},
        {**record(), "anyOf": [{"required": ["b"]}]},
        "the record has another anyOf",
        "the record has another anyOf",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "reading"), [case[1:4] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_read(old: Any, new: Any, reading: str) -> None:
    check(problems({READ: old}, {READ: new}), reading)


@pytest.mark.parametrize(
    ("old", "new", "writing"), [(*case[1:3], case[4]) for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_written(old: Any, new: Any, writing: str) -> None:
    check(problems({WRITTEN: old}, {WRITTEN: new}), writing)


def check(found: list[str], wanted: str) -> None:
    if wanted:
        assert len(found) == 1, found
        assert wanted in found[0]
    else:
        assert found == []


def test_a_record_that_is_gone_and_one_that_moved() -> None:
    old = {"events/a.v1.json": {"x-topics": ["t", "u"]}, "events/b.v1.json": {}, "examples/b.v1.json": [1]}
    assert problems(old, {"events/a.v1.json": {"x-topics": ["u", "v"]}}) == [
        "events/a.v1.json: is no longer in t",
        "events/b.v1.json: is gone",
    ]


def test_every_field_of_every_record_is_watched() -> None:
    """Each published field in turn is taken away, and it is found."""
    current = {
        name: msgspec.json.decode(text) for name, text in documents().items() if not name.startswith("examples/")
    }
    assert problems(current, current) == []
    watched = 0
    for name, schema in current.items():
        for field in schema["properties"]:
            fewer = {**schema, "properties": {key: part for key, part in schema["properties"].items() if key != field}}
            assert f"{name}: {field} is gone" in problems({name: schema}, {name: fewer})
            watched += 1
    assert watched > 300
