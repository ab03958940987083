"""`tocsin severity`: how severities are called and what they promise, and which one an impact and an urgency give."""

from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.output import document, formatted, heading, plain, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("word", "severity", "respond", "recover", "update", "meaning")
PROMISES: Final = {"respond": "acknowledge", "recover": "resolve", "update": "update"}


@click.group(cls=Suggesting)
def severity() -> None:
    """See how severities are called, what is promised for each, and which one to choose."""


@severity.command("list")
@remote
@formatted
def list_(client: Client, output: str | None) -> None:
    """List the levels of the scheme in force, and the matrix.

    \b
    tocsin severity list
    """
    found = client.get("/api/v1/severity")
    if document(found, output):
        return
    levels = [_timed(level, found["promises"].get(level["severity"], {})) for level in found["levels"]]
    show(levels, output=output, columns=COLUMNS, wide=(), name="word")
    if output == "name":
        return
    heading("Severity by impact (down) and urgency (across)")
    rows = [{"impact": impact, **row} for impact, row in found["matrix"].items()]
    urgencies = dict.fromkeys(urgency for row in found["matrix"].values() for urgency in row)
    table(rows, ("impact", *urgencies))


@severity.command("of")
@remote
@formatted
@click.argument("impact")
@click.argument("urgency")
def of(client: Client, output: str | None, impact: str, urgency: str) -> None:
    """Say the severity of an IMPACT and an URGENCY.

    \b
    tocsin severity of high medium
    """
    found = client.get("/api/v1/severity/matrix", impact=impact, urgency=urgency)
    if not document(found, output):
        word, level = found["severity"], found["level"]["word"]
        click.echo(plain(level if level == word or output == "name" else f"{level} ({word})"))


def _timed(level: dict[str, Any], promise: dict[str, Any]) -> dict[str, Any]:
    """The level with what is promised in force, as people write it: the settings may promise other than the scheme."""
    return {**level, **{name: _text(promise.get(f"{kind}_seconds")) for name, kind in PROMISES.items()}}


def _text(seconds: float | None) -> str:
    from datetime import timedelta

    from tocsin.settings.values import duration_text

    return "" if seconds is None else duration_text(timedelta(seconds=seconds))
