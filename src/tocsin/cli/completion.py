"""`tocsin completion`: the script that completes commands in a shell."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    tocsin completion bash > ~/.local/share/bash-completion/completions/tocsin
    tocsin completion fish > ~/.config/fish/completions/tocsin.fish
    """
    from tocsin.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "tocsin", "_TOCSIN_COMPLETE").source())
