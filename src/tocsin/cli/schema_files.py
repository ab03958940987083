"""The files of `schemas/`: written from `wire.schema`, or compared with it.

In: a directory. Out: `export` makes it hold exactly the generated files and touches only what differs; `check` says
what it would change. Only `*.json` files in the folders that the schemas have are ever deleted.
"""

from collections.abc import Iterator
from pathlib import Path

from tocsin.wire.schema import documents


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
    wanted = documents()
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
