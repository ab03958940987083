"""`tocsin incidents`: what is open, and what people do about it."""

from typing import Any, Final

import click

from tocsin.cli.alerts import with_instance
from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, NOT_FOUND, Ended
from tocsin.cli.output import document, formatted, heading, pairs, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("number", "severity", "status", "title", "service", "opened_at", "alerts")
WIDE: Final = ("team", "assignee", "category", "occurrences", "acknowledged_by", "id")
ALERT_COLUMNS: Final = ("status", "severity", "title", "instance", "occurrences", "last_seen_at")
FIELDS: Final = (
    "number",
    "id",
    "title",
    "severity",
    "status",
    "category",
    "service",
    "team",
    "assignee",
    "source",
    "opened_at",
    "acknowledged_at",
    "acknowledged_by",
    "resolved_at",
    "closed_at",
    "alerts",
    "firing",
    "occurrences",
    "summary",
    "labels",
    "links",
    "previous",
    "recurrence_of",
    "merged_into",
)
DONE: Final = ("number", "status", "outcome", "message")
DONE_WIDE: Final = ("title", "actor", "reason", "command_id", "incident")
UNKNOWN: Final = "unknown_incident"
ROUTINE: Final = frozenset({"delivery.planned", "delivery.attempted", "command.applied"})
"""What the timeline of a table leaves out; `-o wide` has it."""


@click.group(cls=Suggesting)
def incidents() -> None:
    """Look at incidents and work on them."""


@incidents.command("list")
@remote
@formatted
@click.option("--status", multiple=True, help="open, investigating, … ; several times or with commas.")
@click.option("--severity", multiple=True)
@click.option("--category", multiple=True)
@click.option("--service", default="")
@click.option("--team", default="")
@click.option("-q", "--query", "q", default="", help="Words in the title.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--cursor", default="", help="Where the page before ended.")
def list_(client: Client, output: str | None, **filters: Any) -> None:
    """List incidents, newest first.

    \b
    tocsin incidents list --status open,acknowledged --severity critical
    tocsin incidents list -o name | head -1
    """
    page = client.get("/api/incident_response", **filters)
    show(page["items"], output=output, columns=COLUMNS, wide=WIDE, name="number")
    if page["next"]:
        say(f"{len(page['items'])} of {page['total']} shown; the next: --cursor {page['next']}")


@incidents.command("show")
@remote
@formatted
@click.argument("incident")
def show_(client: Client, output: str | None, incident: str) -> None:
    """Show everything about one INCIDENT (id or number): alerts, timeline, deliveries, what escalates next.

    \b
    tocsin incidents show INC-2026-11-21-007
    tocsin incidents show INC-2026-11-21-007 -o wide      with each attempt of each delivery
    """
    found = client.get(f"/api/incident_response/{incident}")
    if output == "name":
        click.echo(plain(found["number"]))
        return
    if document(found, output):
        return
    pairs(found, FIELDS)
    if following := found["escalation"]["next"]:
        level, target, due = (plain(following[name]) for name in ("level", "escalate_to", "due_at"))
        click.echo(f"escalates        to {target} (level {level}) at {due}")
    heading("Alerts")
    table([with_instance(alert) for alert in found["alert_list"]["items"]], ALERT_COLUMNS)
    if found["alert_list"]["next"]:
        say(f"more: tocsin alerts list --incident {found['number']}")
    heading("Timeline")
    table(_runs(found["timeline"], whole=output == "wide"), ("at", "type", "actor", "text"))
    if found["deliveries"]:
        heading("Deliveries")
        table(found["deliveries"], ("attempted_at", "channel", "recipient", "status", "attempts", "error"))


