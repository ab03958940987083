"""`tocsin explain`: where an alert would go, who is called when, why somebody was paged."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.explain_message import message
from tocsin.cli.output import document, formatted, heading, pairs, plain, say, table
from tocsin.cli.suggesting import Suggesting

CALLS: Final = ("at", "after", "state", "what", "reached", "channels", "detail")
ROUTE: Final = ("rule", "group_key", "partition_key", "category", "severity", "service", "team", "assignee",
                "assigned_because", "suppressed_by", "policy", "routes", "channels", "playbooks")  # fmt: skip
HOURS_MAX: Final = 31 * 24

labels_option = click.option(
    "--labels", multiple=True, metavar="NAME=VALUE[,…]", help="Of an alert that is not there: severity=critical,…"
)
at_option = click.option("--at", default="", metavar="INSTANT", help="What counts as now: 2026-12-24T23:00Z.")
hours_option = click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0.01, HOURS_MAX), help="How far to look ahead."
)
settings_option = click.option(
    "--settings", "path", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="Ask the rules of this settings file, offline, instead of a running tocsin.",
)  # fmt: skip


@click.group(cls=Suggesting)
def explain() -> None:
    """Learn where an alert would go, who is called when, what a message says, and why somebody was paged."""


explain.add_command(message)


@explain.command()
@remote
@formatted
@labels_option
@at_option
@hours_option
@settings_option
def route(
    client: Client, output: str | None, labels: tuple[str, ...], at: str, hours: float, path: Path | None
) -> None:
    """Show what the rules make of an alert: group, team, channels, policy, playbooks, and who is called when.

    \b
    tocsin explain route --labels severity=critical,service=shop
    tocsin explain route --labels severity=critical,service=shop --settings tocsin.yaml
    """
    found = _route(client, labels, at, hours, path)
    _note(found)
    if document(found, output):
        return
    incident = found["incident"]
    shown = {
        **{name: found[name] for name in ROUTE if name in found},
        **{name: incident[name] for name in ("category", "severity", "service", "team", "assignee")},
        "channels": sorted({one["channel"] for one in found["announced"]}),
        "playbooks": [one["name"] for one in found["playbooks"]],
    }
    pairs(shown, ROUTE)
    heading("Calls, if nobody answers")
    _calls(found["escalation"], whole=output == "wide")


def _note(found: Mapping[str, Any]) -> None:
    for note in found.get("notes", ()):
        say(f"note: {note}")


@explain.command()
@remote
@formatted
@click.argument("incident", default="")
@labels_option
@at_option
@hours_option
@settings_option
def escalation(
    client: Client,
    output: str | None,
    incident: str,
    labels: tuple[str, ...],
    at: str,
    hours: float,
    path: Path | None,
) -> None:
    """Show who is called when, over which channel and why: for an INCIDENT, or for an alert with --labels.

    \b
    tocsin explain escalation INC-2026-11-21-007
    tocsin explain escalation --labels severity=critical,service=shop --at 2026-12-24T23:00Z
    """
    if bool(incident) == bool(labels):
        raise Ended("name an INCIDENT, or describe an alert with --labels", USAGE)
    if incident:
        if at or path:
            raise Ended("--at and --settings go with --labels; an incident has its own time and rules", USAGE)
        found = client.get(f"/api/v1/explain/escalation/{incident}", hours=hours)
    else:
        from tocsin.explain.route import calls_in

        found = calls_in(_route(client, labels, at, hours, path))
    _note(found)
    if document(found, output):
        return
    if found["incident"]:
        pairs(found["incident"], ("number", "title", "severity", "status", "team", "opened_at", "suppressed_by"))
    if found["ended"]:
        click.echo(f"ended: {plain(found['ended'])}")
    _calls(found["rows"], whole=output == "wide")


@explain.command()
@remote
@formatted
@click.argument("reference", metavar="INCIDENT|ALERT|DELIVERY")
@click.option("--all", "everything", is_flag=True, help="What led to no delivery as well.")
def why(client: Client, output: str | None, reference: str, everything: bool) -> None:
    """Show why somebody was paged: each page below what brought it about, down from the raw alert.

    \b
    tocsin explain why INC-2026-11-21-007
    tocsin explain why ntf_aaqm5x2s6bsvhjx43dyfrq        the chain to one delivery
    """
    found = client.get(f"/api/v1/explain/why/{reference}", all="true" if everything else "")
    if document(found, output):
        return
    from tocsin.explain.why import flat

    pairs(found["incident"], ("number", "title", "severity", "status"))
    rows = [_line(depth, node) for depth, node in flat(found["roots"])]
    table(rows, ("at", "what", "actor", "reason", "text", "rules", "place"), whole=output == "wide")


def _line(depth: int, node: Mapping[str, Any]) -> dict[str, Any]:
    version = node["rules_version"]
    rest = [str(node[name]) for name in ("channel", "receipt", "error") if node.get(name)]
    return {
        **node,
        "what": f"{'· ' * depth}{node['type']}",
        "text": node["text"] or ", ".join(rest),
        "rules": "" if version is None or version < 0 else version,
    }


def show_calls(rows: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    """Who was told or called when, and why; and why somebody was not."""
    table([_call(row) for row in rows], CALLS, whole=whole)


def _calls(rows: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    show_calls(rows, whole=whole)
    if not any("level" in row for row in rows):
        say("nobody is called: no level of a policy and no row of escalate.rules is for it in this time")


def _over(reached: Mapping[str, Any], channel: str) -> str:
    """A channel, and until when it waits."""
    until = reached.get("later", {}).get(channel)
    return f"{channel} at {until}" if until else str(channel)


def _call(row: Mapping[str, Any]) -> dict[str, Any]:
    from tocsin.settings.values import duration_text

    kind = row["kind"].removeprefix("incident.")
    level = f"level {row['level']} to {row['target']}" if "level" in row else f"{kind} {row['target']}".strip()
    channels = dict.fromkeys(_over(one, channel) for one in row["reached"] for channel in one["channels"])
    because = [f"{one['recipient']}: {one['why']}" for one in row["reached"] if one["why"]]
    because += [f"not {one.get('recipient', '')}: {one.get('why', '')}" for one in row.get("skipped", ())]
    return {
        **row,
        "after": duration_text(timedelta(seconds=round(row["after_minutes"] * 60))),
        "what": level,
        "reached": [one["recipient"] for one in row["reached"]],
        "channels": list(channels),
        "detail": "; ".join([row["why"], *because]),
    }


def _route(client: Client, labels: tuple[str, ...], at: str, hours: float, path: Path | None) -> dict[str, Any]:
    """What the rules of a running tocsin, or those in `path`, make of an alert with `labels`."""
    if not labels:
        raise Ended("describe the alert with --labels, such as severity=critical,service=shop", USAGE)
    if path is None:
        found: dict[str, Any] = client.get("/api/v1/explain/route", labels=labels, at=at, hours=hours)
        return found
    from tocsin.cli.config import settings_from
    from tocsin.domain.errors import Reject
    from tocsin.explain.route import alert_of, of_alert

    given = dict(_pair(pair) for text in labels for pair in text.split(",") if pair.strip())
    try:
        return of_alert(alert_of(given), settings_from(path).rules(), _instant(at), horizon=timedelta(hours=hours))
    except Reject as error:
        raise Ended(str(error), USAGE) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not (equals and name):
        raise Ended(f"--labels: {text.strip()!r} is not name=value", USAGE)
    return name.strip(), value.strip()


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise Ended(f"--at: {text!r} is no instant; write 2026-12-24T23:00Z", USAGE) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
