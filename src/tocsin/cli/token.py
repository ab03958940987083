"""`tocsin token`: tokens for the HTTP API."""

import hashlib
import secrets

import click

from tocsin.cli.output import document, formatted, say
from tocsin.cli.suggesting import Suggesting


@click.group(cls=Suggesting)
def token() -> None:
    """Make tokens for the HTTP API."""


@token.command()
@click.argument("name", default="api")
@formatted
def create(name: str, output: str | None) -> None:
    """Make a token for NAME: 256 random bits. It is shown once; the settings hold only its hash.

    \b
    tocsin token create grafana
    """
    made = f"tocsin_{secrets.token_urlsafe(32)}"
    digest = f"sha256:{hashlib.sha256(made.encode()).hexdigest()}"
    if document({"name": name, "token": made, "hash": digest}, output):
        return
    say("The token, shown only now; then the line for http.tokens in tocsin.yaml:")
    click.echo(made)
    click.echo(f"- {{name: {name}, hash: '{digest}'}}")
