"""`tocsin explain message`: what a message would say, and what templates may name."""

from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.output import document, formatted, heading, pairs, plain, say, show

FILE_BYTES_MAX: Final = 64 * 1024
ABOUT: Final = ("channel", "type", "event", "audience", "incident", "template")
DOCUMENTS: Final = (".yaml", ".yml", ".json")
"""Endings of files that hold a whole template; any other is a text."""


@click.command("message")
@remote
@formatted
@click.argument("incident", default="", metavar="[INCIDENT|DELIVERY]")
@click.option("--event", default="", help="Type of the event: incident.opened, escalation.fired, …; or digest.")
@click.option("--channel", default="", help="Name of the channel; default: the first configured.")
@click.option("--audience", default="", help="Who reads it: team, management, customers, partners, regulator.")
@click.option(
    "--template", "path", type=click.Path(path_type=Path, dir_okay=False, exists=True), default=None,
    help="Try this template: a text for the body, or YAML or JSON with subject_template and body_template.",
)  # fmt: skip
@click.option("--variables", is_flag=True, help="List what templates may name, and nothing else; needs no tocsin.")
def message(
    client: Client,
    output: str | None,
    incident: str,
    event: str,
    channel: str,
    audience: str,
    path: Path | None,
    variables: bool,
) -> None:
    """Print what would be said over a channel: of an INCIDENT, of a DELIVERY, or of the example of an event.

    Where a channel sends a document (a card, a ticket), its text; with -o wide the document as well.

    \b
    tocsin explain message INC-2026-11-21-007 --channel mail
    tocsin explain message --event incident.resolved --channel mail --audience customers
    tocsin explain message --event incident.opened --channel ops --template new.txt
    tocsin explain message --variables
    """
    if variables:
        from tocsin.notify.wording_variables import variables as known

        show([one._asdict() for one in known()], output=output, columns=("name", "kind", "help"), name="name")
        return
    asked = {"incident": incident, "event": event, "channel": channel, "audience": audience}
    if path is None:
        found = client.get("/api/v1/explain/message", **asked)
    else:
        found = client.send("POST", "/api/v1/explain/message", content=_template_in(path), parameters=asked)
    if document(found, output):
        return
    pairs(found, ABOUT)
    if found["problem"]:
        say(f"the template cannot be used, so the built-in text goes out: {plain(found['problem'])}")
    click.echo()
    is_text = found["payload"] and not found["payload"].startswith(("{", "["))
    _lines(found["payload"] if is_text else f"{found['subject']}\n\n{found['body']}")
    if output == "wide" and found["payload"] and not is_text:
        heading("As it goes out")
        _lines(found["payload"])


def _lines(text: str) -> None:
    for line in text.split("\n"):
        click.echo(plain(line))


def _template_in(path: Path) -> bytes:
    import orjson
    import yaml

    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX)
    try:
        text = content.decode()
        whole: Any = yaml.safe_load(text) if path.suffix in DOCUMENTS else {"body_template": text}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise Ended(f"cannot read the template in {path}: {error}", USAGE) from None
    return orjson.dumps(whole)
