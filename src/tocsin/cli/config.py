"""`tocsin config`: look at the settings before they are used."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.output import document, formatted, say, yaml_text
from tocsin.cli.suggesting import Suggesting

if TYPE_CHECKING:
    from tocsin.settings import Settings

DEFAULT_FILE = Path("tocsin.yaml")

file_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    envvar="TOCSIN_CONFIG",
    default=None,
    help="Settings file; default: ./tocsin.yaml when it is there.",
)


def settings_from(path: Path | None) -> "Settings":
    """The settings in `path` (else in ./tocsin.yaml when it is there) and the environment.

    Raises:
        Ended: they are wrong; every problem is on standard error.
    """
    from tocsin.settings import SettingsError, load

    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    try:
        return load(path, os.environ)
    except SettingsError as error:
        say(str(error))
        count = len(error.problems)
        raise Ended(f"{count} problem{'s' if count > 1 else ''} in the settings", USAGE) from None


def check_channels(settings: "Settings") -> None:
    """Build the channels once, to learn what only they know to be wrong.

    Raises:
        Ended: with every problem on standard error.
    """
    from tocsin.notify.channels.build import build
    from tocsin.notify.channels.options import BadChannels

    try:
        build(settings.channels())
    except BadChannels as error:
        say(str(error))
        raise Ended("the channels cannot be built", USAGE) from None


def check_connection(settings: "Settings") -> None:
    """Read the certificates and keys of Kafka once; nothing is connected to.

    Raises:
        TocsinError: one of them cannot be used.
    """
    if settings.servers:
        from tocsin.cli.connecting import connection_of

        connection_of(settings)


@click.group(cls=Suggesting)
def config() -> None:
    """Check and show the settings."""


@config.command()
@file_option
def check(path: Path | None) -> None:
    """Say what is wrong with the settings, with file, line and column; exit 2 when something is.

    \b
    tocsin config check -c tocsin.yaml
    """
    settings = settings_from(path)
    check_channels(settings)
    check_connection(settings)
    for warning in settings.warnings():
        say(f"warning: {warning}")
    for note in settings.notes():
        say(f"note: {note}")
    say("the settings are good")


@config.command()
@file_option
@formatted
def show(path: Path | None, output: str | None) -> None:
    """Print the settings in force, defaults filled in, secrets left out.

    \b
    tocsin config show -o json
    """
    shown = settings_from(path).published()
    if not document(shown, output):
        click.echo(yaml_text(shown), nl=False)
