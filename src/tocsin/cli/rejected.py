"""`tocsin rejected`: what ingest could not use, and how it gets it back."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, NOT_FOUND, Ended
from tocsin.cli.output import document, formatted, pairs, say, show
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("id", "timestamp", "reason", "message", "requeued_by")
WIDE: Final = ("stage", "source", "position", "bytes", "requeued_to", "requeued_from")
PAGE: Final = 500
"""Records of one request; what the API takes at most."""
REASONS_SHOWN: Final = 5


@click.group(cls=Suggesting)
def rejected() -> None:
    """Look at records that ingest could not use, and give them back to it."""


@rejected.command("list")
@remote
@formatted
@click.option("--reason", default="", metavar="WORD", help="Only those with this reason, such as bad_json.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
def list_(client: Client, output: str | None, reason: str, limit: int) -> None:
    """List rejected records, newest first.

    \b
    tocsin rejected list -o wide
    """
    items = client.get("/api/v1/rejected", limit=limit, reason=reason)["items"]
    show(items, output=output, columns=COLUMNS, wide=WIDE)


@rejected.command("show")
@remote
@formatted
@click.argument("identifier", metavar="ID")
def show_(client: Client, output: str | None, identifier: str) -> None:
    """Show one rejected record with its bytes; ID as `rejected list` prints it (partition/offset).

    \b
    tocsin rejected show 0/17
    """
    check(identifier)
    item = client.get(f"/api/v1/rejected/{identifier}")
    if not document(item, output):
        pairs(item, (*COLUMNS, *WIDE, "value", "value_base64"))


@rejected.command()
@remote
@acting
@formatted
@click.argument("identifiers", metavar="ID", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were not requeued before.")
@click.option("--reason", default="", metavar="WORD", help="With --all: only those with this reason.")
@click.option("--force", is_flag=True, help="Also those that were requeued before.")
@click.option("-y", "--yes", is_flag=True, help="With --all: do not ask.")
def requeue(
    client: Client,
    output: str | None,
    identifiers: tuple[str, ...],
    everything: bool,
    reason: str,
    force: bool,
    yes: bool,
) -> None:
    """Give rejected records back to ingest, byte for byte: after an upgrade or a change of settings they may be read.

    What was requeued says so in the log, and is refused a second time unless --force is given. A record that is
    rejected again names where it came from.

    \b
    tocsin rejected requeue 0/17 0/18
    tocsin rejected requeue --all --reason ingest_bug
    """
    if everything == bool(identifiers):
        raise click.UsageError("give the IDs of records, or --all")
    if reason and not everything:
        raise click.UsageError("--reason goes with --all")
    for identifier in identifiers:
        check(identifier)
    if everything:
        identifiers = confirmed(list(requeueable(client, reason, force)), yes)
    items: list[dict[str, Any]] = []
    for start in range(0, len(identifiers), PAGE):
        items += asked(client, identifiers[start : start + PAGE], force)
    show(items, output=output, columns=("id", "to", "error", "message"))
    wrong = [item for item in items if item.get("error")]
    say(f"{len(items) - len(wrong)} requeued")
    if wrong:
        missing = all(item["error"] == "not_found" for item in wrong)
        raise Ended(f"{len(wrong)} of {len(items)} were not requeued", NOT_FOUND if missing else FAILED)


def check(identifier: str) -> None:
    """Refuse what is no id."""
    partition, _, offset = identifier.partition("/")
    if not all(number.isascii() and number.isdigit() for number in (partition, offset)):
        raise click.UsageError(f"{identifier!r} is not an id such as 0/17")


def requeueable(client: Client, reason: str, force: bool) -> Iterator[dict[str, Any]]:
    """Every rejected record up to now that a request for all of them means, oldest first."""
    topics = client.get("/api/v1/topics")["items"]
    for one in next(topic for topic in topics if topic["topic"] == "alerts.rejected.v1")["partitions"]:
        offset = one["begin"]
        while offset < one["end"]:
            parameters = {"partition": one["partition"], "from": offset, "reason": reason, "limit": PAGE}
            page = client.send("GET", "/api/v1/rejected", parameters=parameters)
            for item in page["items"]:
                before_now = int(item["id"].partition("/")[2]) < one["end"]
                if before_now and item.get("stage") == "ingest" and (force or "requeued_at" not in item):
                    yield item
            offset = page["next"]


def confirmed(items: list[dict[str, Any]], yes: bool) -> tuple[str, ...]:
    """Their ids, once a person has agreed to so many."""
    if items and not yes:
        reasons = Counter(item["reason"] for item in items).most_common()
        words = ", ".join(f"{count} {word}" for word, count in reasons[:REASONS_SHOWN])
        more = ", …" if len(reasons) > REASONS_SHOWN else ""
        if not sys.stdin.isatty():
            raise click.UsageError(f"{len(items)} records ({words}{more}): nobody can be asked here, so give --yes")
        click.confirm(f"Requeue {len(items)} records ({words}{more})?", abort=True, err=True)
    return tuple(item["id"] for item in items)


def asked(client: Client, identifiers: tuple[str, ...], force: bool) -> list[dict[str, Any]]:
    """What became of each."""
    import orjson

    content = orjson.dumps({"ids": identifiers, "force": force})
    answer = client.send("POST", "/api/v1/rejected/requeue", content=content, also=frozenset({409}))
    found: list[dict[str, Any]] = answer["items"]
    return found
