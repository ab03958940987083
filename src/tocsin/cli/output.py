"""How results are printed: a table for people on a terminal, the same plainly for pipes, or JSON, YAML, names.

Texts come from outside, so what could command a terminal (control characters) is printed as an escape.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

FORMATS: Final = ("table", "wide", "json", "jsonl", "yaml", "name")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_C1: Final = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_INSTANT: Final = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
"""For eyes seconds are enough, in UTC as everywhere; pipes get the whole instant."""

SEVERITY_STYLE: Final = {
    "emergency": "bold white on red",
    "critical": "bold red",
    "high": "dark_orange",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
}

STATUS_STYLE: Final = {
    "open": "bold red",
    "investigating": "yellow",
    "acknowledged": "yellow",
    "mitigated": "cyan",
    "resolved": "green",
    "closed": "dim",
    "firing": "red",
}
STYLES: Final = {"severity": SEVERITY_STYLE, "status": STATUS_STYLE}
TEXTS: Final = frozenset({"title", "text", "message", "detail", "reason", "error", "summary"})
"""Columns that may be folded; all others are kept in one piece."""
TEXT_LETTERS_MIN: Final = 20
"""A folded text is hardly readable below."""
GAP: Final = 2

F = TypeVar("F", bound=Callable[..., Any])


def formatted(command: F) -> F:
    """Adds `-o`."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default=None,
        help="Default: a table on a terminal, the same tab-separated elsewhere.",
    )
    return option(command)


def plain(text: Any) -> str:
    """One line without anything that a terminal would obey."""
    if text is None:
        return ""
    if isinstance(text, bool):
        return "yes" if text else "no"
    if isinstance(text, list | tuple):
        return ", ".join(plain(one) for one in text)
    if isinstance(text, dict):
        return ", ".join(f"{plain(name)}={plain(value)}" for name, value in text.items())
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], str(text))


def json_text(value: Any, *, indent: bool = False) -> str:
    """JSON as one line, or indented."""
    import orjson

    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    return _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def yaml_text(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)


def on_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def show(
    items: Sequence[Mapping[str, Any]],
    *,
    output: str | None,
    columns: Sequence[str],
    wide: Sequence[str] = (),
    name: str = "id",
) -> None:
    """Print `items`.

    Args:
        columns: fields of the table; `wide` come after them with `-o wide`.
        name: the field that `-o name` prints.
    """
    if output == "json":
        click.echo(json_text(list(items), indent=True))
    elif output == "jsonl":
        for item in items:
            click.echo(json_text(item))
    elif output == "yaml":
        click.echo(yaml_text(list(items)), nl=False)
    elif output == "name":
        for item in items:
            click.echo(plain(item.get(name, "")))
    else:
        table(items, (*columns, *wide) if output == "wide" else columns, whole=output == "wide")


def table(items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, whole: bool = False) -> None:
    """A table: drawn on a terminal, tab-separated with one line of names elsewhere.

    On a narrow terminal texts are folded and the last columns left out, since half a number is of no use.

    Args:
        whole: every column, nothing folded, however long the lines become.
    """
    rows = [[plain(item.get(column)) for column in columns] for item in items]
    if not on_terminal():
        for row in ([column.upper() for column in columns], *rows):
            click.echo("\t".join(row))
        return
    if not rows:
        say("nothing found")
        return
    from rich.cells import cell_len

    names = [column.upper().replace("_", " ") for column in columns]
    for place in {place for row in rows for place, cell in enumerate(row) if _INSTANT.match(cell)}:
        names[place] += " UTC"
    rows = [[_INSTANT.sub(r"\1 \2", cell) for cell in row] for row in rows]
    widths = [max(len(name), *(cell_len(row[place]) for row in rows)) for place, name in enumerate(names)]
    out = console()
    if whole:
        drawn = _drawn(columns, names, rows)
        drawn.width = sum(widths) + GAP * len(widths)
        out.width = max(out.width, drawn.width)
    else:
        count = fitting(columns, widths, out.width)
        drawn = _drawn(columns[:count], names[:count], rows)
    out.print(drawn, soft_wrap=whole)


def fitting(columns: Sequence[str], widths: Sequence[int], available: int) -> int:
    """How many of the first columns fit into `available` letters when texts are folded; at least one."""
    needed = [
        min(width, TEXT_LETTERS_MIN) if column in TEXTS else width
        for column, width in zip(columns, widths, strict=True)
    ]
    count = len(needed)
    while count > 1 and sum(needed[:count]) + GAP * (count - 1) > available:
        count -= 1
    return count


def _drawn(columns: Sequence[str], names: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for column, name in zip(columns, names, strict=True):
        text = column in TEXTS
        drawn.add_column(name, no_wrap=not text, overflow="fold", min_width=None if text else len(name))
    for row in rows:
        cells = zip(columns, row, strict=False)  # columns that do not fit are left out
        drawn.add_row(*(Text(cell, style=STYLES.get(column, {}).get(cell, "")) for column, cell in cells))
    return drawn


def heading(words: str) -> None:
    """A line above a table."""
    click.echo()
    click.echo(click.style(words, bold=True) if on_terminal() and not os.environ.get("NO_COLOR") else words)


def pairs(item: Mapping[str, Any], fields: Sequence[str]) -> None:
    """The fields that have a value, one a line."""
    width = max((len(field) for field in fields), default=0)
    for field in fields:
        if item.get(field) not in (None, "", [], {}, ()):
            value = plain(item[field])
            shown = _INSTANT.sub(r"\1 \2 UTC", value) if on_terminal() else value
            click.echo(f"{field.replace('_', ' '):<{width}}  {shown}")


def document(value: Any, output: str | None) -> bool:
    """Print one whole document when `output` asks for one; whether it did."""
    if output == "json":
        click.echo(json_text(value, indent=True))
    elif output == "jsonl":
        click.echo(json_text(value))
    elif output == "yaml":
        click.echo(yaml_text(value), nl=False)
    else:
        return False
    return True


def console() -> Any:
    """A rich console on standard output; `NO_COLOR` holds."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def say(words: str) -> None:
    """Chatter, for people: standard error."""
    click.echo(words, err=True)
