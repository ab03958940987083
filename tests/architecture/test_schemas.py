"""`schemas/` is what the code says: current, valid, and true of an example of every public record."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from tocsin.cli import main, schema_files
from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.ingest.formats import native
from tocsin.topics import EVENT_TOPICS
from tocsin.wire import examples, schema
from tocsin.wire.position import Position
from tocsin.wire.state import IncidentState

SCHEMAS = Path(__file__).parents[2] / "schemas"
NAMES = sorted(name for name in schema.documents() if not name.startswith("examples/"))
STRUCTS: dict[str, tuple[Any, Any]] = {
    **{name: (kind, examples.EVENTS[name]) for name, kind in ev.BY_TYPE.items()},
    "command": (Command, examples.COMMAND),
    "position": (Position, examples.POSITION),
    "incident": (IncidentState, examples.STATE),
}

formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_instant(text: object) -> bool:
    """RFC 3339 in UTC with a Z, which is how tocsin writes every instant."""
    return not isinstance(text, str) or (text.endswith("Z") and datetime.fromisoformat(text).tzinfo is not None)


def read(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(read(name), format_checker=formats)


def test_the_committed_files_are_what_the_code_says() -> None:
    assert schema_files.check(SCHEMAS) == [], "run `tocsin schemas export schemas`"


def test_every_event_type_has_a_schema_and_a_topic() -> None:
    assert {f"events/{name}.v1.json" for name in ev.BY_TYPE} <= set(NAMES)
    named = {topic for name in ev.BY_TYPE for topic in read(f"events/{name}.v1.json")["x-topics"]}
    assert named == {topic.name for topic in EVENT_TOPICS}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_its_example_fits(name: str) -> None:
    Draft202012Validator.check_schema(read(name))
    validator(name).validate(read(f"examples/{Path(name).name}"))


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_an_example_decodes_to_its_struct_and_encodes_back(name: str) -> None:
    kind, value = STRUCTS[name]
    written = (SCHEMAS / f"examples/{name}.v1.json").read_bytes()
    decoded = msgspec.json.decode(written, type=kind)
    assert decoded == value
    assert msgspec.json.format(msgspec.json.encode(decoded), indent=2) + b"\n" == written


@pytest.mark.parametrize("name", sorted(ev.BY_TYPE))
def test_a_schema_refuses_what_the_struct_refuses(name: str) -> None:
    document = read(f"examples/{name}.v1.json")
    for field in read(f"events/{name}.v1.json")["required"]:
        with pytest.raises(ValidationError):
            validator(f"events/{name}.v1.json").validate({**document, field: ["not", 1]})
    with pytest.raises(ValidationError):
        validator(f"events/{name}.v1.json").validate({**document, "recorded_at": "yesterday Z"})


def test_a_reader_may_meet_fields_of_a_newer_version() -> None:
    for name in ev.BY_TYPE:
        validator(f"events/{name}.v1.json").validate({**read(f"examples/{name}.v1.json"), "new_field": 1})


@pytest.mark.parametrize(
    "alert",
    [{}, {"severity": "high"}, {"labels": {"job": "x"}}, {"title": ""}, {"title": "x", "sevrity": "high"}],
)
def test_the_schema_of_a_native_alert_refuses(alert: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator("alerts/alert.v1.json").validate(alert)


def test_the_schema_of_a_native_alert_has_the_fields_of_its_reader() -> None:
    assert set(read("alerts/alert.v1.json")["properties"]) == set(native.FIELDS)


def test_a_native_alert_may_be_named_by_its_alertname() -> None:
    validator("alerts/alert.v1.json").validate({"labels": {"alertname": "Down"}})


def test_the_promises_of_the_last_release_are_kept() -> None:
    assert schema_files.breaches(SCHEMAS / "released.json") == [], "readers or writers out there would stop working"


def test_a_release_is_refused_when_it_breaks_a_promise(tmp_path: Path) -> None:
    file = tmp_path / "released.json"
    run = CliRunner()

    def schemas(*words: str) -> Result:
        return run.invoke(main, ["schemas", *words])

    assert schemas("release", str(file)).exit_code == 0
    assert schemas("check", "--against", str(file)).exit_code == 0
    assert schemas("check", "--against", str(SCHEMAS)).exit_code == 0
    promised = json.loads(file.read_text())
    promised["schemas"]["commands/command.v1.json"]["properties"]["colour"] = {"type": "string"}
    file.write_text(json.dumps(promised))
    for words in (("check", "--against", str(file)), ("release", str(file))):
        done = schemas(*words)
        assert (done.exit_code, done.stdout) == (1, "commands/command.v1.json: colour is gone\n")
        assert "1 promises" in done.stderr
    assert schemas("release", str(file), "--break").exit_code == 0
    assert schemas("check", "--against", str(file)).exit_code == 0
    (tmp_path / "empty").mkdir()
    assert "holds no schemas" in schemas("check", "--against", str(tmp_path / "empty")).stderr


def test_a_release_has_no_words_for_people_but_fields_of_that_name() -> None:
    text = (SCHEMAS / "released.json").read_text()
    fields = json.loads(text)["schemas"]["alerts/alert.v1.json"]["properties"]
    assert fields["title"] == {"minLength": 1, "type": "string"}
    assert "Needed unless" not in text


def test_export_writes_only_differences_and_deletes_strays(tmp_path: Path) -> None:
    everything = schema_files.export(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in everything] == list(schema_files.current())
    assert schema_files.export(tmp_path) == []

    stray, changed = tmp_path / "events" / "incident.gone.v1.json", tmp_path / NAMES[0]
    stray.write_text("{}")
    changed.write_text("{}")
    missing = tmp_path / NAMES[1]
    missing.unlink()
    (tmp_path / "notes.txt").write_text("mine")
    assert schema_files.check(tmp_path) == [
        f"{NAMES[0]}: differs from what the code says",
        f"{NAMES[1]}: missing",
        "events/incident.gone.v1.json: no record has this schema",
    ]
    assert schema_files.export(tmp_path) == [changed, missing, stray]
    assert schema_files.check(tmp_path) == []
    assert (tmp_path / "notes.txt").exists()
