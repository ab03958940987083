"""Every topic, who writes it, and how long it is kept. `topology.py` says which stage reads what."""

from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """Shared: any writer, appended where it fits. Journal: one writer a partition, appends expected at their offset.
    Derived: what the owner of the partition makes of its journal; compacted, and made again should it be lost."""

    SHARED = "shared"
    JOURNAL = "journal"
    DERIVED = "derived"


class Topic(msgspec.Struct, frozen=True):
    name: str
    kind: Kind
    retention_days: int | None = None
    """None = for ever."""
    compacted: bool = False
    """Only the newest record of each key is kept for certain."""
    partitions: int | None = None
    """None = the common partition count of the installation."""
    foreign: bool = False
    """Somebody else's (`ingest.topics`): read only, without the installation's prefix, as many partitions as it has."""


RAW: Final = Topic("alerts.raw.v1", Kind.SHARED, retention_days=7)
NORMALIZED: Final = Topic("alerts.normalized.v1", Kind.SHARED, retention_days=7)
REJECTED: Final = Topic("alerts.rejected.v1", Kind.SHARED, retention_days=30)
COMMANDS: Final = Topic("incidents.commands.v1", Kind.SHARED, retention_days=30)
INCIDENTS: Final = Topic("incidents.events.v1", Kind.JOURNAL)
ESCALATIONS: Final = Topic("escalations.events.v1", Kind.JOURNAL)
NOTIFICATIONS: Final = Topic("notifications.events.v1", Kind.JOURNAL)
SETTINGS: Final = Topic("settings.events.v1", Kind.JOURNAL, partitions=1)
STATE: Final = Topic("incidents.state.v1", Kind.DERIVED, compacted=True)
CHECKPOINTS: Final = Topic("checkpoints.v1", Kind.DERIVED, compacted=True)

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        *(RAW, NORMALIZED, REJECTED, COMMANDS),
        *(INCIDENTS, ESCALATIONS, NOTIFICATIONS, SETTINGS),
        *(STATE, CHECKPOINTS),
    )
}
EVENT_TOPICS: Final = (SETTINGS, INCIDENTS, ESCALATIONS, NOTIFICATIONS)
"""What persist reads."""
