"""`tocsin changes`: report what was changed, and see what was."""

from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.output import document, formatted, plain, show
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("at", "service", "title", "author", "link")
WIDE: Final = ("labels", "description", "id")


@click.group(cls=Suggesting)
def changes() -> None:
    """Report changes to services, and see them: incidents that open afterwards show them."""


@changes.command()
@remote
@acting
@formatted
@click.argument("title")
@click.option("--service", default="", help="Of what.")
@click.option("--at", default="", help="When: 2026-12-24T22:00Z; default: now.")
@click.option("--author", default="", help="Who changed it; default: you.")
@click.option("--link", default="", help="Where to see it: a pipeline, a commit.")
@click.option("--description", default="")
@click.option("--label", "labels", multiple=True, help="NAME=TEXT; several times.")
@click.option("--id", "identifier", default="", help="So that a repetition is recorded once.")
def add(client: Client, output: str | None, labels: tuple[str, ...], identifier: str, **said: str) -> None:
    """Report a change, from a pipeline or by hand.

    \b
    tocsin changes add "shop 4.2 deployed" --service shop --link https://ci.example/17 --id deploy-17
    """
    import orjson

    body: dict[str, Any] = {name: value for name, value in {**said, "id": identifier}.items() if value}
    if labels:
        pairs = [label.partition("=") for label in labels]
        if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
            raise Ended(f"{wrong[0]!r} is not NAME=TEXT", USAGE)
        body["labels"] = {name: value for name, _, value in pairs}
    found = client.send("POST", "/api/v1/changes", content=orjson.dumps(body))
    if not document(found, output):
        click.echo(plain(found["id"]) if output == "name" else f"{plain(found['outcome'])}\t{plain(found['id'])}")


@changes.command("list")
@remote
@formatted
@click.option("--service", default="")
@click.option("--after", default="", help="2026-12-24 or 2026-12-24T22:00Z")
@click.option("--before", default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
def list_(client: Client, output: str | None, **filters: Any) -> None:
    """List changes, newest first.

    \b
    tocsin changes list --service shop
    """
    given = {name: value for name, value in filters.items() if value}
    found = client.get("/api/v1/changes", **given)
    show(found["items"], output=output, columns=COLUMNS, wide=WIDE, name="id")
