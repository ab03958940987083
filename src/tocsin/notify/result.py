"""What follows from how an attempt ended: delivered, again later, or given up and said another way.

In: the result of an attempt, the ledger, the rules. Out: `delivery.delivered|failed|gave_up`, and where a message goes
next, its plan with the reason `fallback` or `fallback_catch_all`. A channel that fails gives up with it what waits for
it and has had its time. Invariants: each way is tried once, so that there is no circle; a page that has run out of ways
goes to the channels of the catch-all; what nobody needs any more goes nowhere; a message that goes another way names
the one that failed.
"""

from collections.abc import Iterator
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.header import TEST_SOURCE, cut_text
from tocsin.domain.rules import Rules
from tocsin.notify import quiet
from tocsin.notify.channel import NOT_THROUGH
from tocsin.notify.current import FOLLOWS
from tocsin.notify.plan import FALLBACK, Addressed
from tocsin.notify.retry import pause
from tocsin.notify.state import Delivery, Lane
from tocsin.notify.write import Pen
from tocsin.stage import DeliveryResult

DETAIL_MAX: Final = 300
"""Characters of a receipt, an error or a handle."""
OVERDUE_MAX: Final = 40
"""Messages of a line that are given up with one that failed: with their new plans of 4 KB each below a commit."""
DENIED: Final = "denied"
"""Nothing gets through until the settings are mended: what can go another way goes there, and the rest is tried again
for as long as it may be, so that it arrives afterwards."""
REDIRECTED: Final = "fallback"
TO_CATCH_ALL: Final = "fallback_catch_all"


def on_result(pen: Pen, result: DeliveryResult) -> Iterator[ev.Event]:
    """The events of a result; nothing for one of an old attempt."""
    delivery = pen.state.deliveries.get(result.delivery_id)
    if delivery is None or not delivery.sending or delivery.attempt != result.attempt:
        return
    lane = pen.state.lane(delivery.channel)
    yield from _of(pen, delivery, result)
    if result.outcome in NOT_THROUGH:
        yield from _overdue(pen, lane, cut_text(f"waited for the channel: {result.detail}", DETAIL_MAX))


def _of(pen: Pen, delivery: Delivery, result: DeliveryResult) -> Iterator[ev.Event]:
    detail = cut_text(result.detail, DETAIL_MAX)
    own = {**pen.of(delivery), "attempt": delivery.attempt}
    if result.outcome == "delivered":
        yield ev.DeliveryDelivered(
            **own,
            reason="delivered",
            receipt=detail,
            duration_seconds=round(result.duration_seconds, 6),
            possible_duplicate=result.possible_duplicate,
            handle=result.handle if len(result.handle) <= DETAIL_MAX else "",  # a cut one names nothing
        )
        return
    again_at = pen.now + pause(delivery.attempt, result, pen.rules.notify)
    if why := _ends(delivery, result, pen.rules, again_at):
        gave_up = ev.DeliveryGaveUp(**own, reason=why, error=detail)
        yield gave_up
        yield from _redirected(pen, delivery, gave_up)
        return
    yield ev.DeliveryFailed(**own, reason="failed", error=detail, next_attempt_at=again_at)
    muted = pen.state.muted.get(delivery.incident_id)
    if muted is not None and not delivery.unwanted and not quiet.is_asked_for(delivery.context):
        if quiet.is_owed(delivery.step):
            yield from quiet.owes(pen.state, delivery.incident_id, "", pen.rules, pen.now)
        yield quiet.suppressed(delivery, own["n"], muted.cause, "", pen.rules, pen.now)
    if delivery.unwanted:
        yield ev.DeliveryWithdrawn(**{**pen.of(delivery), "n": own["n"] + 1}, reason=delivery.unwanted)