def _runs(timeline: list[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
    """The timeline with equal neighbours as one line, and without each step of each delivery unless `whole`."""
    lines: list[dict[str, Any]] = []
    for entry in timeline:
        if not whole and entry["type"] in ROUTINE:
            continue
        reason = "" if entry["reason"] in ("", entry["text"], entry["type"].rpartition(".")[2]) else entry["reason"]
        text = f"{entry['text']} ({reason})" if reason and entry["text"] else entry["text"] or reason
        same = lines and not whole and [lines[-1][name] for name in ("type", "actor", "said")]
        if same == [entry["type"], entry["actor"], text]:
            lines[-1]["times"] += 1
            lines[-1]["text"] = f"{lines[-1]['times']} times: {text}"
        else:
            lines.append({**entry, "text": text, "said": text, "times": 1})
    return lines


def _command(
    client: Client, verb: str, references: tuple[str, ...], output: str | None, reason: str, **arguments: Any
) -> None:
    """Send one command per incident; the worst outcome is the exit code."""
    import orjson

    results = []
    for reference in references:
        body = {
            "verb": verb,
            "incident": reference,
            "reason": reason,
            "arguments": {name: value for name, value in arguments.items() if value},
        }
        answer = client.send("POST", "/api/v1/commands", content=orjson.dumps(body), also=frozenset({409}))
        results.append({**answer, "incident": answer.get("incident") or reference})
    plainly = output not in ("json", "jsonl", "yaml")
    shown = [_named(client, one) for one in results] if plainly else results
    show(shown, output=output, columns=DONE, wide=DONE_WIDE, name="number")
    if any(result["outcome"] == "pending" for result in results):
        say("pending: it is in the log and will be decided; ask again with `incidents show`")
    rejected = [result for result in results if result["outcome"] == "rejected"]
    if rejected:
        unknown = all(result["reason"] == UNKNOWN for result in rejected)
        raise Ended(
            f"rejected: {plain(rejected[0].get('message') or rejected[0]['reason'])}", NOT_FOUND if unknown else FAILED
        )


def _named(client: Client, result: dict[str, Any]) -> dict[str, Any]:
    """The outcome with what its incident is now; outcomes know only its id."""
    if result["outcome"] not in ("applied", "unchanged"):
        return {**result, "number": result["incident"]}
    found = client.get(f"/api/incident_response/{result['incident']}")
    return {**result, **{name: found[name] for name in ("number", "status", "title")}}


_VERBS: Final = {
    "ack": ("acknowledge", "Acknowledge incidents: somebody works on it, escalation stops."),
    "investigate": ("investigate", "Say that somebody looks into it."),
    "mitigate": ("mitigate", "Say that users are no longer affected."),
    "resolve": ("resolve", "Say that the cause is gone."),
    "close": ("close", "Close incidents."),
    "reopen": ("reopen", "Open incidents again."),
}


def _verb_command(word: str, verb: str, words: str) -> click.Command:
    @remote
    @acting
    @formatted
    @click.argument("references", nargs=-1, required=True, metavar="INCIDENT…")
    @click.option("--reason", default="", help="Why; stands in the timeline.")
    def run(client: Client, output: str | None, references: tuple[str, ...], reason: str) -> None:
        _command(client, verb, references, output, reason)

    text = f"{words}\n\n\b\ntocsin incidents {word} INC-2026-11-21-007 --reason 'on it'"
    return click.command(word, help=text)(run)


for _word, (_verb, _words) in _VERBS.items():
    incidents.add_command(_verb_command(_word, _verb, _words))

_long = _verb_command("acknowledge", *_VERBS["ack"])
_long.hidden = True  # people who know the API type it
incidents.add_command(_long)


@incidents.command()
@remote
@acting
@formatted
@click.argument("references", nargs=-1, required=True, metavar="INCIDENT…")
@click.option("--to", "assignee", default="", help="Who works on it.")
@click.option("--team", default="", help="Which team.")
@click.option("--reason", default="")
def assign(client: Client, output: str | None, references: tuple[str, ...], reason: str, **arguments: str) -> None:
    """Give incidents to somebody.

    \b
    tocsin incidents assign INC-2026-11-21-007 --to ada
    """
    _command(client, "assign", references, output, reason, **arguments)


@incidents.command()
@remote
@acting
@formatted
@click.argument("incident")
@click.argument("text")
def note(client: Client, output: str | None, incident: str, text: str) -> None:
    """Write a note into the timeline.

    \b
    tocsin incidents note INC-2026-11-21-007 "rolled back to 4.2"
    """
    _command(client, "note", (incident,), output, "", text=text)


@incidents.command()
@remote
@acting
@formatted
@click.argument("title")
@click.option("--severity", default="", help="Default: high.")
@click.option("--category", default="")
@click.option("--service", default="")
@click.option("--summary", default="")
@click.option("--correlation-id", default="")
@click.option("--reason", default="")
def declare(client: Client, output: str | None, reason: str, **arguments: str) -> None:
    """Open an incident by hand.

    \b
    tocsin incidents declare "Checkout is slow" --severity high --service checkout
    """
    _command(client, "declare", ("",), output, reason, **arguments)
