"""Single events of the ledger. What every one of them has stands in the pen.

In: the state, the rules and the instant of one decision. Out: events, not yet evolved. Invariant: a message for the
team says what its recipient was told last, and who else is told for the same reason.
"""

from collections.abc import Iterable
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify.plan import Addressed, Told, is_page, step_of
from tocsin.notify.state import Delivery, Ledger
from tocsin.wire.events import rfc3339

ALSO_MAX: Final = 20
"""Others who are told for the same reason, as a message names them."""


class Pen:
    """What the events of one decision have in common."""

    __slots__ = ("now", "partition", "partitions", "rules", "state")

    def __init__(self, state: Ledger, rules: Rules, now: Instant, partition: int, partitions: int = 1) -> None:
        self.state = state
        self.rules = rules
        self.now = now
        self.partition = partition
        self.partitions = partitions

    def planned(
        self,
        event: Told,
        to: Addressed,
        context: dict[str, Any],
        everyone: Iterable[Addressed] = (),
    ) -> ev.DeliveryPlanned:
        """A message about `event`, ready at once. `everyone`: who is told of it, `to` included."""
        cause, step = ev.event_id(event), step_of(event)
        return ev.DeliveryPlanned(
            recorded_at=self.now,
            reason=event.TYPE,
            cause=cause,
            rules_version=self.rules.version,
            delivery_id=self.delivery_id(cause, step, to),
            n=1,
            incident_id=event.incident_id,
            channel=to.channel,
            step=step,
            recipient=to.recipient,
            page=is_page(event),
            contacts=to.contacts,
            send_due_at=self.now,
            context=self.said(context, event.incident_id, to, everyone),
        )

    def delivery_id(self, cause: str, step: str, to: Addressed) -> str:
        return ids.delivery_id(self.partition, cause, step, to.channel, to.recipient)

    def again(
        self, delivery: Delivery, to: Addressed, cause: str, reason: str, context: dict[str, Any]
    ) -> ev.DeliveryPlanned:
        """What `delivery` was to say, as a new one to `to`."""
        return ev.DeliveryPlanned(
            recorded_at=self.now,
            reason=reason,
            cause=cause,
            rules_version=self.rules.version,
            delivery_id=self.delivery_id(cause, delivery.step, to),
            n=1,
            incident_id=delivery.incident_id,
            channel=to.channel,
            step=delivery.step,
            recipient=to.recipient,
            page=delivery.page,
            contacts=to.contacts,
            send_due_at=self.now,
            context=context,
        )

    def said(
        self, context: dict[str, Any], incident_id: str, to: Addressed, everyone: Iterable[Addressed] = ()
    ) -> dict[str, Any]:
        """`context` with `since`, what `to` was told last, and `also`, who else is told."""
        if "audience" in context:
            return context  # not for the team: what others are told is not theirs to know
        last = self.state.last_told(incident_id, to.channel, to.recipient)
        also = [{"recipient": one.recipient, "channel": one.channel} for one in everyone if one[:2] != to[:2]]
        if (last is None or last.at is None) and not also:
            return context
        context = dict(context)
        if last is not None and last.at is not None:
            context["since"] = {
                "recorded_at": rfc3339(last.at),
                "severity": last.severity,
                "status": last.status,
                "alerts": last.alerts,
            }
            if last.severity_label:
                context["since"]["severity_label"] = last.severity_label
        if also:
            context["also"] = also[:ALSO_MAX]
        return context

    def of(self, delivery: Delivery) -> dict[str, Any]:
        """What the next event of `delivery` has, whatever it says."""
        return {
            "recorded_at": self.now,
            "rules_version": self.rules.version,
            "delivery_id": delivery.id,
            "n": delivery.written + 1,
            "incident_id": delivery.incident_id,
            "channel": delivery.channel,
        }

    def withdrawn(self, delivery: Delivery, reason: str, cause: str = "") -> ev.DeliveryWithdrawn:
        return ev.DeliveryWithdrawn(**self.of(delivery), reason=reason, cause=cause)

    def taken_back(self, planned: ev.DeliveryPlanned, reason: str) -> ev.DeliveryWithdrawn:
        """Planned and taken back in one go, so that the ledger shows why nobody was told."""
        return ev.DeliveryWithdrawn(
            recorded_at=self.now,
            reason=reason,
            cause=planned.cause,
            rules_version=self.rules.version,
            delivery_id=planned.delivery_id,
            n=planned.n + 1,
            incident_id=planned.incident_id,
            channel=planned.channel,
        )

    def followed(self, event: ev.IncidentEvent, reason: str, *, answered: bool, gone: bool = False) -> ev.Followed:
        """Notify's memory of an incident."""
        return ev.Followed(
            recorded_at=self.now,
            reason=reason,
            cause=ev.event_id(event),
            rules_version=self.rules.version,
            incident_id=event.incident_id,
            incident_version=event.version,
            answered=answered,
            gone=gone,
        )
