"""`tocsin channels`: which ways out there are, how they are, and whether a message arrives."""

from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, Ended
from tocsin.cli.output import document, formatted, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("name", "type", "target", "state", "waiting", "delivered", "failed", "last_error", "templates")
WIDE: Final = ("since", "pages", "oldest_waiting_at", "refused", "in_flight", "per_second", "last_error_at")
TRIED: Final = ("recipient", "channel", "status", "attempts", "answer")
WAIT_MAX: Final = 30


@click.group(cls=Suggesting)
def channels() -> None:
    """Look at channels, and try them."""


@channels.command("list")
@remote
@formatted
def list_(client: Client, output: str | None) -> None:
    """List the channels: where they lead, whether they work, what waits for them, which templates fail.

    State and counts are those of the process that answers, since its start.

    \b
    tocsin channels list
    tocsin channels list -o json
    """
    show(client.get("/api/v1/channels")["items"], output=output, columns=COLUMNS, wide=WIDE, name="name")


@channels.command("test")
@remote
@acting
@formatted
@click.argument("name")
@click.option("--to", default="", metavar="ADDRESS", help="Instead of the channel's own: a mail address, a number, …")
@click.option(
    "--wait", default=15, show_default=True, type=click.IntRange(0, WAIT_MAX), help="Seconds to wait for the answer."
)
def test(client: Client, output: str | None, name: str, to: str, wait: int) -> None:
    """Send a test message over the channel NAME now, and print what its receiver answers.

    It takes the way of every page. Nobody else hears of it, and its incident closes by itself. 1 when it could not be
    delivered, or has not been within --wait.

    \b
    tocsin channels test mail
    tocsin channels test mail --to ana@example.org
    """
    from urllib.parse import quote

    asked = {"wait": wait, "to": to}
    path = f"/api/v1/channels/{quote(name, safe='')}/test"
    found = client.send("POST", path, content=b"", parameters=asked, also=frozenset({502, 409}))
    if not document(found, output):
        table([_line(one) for one in found["deliveries"]], TRIED)
    if found["outcome"] == "delivered":
        return
    errors = [str(one["error"]) for one in found["deliveries"] if one.get("error")]
    if found["outcome"] == "pending" and not errors:
        incident = plain(found.get("incident") or "")
        say(f"on its way; ask again with `tocsin incidents show {incident}`" if incident else "on its way")
        raise Ended(f"not delivered within {wait} s", FAILED)
    raise Ended(str(found.get("message") or f"not delivered: {plain(errors[-1]) if errors else 'taken back'}"), FAILED)


def _line(delivery: dict[str, Any]) -> dict[str, Any]:
    return {**delivery, "answer": delivery.get("error") or delivery.get("receipt") or ""}
