"""`tocsin deliveries`: who was told what, over which channel, with what answer; and sending it once more."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, NOT_FOUND, Ended
from tocsin.cli.output import document, formatted, heading, pairs, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("planned_at", "channel", "recipient", "status", "attempts", "detail", "delivery_id")
WIDE: Final = ("page", "step", "incident_id", "attempted_at", "next_attempt_at", "finished_at", "possible_duplicate")
OF_INCIDENT: Final = ("attempted_at", "page", "channel", "recipient", "status", "attempts", "detail")
ATTEMPTS: Final = ("attempt", "at", "status", "seconds", "answer", "next_attempt_at", "possible_duplicate")
FIELDS: Final = (
    "delivery_id",
    "number",
    "title",
    "channel",
    "recipient",
    "step",
    "page",
    "status",
    "reason",
    "detail",
    "digest",
    "planned_at",
    "attempted_at",
    "next_attempt_at",
    "finished_at",
    "possible_duplicate",
)
ITEMS: Final = ("delivery_id", "outcome", "reason", "message")
AT_ONCE: Final = 500
"""Deliveries of one request; what the API takes at most."""


@click.group(cls=Suggesting)
def deliveries() -> None:
    """Look at what was sent to whom, and send it once more."""


@deliveries.command("list")
@remote
@formatted
@click.option("--incident", default="", help="Id or number: only of this incident.")
@click.option("--status", multiple=True, help="planned, delivered, failed, gave_up, … ; several times or with commas.")
@click.option("--channel", default="", help="Only over this channel.")
@click.option("--recipient", default="", help="Only to this one: user:ada, team:shop, channel:ops.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--cursor", default="", help="Where the page before ended.")
def list_(client: Client, output: str | None, **filters: Any) -> None:
    """List deliveries, the last planned first.

    \b
    tocsin deliveries list --status gave_up
    tocsin deliveries list --incident INC-2026-11-21-007 -o wide
    """
    page = client.get("/api/v1/deliveries", **filters)
    items = page["items"] if output in ("json", "jsonl", "yaml") else [told(one) for one in page["items"]]
    show(items, output=output, columns=COLUMNS, wide=WIDE, name="delivery_id")
    if page["next"]:
        say(f"{len(page['items'])} of {page['total']} shown; the next: --cursor {page['next']}")


@deliveries.command("show")
@remote
@formatted
@click.argument("delivery", metavar="ID")
def show_(client: Client, output: str | None, delivery: str) -> None:
    """Show one delivery: each attempt with its time, how long it took, and what the receiver said.

    \b
    tocsin deliveries show ntf_aaqm5x2s6bsvhjx43dyfrq
    """
    found = client.get(f"/api/v1/deliveries/{delivery}")
    if document(found, output):
        return
    pairs(told(found), FIELDS)
    heading("Attempts")
    table(found["attempt_list"], ATTEMPTS, whole=output == "wide")


@deliveries.command()
@remote
@acting
@formatted
@click.argument("identifiers", metavar="ID", nargs=-1, required=True)
@click.option("--reason", default="", help="Why; stands in the timeline.")
def resend(client: Client, output: str | None, identifiers: tuple[str, ...], reason: str) -> None:
    """Send deliveries once more, whatever became of them. The receiver is told that it may be a repeat.

    \b
    tocsin deliveries resend ntf_aaqm5x2s6bsvhjx43dyfrq --reason "the mail was lost"
    """
    _send_again(client, output, identifiers, reason, once=False)


@deliveries.command()
@remote
@acting
@formatted
@click.option("--status", default="gave_up", show_default=True, help="All deliveries with this status.")
@click.option("--channel", default="", help="Only over this channel.")
@click.option("--reason", default="", help="Why; stands in the timeline.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def requeue(client: Client, output: str | None, status: str, channel: str, reason: str, yes: bool) -> None:
    """Send all deliveries once more that were given up: when their channel works again.

    Each at most once a day, however often this is asked for.

    \b
    tocsin deliveries requeue --channel ops-slack
    """
    identifiers: list[str] = []
    cursor = ""
    while True:
        page = client.get("/api/v1/deliveries", status=status, channel=channel, limit=AT_ONCE, cursor=cursor)
        identifiers += [one["delivery_id"] for one in page["items"]]
        if not (cursor := page["next"]):
            break
    if identifiers and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{len(identifiers)} deliveries: nobody can be asked here, so give --yes")
        click.confirm(f"Send {len(identifiers)} deliveries once more?", abort=True, err=True)
    _send_again(client, output, identifiers, reason, once=True)


def show_deliveries(items: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    """The deliveries of an incident; `whole`: with each attempt."""
    table([told(one) for one in items], OF_INCIDENT, whole=whole)
    if whole and (every := [{**one, **attempt} for one in items for attempt in one["attempt_list"]]):
        heading("Attempts")
        table(every, ("channel", "recipient", *ATTEMPTS), whole=True)


def told(item: Mapping[str, Any]) -> dict[str, Any]:
    """`item` with `detail`: what there is to say of its status, for eyes."""
    return {**item, "detail": _detail(item)}


def _detail(item: Mapping[str, Any]) -> str:
    status, again = item["status"], item.get("next_attempt_at")
    if status == "delivered":
        return str(item["receipt"])
    if status == "failed":
        return f"{item['error']}; again at {again}"
    if status == "planned":
        return f"waits for room since {again}" if again else "waits"
    if status == "gave_up":
        return f"{item['reason']}: {item['error']}" if item["error"] else str(item["reason"])
    if status == "bundled":
        return f"in the digest {item['digest']}"
    return "" if status == "attempted" else str(item["reason"])


def _send_again(client: Client, output: str | None, identifiers: Sequence[str], reason: str, *, once: bool) -> None:
    """Ask for all of `identifiers` and print what became of each; the worst is the exit code."""
    import orjson

    items: list[dict[str, Any]] = []
    for start in range(0, len(identifiers), AT_ONCE):
        some = identifiers[start : start + AT_ONCE]
        content = orjson.dumps({"deliveries": some, "reason": reason, "once": once})
        items += client.send("POST", "/api/v1/deliveries/resend", content=content)["items"]
    show(items, output=output, columns=ITEMS, wide=("command_id", "incident"), name="delivery_id")
    wrong = [item for item in items if item["outcome"] == "rejected"]
    say(f"{len(items) - len(wrong)} asked for")
    if wrong:
        missing = all(item["reason"] in ("not_found", "unknown_delivery") for item in wrong)
        raise Ended(f"{len(wrong)} of {len(items)} were refused", NOT_FOUND if missing else FAILED)
