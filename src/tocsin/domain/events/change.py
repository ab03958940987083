"""incidents.events.v1, `change.*`: what was changed in the world, which may be why something broke."""

import msgspec

from tocsin.domain.events.event import Event
from tocsin.domain.instant import Instant


class ChangeRecorded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A deployment, a setting, a migration: reported by a pipeline or a person. It touches no incident; it is shown
    with those that open after it. Event id = `change_id` (`chg_…`)."""

    TYPE = "change.recorded"
    change_id: str
    title: str
    at: Instant
    """When it was made, as its source says."""
    service: str = ""
    author: str = ""
    link: str = ""
    description: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
