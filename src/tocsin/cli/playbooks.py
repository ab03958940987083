"""`tocsin playbooks` and `tocsin runbooks`: what to do, as steps and as documents."""

from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.exits import NOT_FOUND, Ended
from tocsin.cli.output import console, document, formatted, on_terminal, pairs, show, table
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("name", "title", "estimated_duration_minutes", "required_skills", "categories", "severities")
WIDE: Final = ("runbook", "description", "usage")
FIELDS: Final = ("name", "title", "description", "estimated_duration_minutes", "required_skills", "runbook", "usage")


@click.group(cls=Suggesting)
def playbooks() -> None:
    """Look at playbooks; `tocsin incidents playbook-start` and `playbook-step` run one."""


@playbooks.command("list")
@remote
@formatted
@click.option("--category", default="", help="Those for incidents of this category.")
@click.option("--severity", default="", help="Those for incidents of this severity.")
def list_(client: Client, output: str | None, **filters: str) -> None:
    """List playbooks.

    \b
    tocsin playbooks list --category database --severity critical
    """
    found = client.get("/api/incident_response/playbooks", **filters)
    show(found["items"], output=output, columns=COLUMNS, wide=WIDE, name="name")


@playbooks.command("show")
@remote
@formatted
@click.argument("name")
def show_(client: Client, output: str | None, name: str) -> None:
    """Show the steps of the playbook NAME.

    \b
    tocsin playbooks show database-connection-failure
    """
    items: list[dict[str, Any]] = client.get("/api/incident_response/playbooks")["items"]
    found = next((one for one in items if one["name"] == name), None)
    if found is None:
        from tocsin.settings.problem import suggestion

        names = [one["name"] for one in items]
        hint = suggestion(name, names)
        raise Ended(f"no playbook {name!r}; there are {', '.join(names) or 'none'}{hint}", NOT_FOUND)
    if document(found, output):
        return
    pairs(found, FIELDS)
    click.echo()
    table(found["steps"], ("step", "minutes", "skills", "text"))


@click.command()
@click.argument("name", default="")
@formatted
def runbooks(name: str, output: str | None) -> None:
    """Print the runbook NAME; without one, list the runbooks.

    \b
    tocsin runbooks
    tocsin runbooks rollback
    """
    from tocsin.api.runbooks import runbook_names
    from tocsin.api.runbooks import runbooks as known

    if not name:
        show(runbook_names(), output=output, columns=("name", "title"), name="name")
        return
    if name not in known():
        raise Ended(f"no runbook {name!r}; there are {', '.join(known())}", NOT_FOUND)
    text = known()[name][1]
    if not on_terminal():
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown

    console().print(Markdown(text))
