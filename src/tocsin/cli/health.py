"""`tocsin health`: is it ready, for people, containers and scripts.

In: the address of a running tocsin. Out: its problems, and the exit code. It asks once and needs no token.
"""

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.exits import FAILED, Ended
from tocsin.cli.output import document, formatted, plain, say


@click.command()
@formatted
@remote
def health(client: Client, output: str | None) -> None:
    """Ask a running tocsin whether alerts are taken and worked on; 1 with the problems when not, 4 when nobody answers.

    \b
    tocsin health && echo ready
    """
    found = client.send("GET", "/-/ready", also=frozenset({503}))
    if not isinstance(found, dict) or "ready" not in found:
        raise Ended(f"{client.url} is no tocsin: /-/ready says nothing of it", FAILED)
    if not document(found, output):
        if found["ready"]:
            click.echo("ready")
        for problem in found["problems"]:
            say(f"not ready: {problem}")
        for note in found.get("notes", ()):  # of an older tocsin there are none
            say(plain(note))
    if not found["ready"]:
        raise SystemExit(FAILED)
