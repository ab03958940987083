"""What a person or a client asks for. Every command leaves a record, also when nothing changes."""

from typing import Any, Final

import msgspec

VERBS: Final = ("acknowledge", "investigate", "mitigate", "resolve", "close", "reopen", "assign", "note", "declare")

ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "assign": ("assignee", "team"),
    "note": ("text",),
    "declare": ("title", "severity", "category", "service", "summary", "correlation_id", "labels"),
}
"""Arguments each verb knows; the others take none but `reason`."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One imperative request, as it stands in `incidents.commands.v1`."""

    command_id: str
    verb: str
    incident: str = ""
    """Incident id or number; empty for `declare`."""
    reason: str = ""
    actor: str = "unknown"
    arguments: dict[str, Any] = {}
