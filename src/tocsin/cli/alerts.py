"""`tocsin alerts`: send alerts, and list those that arrived."""

import sys
from collections.abc import Iterable
from typing import IO, Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.exits import Ended
from tocsin.cli.output import document, formatted, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("last_seen_at", "status", "severity", "title", "instance", "service", "occurrences")


@click.group(cls=Suggesting)
def alerts() -> None:
    """Send and list alerts."""


@alerts.command("list")
@remote
@formatted
@click.option("--incident", default="", help="Id or number of an incident.")
@click.option("--status", default="", help="firing or resolved.")
@click.option("--severity", default="")
@click.option("--service", default="")
@click.option("-q", "--query", "q", default="", help="Words in the title.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 500))
def list_(client: Client, output: str | None, **filters: Any) -> None:
    """List alerts, newest first.

    \b
    tocsin alerts list --status firing --severity critical
    """
    page = client.get("/api/alerting", **filters)
    items = page["items"]
    show(
        items if output in ("json", "jsonl", "yaml") else [with_instance(item) for item in items],
        output=output,
        columns=COLUMNS,
        wide=("incident_id", "fingerprint", "first_seen_at", "alert_id"),
        name="alert_id",
    )
    if page["next"]:
        say(f"{len(page['items'])} of {page['total']} shown")


def with_instance(alert: dict[str, Any]) -> dict[str, Any]:
    """The alert with a column that tells it from its neighbours: what it is about."""
    labels = alert["labels"]
    found = next((labels[name] for name in ("instance", "pod", "host", "hostname", "node") if labels.get(name)), "")
    return {**alert, "instance": found}


@alerts.command()
@remote
@formatted
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--format", "kind", default="", help="Format of FILE; default: recognised.")
@click.option("--title", default="", help="Title of one alert.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE")
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE")
@click.option("--severity", default="")
@click.option("--service", default="")
@click.option("--key", default="", help="What identifies the alert, instead of its labels.")
@click.option("--resolved", is_flag=True, help="It is over.")
def send(
    client: Client,
    output: str | None,
    file: IO[bytes] | None,
    kind: str,
    title: str,
    labels: tuple[str, ...],
    annotations: tuple[str, ...],
    resolved: bool,
    **fields: str,
) -> None:
    """Send alerts: those in FILE (- is standard input), in any format, or one made of the options.

    \b
    tocsin alerts send --title "Disk full" --label host=db1 --severity critical
    tocsin alerts send webhook.json
    """
    if file is not None:
        if title or labels or annotations or resolved or any(fields.values()):
            raise click.UsageError("give a FILE or the fields of one alert, not both")
        content = file.read()
    elif title or labels:
        content = _one(title, labels, annotations, resolved, fields)
    elif not sys.stdin.isatty():
        content = sys.stdin.buffer.read()
    else:
        raise click.UsageError("nothing to send: give a FILE, or --title")
    if not content.strip():
        raise click.UsageError("nothing to send: the input is empty")
    answer = client.send("POST", "/api/v1/alerts", content=content, parameters={"format": kind}, also=frozenset({400}))
    _report(answer, output)


def _one(
    title: str, labels: Iterable[str], annotations: Iterable[str], resolved: bool, fields: dict[str, str]
) -> bytes:
    import orjson

    alert: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if title:
        alert["title"] = title
    alert["status"] = "resolved" if resolved else "firing"
    alert["labels"] = _pairs("--label", labels)
    alert["annotations"] = _pairs("--annotation", annotations)
    return orjson.dumps(alert)


def _pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} takes NAME=VALUE, not {pair!r}")
        found[name] = value
    return found


def _report(answer: dict[str, Any], output: str | None) -> None:
    if "items" not in answer:
        raise Ended(answer["message"])
    items = answer["items"]
    wrong = [item for item in items if item["error"]]
    if output == "name":
        for item in items:
            if item["alert_id"]:
                click.echo(item["alert_id"])
    elif not document(answer, output):
        table(
            [{**item, "error": (item["error"] or {}).get("message")} for item in items], ("index", "alert_id", "error")
        )
    if output not in (None, "table", "wide"):
        for item in wrong:
            say(f"alert {item['index']}: {plain(item['error']['message'])}")
    if wrong:
        raise Ended(f"{len(wrong)} of {len(items)} alerts were not accepted")
    say(f"{answer['accepted']} accepted")
