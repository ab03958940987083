"""What notify knows: the unfinished deliveries, what was told of each incident, and who was answered.

In: nothing but notify's own events (`evolve.py`). Out: per channel what is to be sent next and from when on; what is
being sent; which bundle is to be closed. Invariants: a delivery waits in exactly one line of its channel, or with
others in a bundle, or is being sent, or is not here; a finished one is not here. It does not know incidents that nobody
has answered: for those everything may be planned.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Any, Final

import msgspec

from tocsin.domain.agenda import Deadline
from tocsin.domain.events import Joined
from tocsin.domain.instant import Instant
from tocsin.domain.rules.notification import COUNTED_FOR, COUNTED_MAX
from tocsin.notify.line import Lane, Line

__all__ = ["DIGEST", "Answer", "Bundle", "Delivery", "Lane", "Ledger", "Line", "Muted", "Told", "shared"]

DIGEST: Final = "digest"
"""Kind of the deadline at which a bundle is closed, and the step of the digest."""


class Delivery(msgspec.Struct, kw_only=True):
    """One unfinished delivery."""

    id: str
    incident_id: str
    channel: str
    step: str
    recipient: str
    page: bool
    contacts: dict[str, tuple[str, ...]]
    context: dict[str, Any]
    order: int
    """Place in the order of planning."""
    due_at: Instant
    """`send_due_at`: what its patience counts from."""
    ready_at: Instant
    """`send_due_at`, after a failure `next_attempt_at`."""
    written: int = 1
    """Number of its last event."""
    attempt: int = 0
    """Attempts so far, the running one included."""
    attempted_at: Instant | None = None
    """Since when an attempt runs; None while it waits."""
    unwanted: str = ""
    """Why it is not sent again should this attempt fail or be lost: the incident was answered meanwhile."""
    joined: Joined | None = None
    """The bundle it waits in."""

    @property
    def sending(self) -> bool:
        return self.attempted_at is not None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An incident for which nobody needs to be called."""

    word: str
    """`acknowledged`, `resolved`, `closed` or `merged`."""
    version: int
    """Of the incident event that said so."""


