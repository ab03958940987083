"""`tocsin version`."""

import platform

import click

import tocsin
from tocsin.cli.output import document, formatted


@click.command()
@formatted
def version(output: str | None) -> None:
    """Print the version.

    \b
    tocsin version -o json
    """
    if not document({"version": tocsin.__version__, "python": platform.python_version()}, output):
        click.echo(tocsin.__version__)
