"""`tocsin schemas`: the JSON Schemas of every public record."""

from pathlib import Path

import click

from tocsin.cli.exits import Ended
from tocsin.cli.output import say
from tocsin.cli.suggesting import Suggesting


@click.group(cls=Suggesting)
def schemas() -> None:
    """Write the JSON Schemas of the public records, and keep the promises that they make."""


@schemas.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default="schemas")
@click.option("--check", is_flag=True, help="Change nothing; fail when something would change.")
def export(directory: Path, check: bool) -> None:
    """Write schemas, examples and the AsyncAPI document into DIRECTORY.

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


@schemas.command()
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    default=Path("schemas/released.json"),
    show_default=True,
    help="A directory with schemas, or what `release` wrote.",
)
def check(against: Path) -> None:
    """Say which promises of older schemas this version breaks; exit 1 then.

    Readers of what tocsin writes, and writers of what it reads, must be able to go on as they are: nothing they rely on
    is removed, renamed, changed in its type, or required anew. What is added is no breach.

    \b
    tocsin schemas check
    tocsin schemas check --against ../other-checkout/schemas
    """
    found = _breaches(against)
    for line in found:
        click.echo(line)
    if found:
        raise Ended(f"{len(found)} promises of {against} are broken")
    say(f"every promise of {against} is kept")


@schemas.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("schemas/released.json"))
@click.option("--break", "breaking", is_flag=True, help="Even when promises of FILE are broken.")
def release(file: Path, breaking: bool) -> None:
    """Write the schemas of this version to FILE, as the promises that hold from now on.

    \b
    tocsin schemas release
    """
    from tocsin.cli import schema_files

    found = _breaches(file) if file.exists() and not breaking else []
    for line in found:
        click.echo(line)
    if found:
        raise Ended(f"{len(found)} promises of {file} are broken; --break gives them up")
    schema_files.release(file)
    say(f"wrote {file}")


def _breaches(path: Path) -> list[str]:
    from tocsin.cli import schema_files

    try:
        return schema_files.breaches(path)
    except (OSError, ValueError, KeyError) as error:
        raise Ended(f"cannot read schemas from {path}: {error}") from None
