"""`tocsin page-me`: try whether a page arrives, over the way that every page takes."""

from typing import Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, Ended
from tocsin.cli.output import document, formatted, plain, say, table

COLUMNS: Final = ("recipient", "channel", "status", "attempts", "error")
WAIT_MAX: Final = 30


@click.command("page-me")
@remote
@acting
@formatted
@click.argument("target", metavar="USER")
@click.option(
    "--wait", default=15, show_default=True, type=click.IntRange(0, WAIT_MAX), help="Seconds to wait for the page."
)
def page_me(client: Client, output: str | None, target: str, wait: int) -> None:
    """Page USER (or team:…, schedule:…) now, to try the way: their channels, their addresses, whether it wakes them.

    Nobody else hears of it, and its incident closes by itself. 1 when the page could not be delivered.

    \b
    tocsin page-me ana
    tocsin page-me schedule:dba
    """
    from urllib.parse import quote

    path = f"/api/v1/people/{quote(target, safe='')}/page?wait={wait}"
    found = client.send("POST", path, content=b"", also=frozenset({502, 409}))
    if not document(found, output):
        table(found["deliveries"], COLUMNS)
    if found["outcome"] == "pending":
        say(f"on its way; ask again with `tocsin incidents show {plain(found.get('incident') or '')}`")
    elif found["outcome"] != "delivered":
        raise Ended(str(found.get("message") or "the page could not be delivered"), FAILED)