def _overdue(pen: Pen, lane: Lane, error: str) -> Iterator[ev.Event]:
    """While a channel is down one message at a time is tried: the others, whose time is over too, do not wait for their
    turn, but go another way."""
    notify = pen.rules.notify
    over = [
        delivery_id
        for line, patience in ((lane.pages, notify.retry_pages_for), (lane.others, notify.retry_for))
        for delivery_id in line.oldest(OVERDUE_MAX)
        if pen.now > pen.state.deliveries[delivery_id].due_at + patience
    ]
    for delivery_id in over:
        delivery = pen.state.deliveries[delivery_id]
        gave_up = ev.DeliveryGaveUp(**pen.of(delivery), attempt=delivery.attempt, reason="time_exhausted", error=error)
        yield gave_up
        yield from _redirected(pen, delivery, gave_up)


def _ends(delivery: Delivery, result: DeliveryResult, rules: Rules, again_at: Any) -> str:
    """Why it is not tried again; empty = it is."""
    if result.outcome == "refused" or (result.outcome == DENIED and next_way(delivery, rules) is not None):
        return "refused"
    if delivery.attempt >= rules.notify.attempts_max:
        return "attempts_exhausted"
    patience = rules.notify.retry_pages_for if delivery.page else rules.notify.retry_for
    return "time_exhausted" if again_at > delivery.due_at + patience else ""


def _redirected(pen: Pen, delivery: Delivery, gave_up: ev.DeliveryGaveUp) -> Iterator[ev.Event]:
    """The same message another way, if there is one that has not been tried."""
    if delivery.unwanted or (way := next_way(delivery, pen.rules)) is None:
        return
    reason, to = way
    before: dict[str, Any] = delivery.context.get("fallback") or {}
    said = {name: value for name, value in delivery.context.items() if name != "since"}
    said["fallback"] = {
        "channel": delivery.channel,
        "recipient": delivery.recipient,
        "delivery_id": delivery.id,
        "error": gave_up.error,
        "tried": [*before.get("tried", ()), delivery.channel],
    }
    cause = ev.event_id(gave_up)
    planned = pen.again(delivery, to, cause, reason, pen.said(said, delivery.incident_id, to))
    yield planned
    muted = pen.state.muted.get(delivery.incident_id)
    if muted is not None and not quiet.is_asked_for(delivery.context):
        yield quiet.suppressed(planned, 1, muted.cause, cause, pen.rules, pen.now)


def next_way(delivery: Delivery, rules: Rules) -> tuple[str, Addressed] | None:
    """(reason, channel and recipient) that a message which was given up goes to; None = there is no other way.

    First what the rules name for the channel, then the other channels of the person, then, for a page, the catch-all.
    A test page goes no other way: it tests this one. Nor does what changes a thing that one provider keeps. Where the
    same recipient was told over a channel at once, that is no new way.
    """
    incident: dict[str, Any] = delivery.context.get("incident") or {}
    if incident.get("source") == TEST_SOURCE or FOLLOWS in delivery.context:
        return None
    earlier: dict[str, Any] = delivery.context.get("fallback") or {}
    tried = [delivery.channel, *reversed(earlier.get("tried", ()))]
    told = {(one["channel"], one["recipient"]) for one in delivery.context.get("also", ())}
    named = [channel for one in tried for channel in rules.notify.fallback.get(one, ())]
    kind, _, name = delivery.recipient.partition(":")
    if kind == "user" and name in rules.users:
        user = rules.users[name]
        named += [*user.channels, *(channel for rule in user.notify for channel in rule.channels)]
    for channel in named:
        recipient = f"channel:{channel}" if kind == "channel" else delivery.recipient
        if channel not in tried and (channel, recipient) not in told:
            return REDIRECTED, Addressed(channel, recipient, delivery.contacts)
    if not delivery.page:
        return None
    for channel in rules.notify.catch_all or (FALLBACK,):
        if channel not in tried and (channel, f"channel:{channel}") not in told:
            team, known = rules.team_of(rules.people.catch_all)
            return TO_CATCH_ALL, Addressed(channel, f"team:{team}", known.contacts)
    return None
