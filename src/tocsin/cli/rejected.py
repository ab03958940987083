"""`tocsin rejected`: what ingest could not use."""

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.output import document, formatted, pairs, show
from tocsin.cli.suggesting import Suggesting

COLUMNS = ("id", "timestamp", "reason", "message")


@click.group(cls=Suggesting)
def rejected() -> None:
    """Look at records that ingest could not use."""


@rejected.command("list")
@remote
@formatted
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
def list_(client: Client, output: str | None, limit: int) -> None:
    """List rejected records, newest first.

    \b
    tocsin rejected list -o wide
    """
    items = client.get("/api/v1/rejected", limit=limit)["items"]
    show(items, output=output, columns=COLUMNS, wide=("stage", "source", "position", "bytes"))


@rejected.command("show")
@remote
@formatted
@click.argument("identifier", metavar="ID")
def show_(client: Client, output: str | None, identifier: str) -> None:
    """Show one rejected record with its bytes; ID as `rejected list` prints it (partition/offset).

    \b
    tocsin rejected show 0/17
    """
    partition, _, offset = identifier.partition("/")
    if not (partition.isdigit() and offset.isdigit()):
        raise click.UsageError(f"{identifier!r} is not an id such as 0/17")
    item = client.get(f"/api/v1/rejected/{partition}/{offset}")
    if not document(item, output):
        pairs(item, (*COLUMNS, "stage", "source", "position", "bytes", "value", "value_base64"))
