"""notifications.events.v1, `delivery.*`: the life of one message to one recipient."""

from typing import Any, Final

import msgspec

from tocsin.domain.events.event import Event
from tocsin.domain.instant import Instant


class DeliveryEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One step in the life of one delivery. Event id = `<delivery id>.<n>`, n from 1 without gaps."""

    delivery_id: str
    n: int
    incident_id: str
    channel: str

    @property
    def word(self) -> str:
        """The word of the ledger: `planned`, `attempted`, `delivered`, ..."""
        return self.TYPE.removeprefix("delivery.")


FINISHED: Final = frozenset({"delivered", "gave_up", "withdrawn", "suppressed", "bundled"})
"""Words of the ledger after which nothing more happens to a delivery."""


class Joined(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bundle that a planned delivery waits in. Alone in it, it goes out as itself; with others, in a digest."""

    digest: str
    """Delivery id of the digest, should there be one."""
    place: str = ""
    """Where over its channel it goes: the recipient, or empty for the channel's own address."""
    why: str
    """`over_limit`, `over_page_limit`, `bundle` or `quiet_hours`."""


class DeliveryPlanned(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.planned"
    step: str
    """The incident event's type, or `escalation.<level>[.<repeat>]`."""
    recipient: str
    """`user:…`, `team:…` or `channel:<name>`."""
    page: bool = False
    """Urgent: goes before everything else in its channel's queue."""
    contacts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Kind of address (`email`, …) to addresses; a channel takes its own kind, else its default."""
    send_due_at: Instant
    context: dict[str, Any]
    """What a template may use: the event's type and reason, the header, what escalates next."""
    counts: bool = False
    """It counts against the limit of where it goes."""
    joined: Joined | None = None
    """It waits for others until `send_due_at`."""


class DeliveryAttempted(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.attempted"
    attempt: int


class DeliveryDelivered(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.delivered"
    attempt: int
    receipt: str = ""
    duration_seconds: float = 0.0
    possible_duplicate: bool = False
    handle: str = ""
    """The provider's name of what was made: a message's place, a ticket's id."""


class DeliveryFailed(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.failed"
    attempt: int
    error: str
    next_attempt_at: Instant


class DeliveryGaveUp(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.gave_up"
    attempt: int
    error: str


class DeliveryWithdrawn(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.withdrawn"


class DeliverySuppressed(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "delivery.suppressed"


class DeliveryBundled(DeliveryEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Its end: what it would have said is in a digest."""

    TYPE = "delivery.bundled"
    digest: str
    """Delivery id of the digest."""
