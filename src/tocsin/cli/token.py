"""`tocsin token`: tokens for the HTTP API."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

import click

from tocsin.cli.exits import Ended
from tocsin.cli.output import document, formatted, say
from tocsin.cli.suggesting import Suggesting

FILES: Final = ("token", "hash")
MODE: Final = 0o640
"""The group reads it, too: a Prometheus or Alertmanager beside it is put into that group."""


@click.group(cls=Suggesting)
def token() -> None:
    """Make tokens for the HTTP API."""


@token.command()
@click.argument("name", default="api")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Write the files `token` and `hash` into this directory instead of printing; one that has both is left alone.",
)
@formatted
def create(name: str, into: Path | None, output: str | None) -> None:
    """Make a token for NAME: 256 random bits. It is shown once; the settings hold only its hash.

    With --into the settings say `hash: file:DIRECTORY/hash`, and clients read DIRECTORY/token.

    \b
    tocsin token create grafana
    tocsin token create monitoring --into /etc/tocsin/secrets
    """
    if into is not None and all((into / file).exists() for file in FILES):
        say(f"{into} has a token already")
        return
    made = f"tocsin_{secrets.token_urlsafe(32)}"
    digest = f"sha256:{hashlib.sha256(made.encode()).hexdigest()}"
    if into is not None:
        _write(into, made, digest)
        return
    if document({"name": name, "token": made, "hash": digest}, output):
        return
    say("The token, shown only now; then the line for http.tokens in tocsin.yaml:")
    click.echo(made)
    click.echo(f"- {{name: {name}, hash: '{digest}'}}")


def _write(directory: Path, token: str, digest: str) -> None:
    """The token last: where it is, the hash is too."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        for file, text in (("hash", digest), ("token", token)):
            descriptor = os.open(directory / file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
            with open(descriptor, "w", encoding="utf-8") as opened:
                opened.write(f"{text}\n")
    except OSError as error:
        raise Ended(f"{error.filename}: {error.strerror}") from None
