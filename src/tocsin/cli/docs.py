"""`tocsin docs`: the handbook on the terminal."""

import click

from tocsin.cli.exits import NOT_FOUND, Ended
from tocsin.cli.output import console, formatted, on_terminal, show


@click.command()
@click.argument("chapter", default="")
@formatted
def docs(chapter: str, output: str | None) -> None:
    """Print a CHAPTER of the handbook; without one, list the chapters.

    \b
    tocsin docs how-it-works
    """
    from tocsin.api.handbook import chapters

    known = chapters()
    if not chapter:
        items = [{"name": name, "title": title} for name, (title, _) in known.items()]
        show(items, output=output, columns=("name", "title"), name="name")
        return
    if chapter not in known:
        raise Ended(f"no chapter {chapter!r}; there are {', '.join(known) or 'none'}", NOT_FOUND)
    text = known[chapter][1]
    if not on_terminal():
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown

    with console().pager(styles=True):
        console().print(Markdown(text))
