"""What notify does: it plans who hears of an incident, sends when a channel has room, tries again, takes back.

In: incident and escalation events, room on a channel, results of attempts. Out: the ledger, `delivery.planned|
attempted|delivered|failed|gave_up|withdrawn|suppressed|bundled`, and as its memory `journal.followed` of answered
incidents, `journal.muted` of suppressed ones.
Invariants: one delivery per (cause, step, channel, recipient); an attempt is recorded before it is sent; nothing is
attempted that calls somebody for an incident which was answered as far as the incident events were read.
It renders and sends nothing. It waits for nothing either: that incident events are read up to what an escalation event
rests on is the runtime's part; where they were not, an escalation that knows a later version than the answer is
believed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import RawMark
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.notify import current, digest, quiet
from tocsin.notify import freeze as freezing
from tocsin.notify.audience import audience_of, for_audience, is_addressed, is_told, routed, told_of
from tocsin.notify.evolve import evolve
from tocsin.notify.personal import as_wished, quiet_until
from tocsin.notify.plan import (
    CALLS,
    FALLBACK,
    GOOD_NEWS,
    MERGED,
    Addressed,
    answer_in,
    answers,
    context_of,
    step_of,
)
from tocsin.notify.resend import resent
from tocsin.notify.result import on_result
from tocsin.notify.state import Delivery, Ledger, Muted
from tocsin.notify.write import Pen
from tocsin.stage import DeliveryResult, Effect, Fact, Input, Room, Want
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS, Topic
from tocsin.wire.frozen import Freezing

ANSWERING: Final = (ev.Acknowledged, ev.Investigating, ev.Mitigated, ev.Resolved, ev.Closed)
"""Incident events after which calls that wait are taken back. Others only repeat that it is answered: a re-announcement
calls in spite of the acknowledgement."""
COUNTED: Final = (ev.AlertAttached, ev.LateAmended, ev.AlertResolved)
"""Incident events of which there is one for each alert."""
OVER: Final = (Status.RESOLVED, Status.CLOSED)
OPENED: Final = ev.Opened.TYPE
FIRST: Final = (ev.Opened, ev.Unsuppressed)
"""Events that may be the first that anybody hears of an incident."""


class Notify:
    """The decider of one partition."""

    name = "notify"
    reads: tuple[Topic, ...] = (INCIDENTS, ESCALATIONS)
    journal = NOTIFICATIONS

    def __init__(self, partition: int, partitions: int = 1) -> None:
        self.partition = partition
        self.partitions = partitions

    def empty(self) -> Ledger:
        return Ledger()

    def evolve(self, state: Ledger, event: ev.Event) -> None:
        evolve(state, event)

    def advanced(self, state: Ledger, raw: RawMark, source: str) -> None:
        """Notify reads no raw topic."""

    def decide(self, state: Ledger, given: Input, rules: Rules, now: Instant) -> Iterable[ev.Event]:
        """Events for an incident or escalation event, for room, for a result, for a bundle that is due; nothing for any
        other input."""
        if isinstance(given, Fact) and isinstance(given.event, COUNTED) and _is_routine(state, given.event, rules):
            return ()
        pen = Pen(state, rules, now, self.partition, self.partitions)
        if isinstance(given, Fact):
            return _on_fact(pen, given.event)
        if isinstance(given, Room):
            return _on_room(pen, given)
        if isinstance(given, DeliveryResult):
            return on_result(pen, given)
        if isinstance(given, Deadline) and (bundle := state.bundles.get(given.subject)):
            return digest.closed(pen, bundle)
        return ()

    def due(self, state: Ledger) -> Deadline | None:
        """When a bundle is to be closed. Everything else that waits, waits for room (`wants`)."""
        return state.next_bundle() if state.bundles else None

    def wants(self, state: Ledger) -> Sequence[Want]:
        wanted = ((channel, lane.wants_at(), lane.pages_at()) for channel, lane in state.lanes.items())
        return [Want(channel, at, page_at) for channel, at, page_at in wanted if at is not None]

    def effects(self, state: Ledger) -> Sequence[Effect]:
        """Attempted and unfinished. An attempt that became pointless is not among them: should it be lost in a crash,
        it is not sent again, but withdrawn."""
        sending = (state.deliveries[delivery_id] for delivery_id in state.sending)
        return [
            Effect(
                delivery_id=delivery.id,
                channel=delivery.channel,
                attempt=delivery.attempt,
                recipient=delivery.recipient,
                contacts=delivery.contacts,
                context=delivery.context,
                page=delivery.page,
                **_made(state, delivery),
            )
            for delivery in sending
            if not delivery.unwanted
        ]

    # ---- written down --------------------------------------------------------------------------------------

    layout = 4

    def freeze(self, state: Ledger) -> Freezing:
        return freezing.freeze(state)

    def thaw(self, slices: Iterable[bytes]) -> tuple[Ledger, int]:
        return freezing.thaw(slices)

    def touched(self, state: Ledger, event: ev.Event) -> Iterable[tuple[str, str]]:
        return freezing.touched(state, event)


def _is_routine(state: Ledger, event: ev.IncidentEvent, rules: Rules) -> bool:
    """Whether nobody is told of one more alert of an open incident, and nothing changes by it: in a storm that is
    almost everything that is read."""
    header = event.header
    return (
        header.acknowledged_at is None
        and not header.suppressed_by
        and header.status not in OVER
        and event.incident_id not in state.answered
        and event.incident_id not in state.muted
        and not is_told(event, rules.notify)
    )


def _made(state: Ledger, delivery: Delivery) -> dict[str, Any]:
    """`handle` and `overtaken` of an effect. Several recipients may have one message: a team and its channel."""
    last = state.last_told(delivery.incident_id, delivery.channel, delivery.recipient)
    if last is None or not last.handle:
        return {}
    version = (delivery.context.get("incident") or {}).get("version", 0)
    there = (
        one for one in state.told[delivery.incident_id] if (one.channel, one.handle) == (last.channel, last.handle)
    )
    return {"handle": last.handle, "overtaken": bool(version) and any(one.version > version for one in there)}


# ---- what is planned -------------------------------------------------------------------------------------------------


def _on_fact(pen: Pen, event: ev.Event) -> Iterable[ev.Event]:
    if isinstance(event, ev.Retired):
        return _on_retired(pen, event)
    if isinstance(event, ev.IncidentEvent):
        return _on_incident(pen, event)
    if isinstance(event, ev.EscalationEvent):
        return _on_escalation(pen, event)
    return ()


def _on_retired(pen: Pen, event: ev.Retired) -> Iterator[ev.Event]:
    if event.incident_id in pen.state.answered or event.incident_id in pen.state.told:
        yield pen.followed(event, "retired", answered=True, gone=True)
    if event.incident_id in pen.state.muted:
        yield quiet.muted(event, "", None, pen.rules, pen.now)


def _on_incident(pen: Pen, event: ev.IncidentEvent) -> Iterator[ev.Event]:
    state = pen.state
    word = answer_in(event)
    if word or event.incident_id in state.answered:
        yield from _taken_back(pen, event, word)
    known = state.muted.get(event.incident_id)
    told = is_told(event, pen.rules.notify)
    if event.header.suppressed_by:
        if known is None:
            yield from quiet.begins(state, event, pen.rules, pen.now)
        if told:
            yield from (_announce if is_addressed(event) else _hold_back)(pen, event)
        if isinstance(event, ev.ResendRequested):
            yield from resent(pen, event)
        return
    if known is not None:
        yield quiet.muted(event, "", None, pen.rules, pen.now)
    if told or (known is not None and known.owed and not word):
        yield from _announce(pen, event, known)
    if isinstance(event, current.FOLLOWED):
        yield from current.follows(pen, event)
    if known is not None:
        yield from _made_up_for(pen, event, known, word)
    if isinstance(event, ev.ResendRequested):
        yield from resent(pen, event)


def _taken_back(pen: Pen, event: ev.IncidentEvent, word: str) -> Iterator[ev.Event]:
    """What waits and is pointless after `event`, by which the incident is answered (`word`) or not."""
    state = pen.state
    flips = bool(word) != (event.incident_id in state.answered)
    if word and (flips or isinstance(event, ANSWERING)):
        # A merge answers nothing: a page that is still on its way may say more than the survivor has ever said.
        pages_stay = word == MERGED
        pointless = [
            one for one in state.of(event.incident_id) if answers(word, one.step) and not (pages_stay and one.page)
        ]
        if flips or any(one.sending and not one.unwanted for one in pointless):
            yield pen.followed(event, word, answered=True)
        for delivery in pointless:
            if not delivery.sending:
                yield pen.withdrawn(delivery, word, ev.event_id(event))
    elif flips:
        yield pen.followed(event, event.reason, answered=False)
        for delivery in state.waiting(event.incident_id):
            if delivery.step in GOOD_NEWS:
                yield pen.withdrawn(delivery, "reopened", ev.event_id(event))


def _hearers(pen: Pen, event: ev.IncidentEvent, *, owed: bool = False) -> list[tuple[Addressed, str]]:
    """The channels that hear of an incident event, each with its audience. The system in which it was asked for
    needs not be told."""
    return [
        (Addressed(channel, f"channel:{channel}", {}), audience)
        for channel, audience in routed(event, pen.rules.notify, owed=owed).items()
        if current.is_told(pen.rules.notify, event, channel)
    ]


def _hold_back(pen: Pen, event: ev.IncidentEvent) -> Iterator[ev.Event]:
    """What would be said of a suppressed incident stands in the ledger with the cause."""
    context = context_of(event, pen.rules)
    if quiet.is_owed(event.TYPE):
        yield from quiet.owes(pen.state, event.incident_id, ev.event_id(event), pen.rules, pen.now)
    for to, audience in _hearers(pen, event):
        planned = pen.planned(event, to, for_audience(context, audience))
        yield planned
        yield quiet.suppressed(planned, 1, event.header.suppressed_by, planned.cause, pen.rules, pen.now)


def _made_up_for(pen: Pen, event: ev.IncidentEvent, known: Muted, word: str) -> Iterator[ev.Event]:
    """The escalations that were taken back, once more, but for those that an answer (`word`) made pointless. Of several
    calls of one step over one channel to one recipient the last says it all."""
    cause = ev.event_id(event)
    for call in {(one.step, one.channel, one.recipient): one for one in known.calls}.values():
        if word and answers(word, call.step):
            continue
        to = Addressed(call.channel, call.recipient, call.contacts)
        planned = pen.again(call, to, cause, "made_up_for", call.context | {"suppressed": quiet.said(known)})
        yield from digest.placed(pen, planned)


def _announce(pen: Pen, event: ev.IncidentEvent, muted: Muted | None = None) -> Iterator[ev.Event]:
    """Tell the channels of the incident. A channel that has not heard of it yet hears nothing of its end. `muted`:
    what kept it quiet until now."""
    held = pen.rules.notify.hold.get(event.header.severity) if isinstance(event, FIRST) else None
    context = context_of(event, pen.rules)
    if muted is not None:
        context["suppressed"] = quiet.said(muted)
    hearers = _hearers(pen, event, owed=muted is not None and muted.owed)
    everyone = [to for to, _ in hearers]
    if not hearers and is_addressed(event):
        yield from _for_nobody(pen, event, context)
    for to, audience in hearers:
        for waiting in pen.state.waiting(event.incident_id):
            # The opening still waits, and this message says all that it would have said.
            if (waiting.step, waiting.channel, waiting.recipient) == (OPENED, to.channel, to.recipient) and (
                waiting.ready_at > pen.now and not waiting.attempt and event.TYPE in CALLS
            ):
                yield pen.withdrawn(waiting, "superseded", ev.event_id(event))
        planned = pen.planned(event, to, for_audience(context, audience), everyone)
        if event.TYPE in GOOD_NEWS and _never_heard(pen.state, event.incident_id, to.channel):
            yield planned
            yield pen.taken_back(planned, "never_announced")
            continue
        if held:
            planned = replace(planned, send_due_at=max(pen.now, event.header.opened_at + held))
        yield from digest.placed(pen, planned)


def _for_nobody(pen: Pen, event: ev.IncidentEvent, context: dict[str, Any]) -> Iterator[ev.Event]:
    """Somebody addressed an audience that no route is for: the ledger shows it."""
    audience = audience_of(event)
    planned = pen.planned(event, Addressed(FALLBACK, f"audience:{audience}", {}), for_audience(context, audience))
    yield planned
    yield pen.taken_back(planned, "no_route")


def _never_heard(state: Ledger, incident_id: str, channel: str) -> bool:
    """Whether everything that a channel was to hear of an incident was taken back before anybody tried."""
    meant = [one for one in state.told.get(incident_id, ()) if one.channel == channel]
    return (
        bool(meant)
        and not any(one.at or one.tried for one in meant)
        and not any(one.channel == channel and one.step not in GOOD_NEWS for one in state.of(incident_id))
    )


def _on_escalation(pen: Pen, event: ev.EscalationEvent) -> Iterator[ev.Event]:
    told = told_of(event, pen.rules.notify)
    if not told:
        return
    answer = pen.state.answered.get(event.incident_id)
    late = answer is not None and event.incident_version <= answer.version and answers(answer.word, step_of(event))
    context = context_of(event, pen.rules)
    muted = quiet.holds_back(pen.state, event)
    called = as_wished(event, told, pen.rules)
    everyone = [one.to for one in called]
    for to, audience, after in called:
        planned = pen.planned(event, to, for_audience(context, audience), everyone)
        if after:
            planned = replace(planned, send_due_at=pen.now + after)
        if muted is not None and not late:
            yield planned
            yield quiet.suppressed(planned, 1, muted.cause, planned.cause, pen.rules, pen.now)
        elif answer is not None and late:
            yield planned
            yield pen.taken_back(planned, f"{answer.word}_first")
        elif until := quiet_until(event, to.recipient, pen.rules, planned.send_due_at):
            yield from digest.put_off(pen, planned, until)
        else:
            yield from digest.placed(pen, planned)


# ---- what is sent ----------------------------------------------------------------------------------------------------


def _on_room(pen: Pen, room: Room) -> Iterator[ev.Event]:
    lane = pen.state.lanes.get(room.channel)
    if lane is None:
        return
    for delivery_id in lane.lost.ready(pen.now):
        delivery = pen.state.deliveries[delivery_id]
        yield pen.withdrawn(delivery, delivery.unwanted)
    for _ in range(room.n):
        if (following := lane.next(pen.now)) is None:
            return
        delivery = pen.state.deliveries[following]
        if digest.is_answered(pen.state, delivery):
            yield pen.withdrawn(delivery, digest.ANSWERED)
            continue
        yield ev.DeliveryAttempted(
            **pen.of(delivery),
            reason="retry" if delivery.attempt else "first_attempt",
            attempt=delivery.attempt + 1,
        )
