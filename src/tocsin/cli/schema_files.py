"""The files of `schemas/`: written from `wire.schema` and `api.asyncapi`, or compared with them.

In: a directory. Out: `export` makes it hold exactly the generated files and touches only what differs; `check` says
what it would change; `breaches` says which promises of other files the generated ones break. Only `*.json` files in the
folders that the schemas have are ever deleted. A released set of schemas is one file, without words for people.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

import tocsin
from tocsin.api import asyncapi
from tocsin.wire import compatibility
from tocsin.wire.schema import documents

RELEASED: Final = "released.json"
"""The promises that hold: what `breaches` compares with, unless it is told otherwise."""
ASYNCAPI: Final = "asyncapi.json"
_WORDS: Final = ("title", "description")


def current() -> dict[str, bytes]:
    """Every generated file: relative path -> content, in order of the paths."""
    return dict(sorted({**documents(), ASYNCAPI: asyncapi.content()}.items()))


def breaches(against: Path) -> list[str]:
    """What the generated schemas break of those in `against`: a directory, or a file that `release` wrote.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    return compatibility.problems(_read(against), _schemas(documents()))


def release(file: Path) -> None:
    """Write the generated schemas to `file`, as what will have to be kept."""
    schemas = {name: _without_words(schema) for name, schema in _schemas(documents()).items()}
    content = msgspec.json.encode({"version": tocsin.__version__, "schemas": schemas})
    file.write_bytes(msgspec.json.format(content, indent=1) + b"\n")


def _read(path: Path) -> dict[str, Any]:
    if path.is_file():
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])["schemas"]
        return found
    files = {file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(path.glob("*/*.json"))}
    if not files:
        raise ValueError(f"{path} holds no schemas")
    return _schemas(files)


def _schemas(files: dict[str, bytes]) -> dict[str, Any]:
    """The schemas among the files, parsed."""
    return {name: msgspec.json.decode(text) for name, text in files.items() if not name.startswith("examples/")}


def _without_words(schema: Any, *, fields: bool = False) -> Any:
    """A schema without titles and descriptions; `fields`: its keys are names of fields, not words of JSON Schema."""
    if isinstance(schema, list):
        return [_without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_words(part, fields=not fields and name in ("properties", "$defs"))
        for name, part in schema.items()
        if fields or name not in _WORDS
    }


def export(directory: Path) -> list[Path]:
    """Write the schemas and examples below `directory`.

    Returns:
        The files that were written or deleted, in order; empty when nothing differed.
    """
    changed: list[Path] = []
    for path, content, _ in _differences(directory):
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        changed.append(path)
    return changed


def check(directory: Path) -> list[str]:
    """What `export` would change below `directory`, a line each; empty when it is current."""
    return [f"{path.relative_to(directory).as_posix()}: {words}" for path, _, words in _differences(directory)]


def _differences(directory: Path) -> Iterator[tuple[Path, bytes | None, str]]:
    """(path, what it has to hold or None = nothing, what is wrong) of every file that differs."""
    wanted = current()
    for name, content in wanted.items():
        path = directory / name
        if not path.is_file():
            yield path, content, "missing"
        elif path.read_bytes() != content:
            yield path, content, "differs from what the code says"
    for folder in sorted({name.split("/")[0] for name in wanted}):
        for path in sorted((directory / folder).glob("*.json")):
            if f"{folder}/{path.name}" not in wanted:
                yield path, None, "no record has this schema"
