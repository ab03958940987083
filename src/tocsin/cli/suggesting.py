"""A group of commands that answers a mistyped one with the nearest."""

from difflib import get_close_matches
from typing import Any

import click


class Suggesting(click.Group):
    """Names the nearest command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"unknown command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)