class Muted(msgspec.Struct):
    """An incident that is suppressed."""

    cause: str
    since: Instant
    version: int
    """Of the incident event that said so."""
    owed: bool = False
    """A call was held back: somebody has to hear of the incident when it is over."""
    calls: list[Delivery] = []
    """Escalations that were taken back: they are made up for one by one, to whom they were for."""


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What one recipient was told last of an incident over one channel, or was meant to be told."""

    channel: str
    recipient: str
    delivery_id: str
    """The last that ended."""
    step: str
    at: Instant | None = None
    """Of the last that was delivered; None = nothing has been told yet."""
    tried: bool = False
    """Something was sent that nobody knows to have arrived."""
    severity: str = ""
    severity_label: str = ""
    status: str = ""
    alerts: int = 0
    handle: str = ""
    """What the provider calls what was made for it."""
    version: int = 0
    """Of the incident, as far as that was told."""


def shared(one: Told) -> Told:
    """The same, in the memory of others: there is one for each open incident, and they say the same few words."""
    return Told(
        channel=intern(one.channel),
        recipient=intern(one.recipient),
        delivery_id=one.delivery_id,
        step=intern(one.step),
        at=one.at,
        tried=one.tried,
        severity=intern(one.severity),
        severity_label=intern(one.severity_label),
        status=intern(one.status),
        alerts=one.alerts,
        handle=one.handle,
        version=one.version,
    )


class Bundle(msgspec.Struct):
    """Deliveries that wait for each other, to go out as one."""

    id: str
    """Delivery id of the digest."""
    channel: str
    place: str
    why: str
    due_at: Instant
    members: dict[str, None] = {}
    """Delivery ids in the order of planning."""


@dataclass(slots=True)
class Ledger:
    """The state of one partition."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)
    of_incident: dict[str, dict[str, None]] = field(default_factory=dict)
    """Incident id to the ids of its deliveries, in the order of planning."""
    lanes: dict[str, Lane] = field(default_factory=dict)
    """By channel; a lane stays when it is empty."""
    sending: dict[str, None] = field(default_factory=dict)
    """Attempted and unfinished."""
    answered: dict[str, Answer] = field(default_factory=dict)
    """By incident id, until the incident is retired."""
    muted: dict[str, Muted] = field(default_factory=dict)
    """By incident id, until the suppression is over or the incident is retired."""
    told: dict[str, list[Told]] = field(default_factory=dict)
    """By incident id, until the incident is retired: one entry for each channel and recipient."""
    bundles: dict[str, Bundle] = field(default_factory=dict)
    """By id, in the order of their beginning."""
    counted: dict[tuple[str, str, bool], deque[Instant]] = field(default_factory=dict)
    """By (channel, place, page): when messages were planned that count against its limit, ascending."""
    planned: int = 0
    """Deliveries planned so far."""

    def of(self, incident_id: str) -> Iterator[Delivery]:
        """The unfinished deliveries of an incident; the caller may finish them meanwhile."""
        for delivery_id in list(self.of_incident.get(incident_id, ())):
            if delivery := self.deliveries.get(delivery_id):
                yield delivery

    def waiting(self, incident_id: str) -> Iterator[Delivery]:
        """Those of them that nobody sends at the moment."""
        return (delivery for delivery in self.of(incident_id) if not delivery.sending)

    def lane(self, channel: str) -> Lane:
        return self.lanes.setdefault(channel, Lane())

    def last_told(self, incident_id: str, channel: str, recipient: str) -> Told | None:
        """What this recipient was told last of the incident over this channel."""
        for one in self.told.get(incident_id, ()):
            if one.channel == channel and one.recipient == recipient:
                return one
        return None

    def drop(self, delivery: Delivery) -> None:
        """It is finished."""
        self.lanes[delivery.channel].drop(delivery.id)
        self.sending.pop(delivery.id, None)
        del self.deliveries[delivery.id]
        of_incident = self.of_incident[delivery.incident_id]
        del of_incident[delivery.id]
        if not of_incident:
            del self.of_incident[delivery.incident_id]
        self.leave(delivery)

    # ---- bundles -----------------------------------------------------------------------------------------------------

    def wait(self, delivery: Delivery) -> None:
        """It waits from now on: in its line, or with others in its bundle."""
        if delivery.joined is None:
            self.lane(delivery.channel).line(delivery).put(delivery, delivery.ready_at)
            return
        joined = delivery.joined
        bundle = self.bundles.get(joined.digest)
        if bundle is None:
            bundle = Bundle(joined.digest, delivery.channel, joined.place, joined.why, delivery.ready_at)
            self.bundles[bundle.id] = bundle
        bundle.members[delivery.id] = None
        lane = self.lane(delivery.channel)
        if len(bundle.members) == 1:  # should it stay alone, it goes out as itself
            lane.line(delivery).put(delivery, bundle.due_at)
        elif len(bundle.members) == 2:
            lane.drop(next(iter(bundle.members)))

    def leave(self, delivery: Delivery) -> None:
        """It waits for no company any more."""
        if delivery.joined is None or (bundle := self.bundles.get(delivery.joined.digest)) is None:
            return
        bundle.members.pop(delivery.id, None)
        if not bundle.members:
            del self.bundles[bundle.id]
        elif len(bundle.members) == 1:
            last = self.deliveries[next(iter(bundle.members))]
            self.lane(bundle.channel).line(last).put(last, bundle.due_at)

    def open_bundle(self, channel: str, place: str, why: str) -> Bundle | None:
        """The bundle that a message would join now."""
        for bundle in self.bundles.values():
            if (bundle.channel, bundle.place, bundle.why) == (channel, place, why):
                return bundle
        return None

    def next_bundle(self) -> Deadline | None:
        """When the next bundle is to be closed; one with a single member closes itself."""
        due = ((one.due_at, one.id) for one in self.bundles.values() if len(one.members) > 1)
        first = min(due, default=None)
        return None if first is None else Deadline(first[0], DIGEST, first[1])

    def count(self, delivery: Delivery, at: Instant) -> None:
        """A message counts against the limit of its place."""
        key = (delivery.channel, place_of(delivery.recipient, delivery.contacts), delivery.page)
        times = self.counted.setdefault(key, deque(maxlen=COUNTED_MAX))
        times.append(at)
        while times[0] < at - COUNTED_FOR:
            times.popleft()


def place_of(recipient: str, contacts: dict[str, tuple[str, ...]]) -> str:
    """Where over a channel a recipient is reached: an address of their own, or (empty) that of the channel."""
    return "" if recipient.startswith("channel:") or not contacts else recipient
