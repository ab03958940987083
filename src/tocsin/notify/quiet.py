"""What notify holds back while an incident is suppressed, and what it makes up for afterwards. Pure functions.

In: the ledger, an incident or escalation event, the cause in its header. Out: whether a message is held back; the
events that take waiting ones back (`delivery.suppressed`, with the cause as their reason) and that remember it
(`journal.muted`). Invariants: what is held back is planned first, so that the ledger names it; what had been attempted
is not called back, but is not tried again; a call that a person asked for goes out all the same.
"""

from collections.abc import Iterator
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify.plan import CALLS
from tocsin.notify.state import Delivery, Ledger, Muted
from tocsin.wire.events import rfc3339

REQUESTED: Final = "requested"
"""Reason of an escalation that a person asked for."""


def is_asked_for(context: dict[str, Any]) -> bool:
    """Whether a person asked for the call, or wrote the update to an audience, that has this context."""
    is_update = context.get("type") == ev.UpdatedPeople.TYPE and "audience" in context
    return is_update or (context.get("escalation") or {}).get("reason") == REQUESTED


def is_owed(step: str) -> bool:
    """Whether a message of `step` that was held back has to be made up for: it would have called somebody."""
    return step in CALLS


def holds_back(state: Ledger, event: ev.EscalationEvent) -> Muted | None:
    """What holds a message about `event` back, or None. Escalate may have read further than notify: what it knows of a
    later version is believed."""
    muted = state.muted.get(event.incident_id)
    if muted is None or event.reason == REQUESTED:
        return None
    return muted if event.incident_version < muted.version or event.header.suppressed_by else None


def begins(state: Ledger, event: ev.IncidentEvent, rules: Rules, now: Instant) -> Iterator[ev.Event]:
    """From `event` on its incident is suppressed: what waits is taken back."""
    cause = event.header.suppressed_by
    waiting = [one for one in state.waiting(event.incident_id) if not is_asked_for(one.context)]
    yield muted(event, cause, event.recorded_at, rules, now, owed=any(is_owed(one.step) for one in waiting))
    for delivery in waiting:
        yield suppressed(delivery, delivery.written, cause, ev.event_id(event), rules, now)


def owes(state: Ledger, incident_id: str, cause: str, rules: Rules, now: Instant) -> Iterator[ev.Event]:
    """Something was held back that would have called somebody."""
    known = state.muted.get(incident_id)
    if known is not None and not known.owed:
        yield ev.Muted(
            recorded_at=now,
            reason="held_back",
            cause=cause,
            rules_version=rules.version,
            incident_id=incident_id,
            incident_version=known.version,
            suppressed_by=known.cause,
            since=known.since,
            owed=True,
        )


def muted(
    event: ev.IncidentEvent,
    cause: str,
    since: Instant | None,
    rules: Rules,
    now: Instant,
    *,
    owed: bool = False,
) -> ev.Muted:
    """Notify's memory of it. An empty `cause` ends it."""
    return ev.Muted(
        recorded_at=now,
        reason=event.reason,
        cause=ev.event_id(event),
        rules_version=rules.version,
        incident_id=event.incident_id,
        incident_version=event.version,
        suppressed_by=cause,
        since=since,
        owed=owed,
    )


def suppressed(
    delivery: Delivery | ev.DeliveryPlanned, written: int, by: str, cause: str, rules: Rules, now: Instant
) -> ev.DeliverySuppressed:
    """The end of a delivery that is held back; `written` = number of its last event."""
    return ev.DeliverySuppressed(
        recorded_at=now,
        reason=by,
        cause=cause,
        rules_version=rules.version,
        delivery_id=delivery.id if isinstance(delivery, Delivery) else delivery.delivery_id,
        n=written + 1,
        incident_id=delivery.incident_id,
        channel=delivery.channel,
    )


def said(known: Muted) -> dict[str, Any]:
    """What a message says of a suppression that is over."""
    return {"by": known.cause, "since": rfc3339(known.since)}
