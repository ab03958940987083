"""`tocsin schemas`: the JSON Schemas of every public record."""

from pathlib import Path

import click

from tocsin.cli.exits import Ended
from tocsin.cli.output import say
from tocsin.cli.suggesting import Suggesting


@click.group(cls=Suggesting)
def schemas() -> None:
    """Write the JSON Schemas of the public records."""


@schemas.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default="schemas")
@click.option("--check", is_flag=True, help="Change nothing; fail when something would change.")
def export(directory: Path, check: bool) -> None:
    """Write schemas and examples into DIRECTORY.

    \b
    tocsin schemas export schemas
    tocsin schemas export schemas --check
    """
    from tocsin.cli import schema_files

    if check:
        differences = schema_files.check(directory)
        for line in differences:
            click.echo(line)
        if differences:
            raise Ended(f"{len(differences)} files in {directory} are not current")
        say(f"{directory} is current")
        return
    changed = schema_files.export(directory)
    for path in changed:
        click.echo(path)
    say(f"{len(changed)} files changed")
