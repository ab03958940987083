"""`tocsin silence`: keep alerts quiet for a while, and see what that would cover."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, login_name, remote
from tocsin.cli.output import document, formatted, heading, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("id", "state", "ends_at", "created_by", "matchers", "comment")
WIDE: Final = ("starts_at", "updated_at")
ALERTS: Final = ("severity", "title", "service", "labels")
INCIDENTS: Final = ("number", "severity", "status", "covered", "title")

matchers_argument = click.argument("matchers", nargs=-1, required=True, metavar="MATCHER…")


@click.group(cls=Suggesting)
def silence() -> None:
    """Keep alerts quiet on purpose. Nothing is lost: what is silenced stays listed, with the reason.

    A MATCHER is `label=value`, `label!=value`, `label=~pattern` or `label!~pattern`; all of them must hold.
    """


@silence.command()
@remote
@acting
@formatted
@matchers_argument
@click.option("--for", "lasts", default="1h", show_default=True, help="How long: 30m, 2h, 1d12h.")
@click.option("--start", default="", metavar="INSTANT", help="From when on, 2026-11-21T22:00:00Z; default: now.")
@click.option("--comment", default="", help="Why.")
def add(client: Client, output: str | None, matchers: tuple[str, ...], lasts: str, start: str, comment: str) -> None:
    """Silence the alerts that match.

    \b
    tocsin silence add host=~"db.*" alertname=DiskFull --for 2h --comment "new disks"
    """
    import orjson

    begins = _instant(start)
    body = {
        "matchers": [_api(one) for one in _read(matchers)],
        "startsAt": begins.isoformat(),
        "endsAt": (begins + _duration(lasts)).isoformat(),
        "createdBy": client.actor or login_name(),
        "comment": comment,
    }
    name = client.send("POST", "/api/v2/silences", content=orjson.dumps(body))["silenceID"]
    show([_shown(client.get(f"/api/v2/silence/{name}"))], output=output, columns=COLUMNS, wide=WIDE)


@silence.command("list")
@remote
@formatted
@click.option("--expired", is_flag=True, help="Also those that are over.")
def list_(client: Client, output: str | None, expired: bool) -> None:
    """List the silences: those that hold, then those to come.

    \b
    tocsin silence list
    """
    items = [_shown(one) for one in client.get("/api/v2/silences")]
    show([one for one in items if expired or one["state"] != "expired"], output=output, columns=COLUMNS, wide=WIDE)


@silence.command()
@remote
@acting
@click.argument("identifiers", nargs=-1, required=True, metavar="ID…")
def expire(client: Client, identifiers: tuple[str, ...]) -> None:
    """End silences now.

    \b
    tocsin silence expire 5f0c7b1e-0d3a-4a55-9c62-9a1f3c1f4a10
    """
    from urllib.parse import quote

    for identifier in identifiers:
        client.send("DELETE", f"/api/v2/silence/{quote(identifier, safe='')}")
        say(f"{plain(identifier)} has ended")


@silence.command()
@remote
@formatted
@matchers_argument
def preview(client: Client, output: str | None, matchers: tuple[str, ...]) -> None:
    """Show what a silence would cover now; nothing is changed.

    \b
    tocsin silence preview host=~"db.*"
    """
    import orjson

    body = {"matchers": [_plain(one) for one in _read(matchers)]}
    found = client.send("POST", "/api/v1/silences/preview", content=orjson.dumps(body))
    if output == "name":
        for alert in found["alerts"]:
            click.echo(plain(alert["alert_id"]))
        return
    if document(found, output):
        return
    heading("Incidents")
    table([{**one, "covered": "whole" if one["quiet"] else "in part"} for one in found["incidents"]], INCIDENTS)
    heading("Alerts")
    table(found["alerts"], ALERTS)
    if found["alerts_total"] > len(found["alerts"]):
        say(f"{len(found['alerts'])} of {found['alerts_total']} alerts shown")


def _read(matchers: tuple[str, ...]) -> list[Any]:
    from tocsin.domain.matchers import MatcherError, read_matchers

    try:
        return [one for text in matchers for one in read_matchers(text)]
    except MatcherError as error:
        raise click.UsageError(str(error)) from None


def _plain(matcher: Any) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "is_regex": matcher.is_regex,
        "is_equal": matcher.is_equal,
    }


def _api(matcher: Any) -> dict[str, Any]:
    return {"name": matcher.name, "value": matcher.value, "isRegex": matcher.is_regex, "isEqual": matcher.is_equal}


def _duration(text: str) -> timedelta:
    from tocsin.settings.values import duration

    try:
        return duration(text)
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None


def _instant(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--start: {text!r} is no instant such as 2026-11-21T22:00:00Z") from None
    if found.tzinfo is None:
        raise click.UsageError(f"--start: {text!r} needs a zone, such as {text}Z")
    return found


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    from tocsin.domain.matchers import written
    from tocsin.domain.rules import LabelMatch

    matchers = [
        LabelMatch(name=one["name"], value=one["value"], is_regex=one["isRegex"], is_equal=one["isEqual"])
        for one in found["matchers"]
    ]
    return {
        "id": found["id"],
        "state": found["status"]["state"],
        "starts_at": found["startsAt"],
        "ends_at": found["endsAt"],
        "updated_at": found["updatedAt"],
        "created_by": found["createdBy"],
        "comment": found["comment"],
        "matchers": written(matchers),
    }
