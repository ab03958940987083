"""How the state of notify changes: by its own events and by nothing else.

In: one event of the notifications journal. Out: `Ledger` changed in place. Invariant: it never fails on what `decide`
wrote, and it looks at no rule and no clock. An event of a delivery that is finished or unknown changes nothing.
"""

from datetime import timedelta
from sys import intern
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.notify.plan import CALLS, answers
from tocsin.notify.state import Answer, Delivery, Ledger, Muted, Told

CALLS_MAX: Final = 20
"""Escalations of one incident that are made up for: while it is suppressed escalate pauses, so that only those count
that had fired before."""
ESCALATION: Final = "escalation."
LOST_AFTER: Final = timedelta(minutes=10)
"""An attempt without a result for so long does not run any more: channels end within two minutes (`TIMEOUT_MAX`)."""


def evolve(state: Ledger, event: ev.Event) -> None:
    """Change `state` as `event` says."""
    if isinstance(event, ev.Followed):
        _followed(state, event)
    elif isinstance(event, ev.Muted):
        _muted(state, event)
    elif isinstance(event, ev.DeliveryPlanned):
        _planned(state, event)
    elif isinstance(event, ev.DeliveryEvent) and (delivery := state.deliveries.get(event.delivery_id)):
        delivery.written = event.n
        if isinstance(event, ev.DeliveryAttempted):
            _attempted(state, delivery, event)
        elif isinstance(event, ev.DeliveryFailed):
            delivery.attempted_at = None
            delivery.ready_at = event.next_attempt_at
            state.sending.pop(delivery.id, None)
            lane = state.lane(delivery.channel)
            lane.lost.drop(delivery.id)
            lane.line(delivery).put(delivery, delivery.ready_at)
        else:
            if isinstance(event, ev.DeliverySuppressed) and delivery.step.startswith(ESCALATION):
                _held_back(state, delivery)
            _told(state, delivery, event)
            state.drop(delivery)


def _planned(state: Ledger, event: ev.DeliveryPlanned) -> None:
    state.planned += 1
    delivery = Delivery(
        id=event.delivery_id,
        incident_id=event.incident_id,
        channel=event.channel,
        step=event.step,
        recipient=event.recipient,
        page=event.page,
        contacts=event.contacts,
        context=event.context,
        order=state.planned,
        due_at=event.send_due_at,
        ready_at=event.send_due_at,
        written=event.n,
        joined=event.joined,
    )
    state.deliveries[delivery.id] = delivery
    state.of_incident.setdefault(delivery.incident_id, {})[delivery.id] = None
    state.wait(delivery)
    if event.counts:
        state.count(delivery, event.recorded_at)


def _attempted(state: Ledger, delivery: Delivery, event: ev.DeliveryAttempted) -> None:
    delivery.attempt = event.attempt
    delivery.attempted_at = event.recorded_at
    state.sending[delivery.id] = None
    state.lane(delivery.channel).drop(delivery.id)
    state.leave(delivery)
    delivery.joined = None


def _told(state: Ledger, delivery: Delivery, event: ev.DeliveryEvent) -> None:
    """Remember how the delivery ended for its recipient: what they know of the incident, or that they know nothing."""
    if not delivery.incident_id:
        return  # a digest
    known = state.last_told(delivery.incident_id, delivery.channel, delivery.recipient)
    if isinstance(event, ev.DeliveryDelivered | ev.DeliveryBundled):
        handle = event.handle if isinstance(event, ev.DeliveryDelivered) else ""
        one = _heard(delivery, event, handle or (known.handle if known else ""), known.version if known else 0)
    elif isinstance(event, ev.DeliveryGaveUp):
        tried = delivery.attempt > 0 or (known is not None and known.tried)
        one = replace(known or _unheard(delivery), delivery_id=delivery.id, step=delivery.step, tried=tried)
    elif known is None and delivery.step in CALLS and not delivery.attempt:
        one = _unheard(delivery)
    else:
        return
    entries = state.told.setdefault(delivery.incident_id, [])
    if known is None:
        entries.append(one)
    else:
        entries[entries.index(known)] = one


def _unheard(delivery: Delivery) -> Told:
    return Told(
        channel=intern(delivery.channel),
        recipient=intern(delivery.recipient),
        delivery_id=delivery.id,
        step=intern(delivery.step),
    )


def _heard(delivery: Delivery, event: ev.DeliveryEvent, handle: str, version: int) -> Told:
    incident: dict[str, Any] = delivery.context.get("incident") or {}
    return Told(
        channel=intern(delivery.channel),
        recipient=intern(delivery.recipient),
        delivery_id=delivery.id,
        step=intern(delivery.step),
        at=event.recorded_at,
        severity=intern(str(incident.get("severity", ""))),
        severity_label=intern(str(incident.get("severity_label", ""))),
        status=intern(str(incident.get("status", ""))),
        alerts=incident.get("alerts", 0),
        handle=handle,
        version=max(version, incident.get("version", 0)),
    )


def _held_back(state: Ledger, delivery: Delivery) -> None:
    muted = state.muted.get(delivery.incident_id)
    if muted is not None:
        muted.calls = [*muted.calls, delivery][-CALLS_MAX:]


def _muted(state: Ledger, event: ev.Muted) -> None:
    if not event.suppressed_by or event.since is None:
        state.muted.pop(event.incident_id, None)
    elif known := state.muted.get(event.incident_id):
        known.cause, known.owed = event.suppressed_by, known.owed or event.owed
    else:
        state.muted[event.incident_id] = Muted(event.suppressed_by, event.since, event.incident_version, event.owed)


def _followed(state: Ledger, event: ev.Followed) -> None:
    if event.gone:
        state.told.pop(event.incident_id, None)
    if event.gone or not event.answered:
        state.answered.pop(event.incident_id, None)
        return
    state.answered[event.incident_id] = Answer(event.reason, event.incident_version)
    for delivery in state.of(event.incident_id):
        if delivery.attempted_at and not delivery.unwanted and answers(event.reason, delivery.step):
            delivery.unwanted = event.reason
            state.lane(delivery.channel).lost.put(delivery, delivery.attempted_at + LOST_AFTER)
