"""settings.events.v1: the rules, one whole document an event."""

from typing import Any

from tocsin.domain.events.event import Event


class SettingsPublished(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One whole document; `document` None = deleted. Record key = `key` (`kind/name`).

    `actor` and `reason` say who changed it and why.
    """

    TYPE = "settings.published"
    key: str
    document: Any = None
    origin: str = "file"
    """`file`: what the settings files said at a start; `api`: a person or a program, over HTTP."""
    previous: int | None = None
    """Version (offset of the event) that this one replaces; none = there was none that counts."""
