"""settings.events.v1: the rules, one whole document an event."""

from typing import Any

from tocsin.domain.events.event import Event


class SettingsPublished(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One whole document; `document` None = deleted. Record key = `key` (`kind/name`)."""

    TYPE = "settings.published"
    key: str
    document: Any = None
    origin: str = "file"
