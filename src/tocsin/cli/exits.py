"""How a command ends: one exit code per kind of failure."""

from typing import Final

import click

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
UNREACHABLE: Final = 4
TODO: Final = 5
"""Of `topics plan` when `apply` would do something: neither a failure nor a mistake in the call."""


class Ended(click.ClickException):
    """Ends the command with a message on standard error and an exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = code
