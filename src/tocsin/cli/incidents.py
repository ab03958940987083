"""`tocsin incidents`: what is open, and what people do about it. The verbs are in `incident_verbs.py`."""

from typing import Any, Final

import click

from tocsin.cli.alerts import with_instance
from tocsin.cli.client import Client, remote
from tocsin.cli.deliveries import show_deliveries
from tocsin.cli.explain import show_calls
from tocsin.cli.incident_verbs import add_verbs
from tocsin.cli.output import document, formatted, heading, pairs, plain, say, show, table
from tocsin.cli.suggesting import Suggesting
from tocsin.domain.details import PLAIN

COLUMNS: Final = ("number", "severity", "status", "title", "service", "opened_at", "alerts")
WIDE: Final = ("team", "assignee", "category", "occurrences", "acknowledged_by", "id")
ALERT_COLUMNS: Final = ("status", "severity", "title", "instance", "occurrences", "last_seen_at")
FIELDS: Final = (
    "number",
    "id",
    "title",
    "severity",
    "severity_label",
    "status",
    "category",
    "service",
    "team",
    "assignee",
    "source",
    "suppressed_by",
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
    "page_url",
    "previous",
    "recurrence_of",
    "merged_into",
    "linked",
)
SAID: Final = ("suppressed_until", "watched_until", *PLAIN)
FOLLOW_UP_COLUMNS: Final = ("id", "text", "owner", "due_at", "done_at", "done_by", "link")
STEP_COLUMNS: Final = ("step", "outcome", "by", "at", "note", "text")
RECORD_COLUMNS: Final = ("at", "kind", "by", "text", "link")
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
    """Show everything about one INCIDENT (id or number): who was called and who is next, over what, whether it arrived
    and why somebody was not; alerts, timeline.

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
    if found.get("severity_label") == found["severity"]:
        del found["severity_label"]
    pairs(found, FIELDS)
    if following := found["escalation"]["next"]:
        level, target, due = (plain(following[name]) for name in ("level", "escalate_to", "due_at"))
        when = f"when it is quiet no more (was due {due})" if found.get("suppressed_by") else f"at {due}"
        click.echo(f"escalates        to {target} (level {level}) {when}")
    if (fitting := found["suggested_playbooks"]) and not found["playbooks"]:
        named = ", ".join(f"{plain(one['name'])} ({one['estimated_duration_minutes']:g} min)" for one in fitting)
        click.echo(f"playbooks        {named}")
    _said(found)
    if found["calls"]:
        heading("Calls")
        show_calls(found["calls"], whole=output == "wide")
    if found["deliveries"]:
        heading("Deliveries")
        show_deliveries(found["deliveries"], whole=output == "wide")
        if found["deliveries_total"] > len(found["deliveries"]):
            last = f"the last {len(found['deliveries'])} of {found['deliveries_total']}"
            say(f"{last}; all: tocsin deliveries list --incident {found['number']}")
    heading("Alerts")
    table([with_instance(alert) for alert in found["alert_list"]["items"]], ALERT_COLUMNS)
    if found["alert_list"]["next"]:
        say(f"more: tocsin alerts list --incident {found['number']}")
    heading("Timeline")
    table(_runs(found["timeline"], whole=output == "wide"), ("at", "type", "actor", "text"))


def _said(found: dict[str, Any]) -> None:
    """What people said of it, as far as they said anything."""
    if any(found[name] for name in SAID):
        heading("Known of it")
        pairs(found, SAID)
    for name, words in (("impact", "Impact"), ("roles", "Roles")):
        if any(value not in ("", None, []) for value in found[name].values()):
            heading(words)
            pairs(found[name], tuple(found[name]))
    if found["answers"]:
        heading("Acknowledged for")
        table(found["answers"], ("target", "by", "at"))
    if found["absorbed"]:
        heading("Merged into this one")
        table(found["absorbed"], ("number", "title", "alerts", "id"))
    for run in found["playbooks"]:
        heading(f"Playbook {plain(run['playbook'])}, begun by {plain(run['started_by'])}")
        table([{**step, "step": number} for number, step in enumerate(run["steps"], 1)], STEP_COLUMNS)
    if found["follow_ups"]:
        heading("Follow-ups")
        table(found["follow_ups"], FOLLOW_UP_COLUMNS)
    if found["records"]:
        heading("Evidence and decisions")
        table(found["records"], RECORD_COLUMNS)


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


add_verbs(incidents)
