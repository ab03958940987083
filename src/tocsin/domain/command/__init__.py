"""What a person or a client asks for. Every command leaves a record, also when nothing changes.

`verb.py` is the table of verbs and arguments, `argument.py` checks one argument.
"""

from typing import Any

import msgspec

from tocsin.domain.command.argument import Argument, Kind
from tocsin.domain.command.verb import ARGUMENTS, AUDIENCES, IMPACT, ROOT_CAUSES, TABLE, VERBS, Verb, checked

__all__ = [
    "ARGUMENTS",
    "AUDIENCES",
    "IMPACT",
    "ROOT_CAUSES",
    "TABLE",
    "VERBS",
    "Argument",
    "Command",
    "Kind",
    "Verb",
    "checked",
]


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One imperative request, as it stands in `incidents.commands.v1`."""

    command_id: str
    verb: str
    incident: str = ""
    """Incident id or number; empty for `declare`."""
    reason: str = ""
    actor: str = "unknown"
    origin: str = ""
    """The channel over which it came; empty = people's own, over the API. What it brings about is not told there."""
    arguments: dict[str, Any] = {}
