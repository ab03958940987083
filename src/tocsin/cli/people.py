"""`tocsin people`: who there is, who is on duty, and who is reached for a target."""

from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.output import document, formatted, heading, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("user", "name", "on_duty", "unreachable", "skills")
WIDE: Final = ("contacts", "channels", "time_zone", "working_hours")
TEAM_COLUMNS: Final = ("team", "on_duty", "members", "lead", "manager", "contacts")
REACHED_COLUMNS: Final = ("recipient", "contacts", "channels", "why")


@click.group(cls=Suggesting)
def people() -> None:
    """See who there is, who is on duty, and who is reached for a target."""


@people.command("list")
@remote
@formatted
@click.option("--at", default="", help="The instant that counts as now: 2026-12-24T22:00Z.")
def list_(client: Client, output: str | None, at: str) -> None:
    """List users and teams, with who is on duty and who cannot be called.

    \b
    tocsin people list
    tocsin people list --at 2026-12-24T22:00Z
    """
    found = client.get("/api/v1/people", **_given(at=at))
    if output not in ("name", "jsonl") and document(found, output):
        return
    users = [{"user": name, **user} for name, user in found["users"].items()]
    show(users, output=output, columns=COLUMNS, wide=WIDE, name="user")
    if output in ("name", "jsonl"):
        return
    heading("Teams")
    table([{"team": name, **team} for name, team in found["teams"].items()], TEAM_COLUMNS)
    say(f"whoever a target names: when it reaches nobody, {plain(found['catch_all'])!r} is called")


@people.command()
@remote
@formatted
@click.argument("target")
@click.option("--team", default="", help="Team of the incident, for management.")
@click.option("--service", default="", help="Service of the incident, for vendor.")
@click.option("--fallback", default="", help="Team of the policy that is called for nobody.")
@click.option("--at", default="", help="The instant that counts as now: 2026-12-24T22:00Z.")
def reached(client: Client, output: str | None, **asked: str) -> None:
    """Say who is reached for TARGET now: a team, user or schedule, channel:…, management or vendor.

    \b
    tocsin people reached dba
    tocsin people reached management --team dba --at 2026-12-24T22:00Z
    """
    found = client.get("/api/v1/people/reached", **_given(**asked))
    if document(found, output):
        return
    if output == "name":
        for one in found["recipients"]:
            click.echo(plain(one["recipient"]))
        return
    table(found["recipients"], REACHED_COLUMNS)
    for one in found["skipped"]:
        say(f"passed over: {plain(one['recipient'])}, {plain(one['why'])}")
    if found["by"] != "target":
        say(f"{plain(found['target'])} reached nobody; called instead: {plain(found['by'])}")


def _given(**parameters: str) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value}
