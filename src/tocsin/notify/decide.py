"""What notify does: it plans who hears of an incident, sends when a channel has room, tries again, takes back.

In: incident and escalation events, room on a channel, results of attempts. Out: the ledger, `delivery.planned|
attempted|delivered|failed|gave_up|withdrawn|suppressed`, and as its memory `journal.followed` of answered incidents,
`journal.muted` of suppressed ones.
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
from tocsin.domain import ids
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import RawMark
from tocsin.domain.header import cut_text
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify import freeze as freezing
from tocsin.notify import quiet
from tocsin.notify.audience import for_audience, is_told, routed, told_of
from tocsin.notify.evolve import evolve
from tocsin.notify.plan import (
    CALLS,
    GOOD_NEWS,
    MERGED,
    Told,
    answer_in,
    answers,
    context_of,
    is_page,
    step_of,
)
from tocsin.notify.retry import pause
from tocsin.notify.state import Delivery, Ledger, Muted
from tocsin.stage import DeliveryResult, Effect, Fact, Input, Room, Want
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS, Topic
from tocsin.wire.frozen import Freezing

DETAIL_MAX: Final = 300

ANSWERING: Final = (ev.Acknowledged, ev.Investigating, ev.Mitigated, ev.Resolved, ev.Closed)
"""Incident events after which calls that wait are taken back. Others only repeat that it is answered: a re-announcement
calls in spite of the acknowledgement."""
OPENED: Final = ev.Opened.TYPE
FIRST: Final = (ev.Opened, ev.Unsuppressed)
"""Events that may be the first that anybody hears of an incident."""
NO_CONTACTS: Final[dict[str, tuple[str, ...]]] = {}
"""Of a channel: it has an address of its own."""


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
        """Events for an incident or escalation event, for room, for a result; nothing for any other input."""
        if isinstance(given, Fact) and isinstance(given.event, ev.Retired):
            return self._on_retired(state, given.event, rules, now)
        if isinstance(given, Fact) and isinstance(given.event, ev.IncidentEvent):
            return self._on_incident(state, given.event, rules, now)
        if isinstance(given, Fact) and isinstance(given.event, ev.EscalationEvent):
            return self._on_escalation(state, given.event, rules, now)
        if isinstance(given, Room):
            return self._on_room(state, given, rules, now)
        if isinstance(given, DeliveryResult):
            return self._on_result(state, given, rules, now)
        return ()

    def due(self, state: Ledger) -> Deadline | None:
        """Nothing is due by itself: what waits, waits for room (`wants`)."""
        return None

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
            )
            for delivery in sending
            if not delivery.unwanted
        ]

    # ---- written down --------------------------------------------------------------------------------------

    layout = 2

    def freeze(self, state: Ledger) -> Freezing:
        return freezing.freeze(state)

    def thaw(self, slices: Iterable[bytes]) -> tuple[Ledger, int]:
        return freezing.thaw(slices)

    def touched(self, state: Ledger, event: ev.Event) -> Iterable[tuple[str, str]]:
        return freezing.touched(state, event)

    # ---- what is planned ---------------------------------------------------------------------------------------------

    def _on_retired(self, state: Ledger, event: ev.Retired, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        if event.incident_id in state.answered:
            yield self._followed(event, "retired", rules, now, answered=True, gone=True)
        if event.incident_id in state.muted:
            yield quiet.muted(event, "", None, rules, now)

    def _on_incident(self, state: Ledger, event: ev.IncidentEvent, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        word = answer_in(event)
        flips = bool(word) != (event.incident_id in state.answered)
        taken_back: set[tuple[str, str]] = set()
        if word and (flips or isinstance(event, ANSWERING)):
            # A merge answers nothing: a page that is still on its way may say more than the survivor has ever said.
            pages_stay = word == MERGED
            pointless = [
                one for one in state.of(event.incident_id) if answers(word, one.step) and not (pages_stay and one.page)
            ]
            if flips or any(one.sending and not one.unwanted for one in pointless):
                yield self._followed(event, word, rules, now, answered=True)
            for delivery in pointless:
                if not delivery.sending:
                    if delivery.step == OPENED and not delivery.attempt:
                        taken_back.add((delivery.channel, delivery.recipient))
                    yield self._withdrawn(delivery, word, event, rules, now)
        elif flips:
            yield self._followed(event, event.reason, rules, now, answered=False)
            for delivery in state.waiting(event.incident_id):
                if delivery.step in GOOD_NEWS:
                    yield self._withdrawn(delivery, "reopened", event, rules, now)
        known = state.muted.get(event.incident_id)
        told = is_told(event, rules.notify)
        if event.header.suppressed_by:
            if known is None:
                yield from quiet.begins(state, event, rules, now)
            if told:
                yield from self._hold_back(state, event, rules, now)
            return
        if known is not None:
            yield quiet.muted(event, "", None, rules, now)
        if told or (known is not None and known.owed and not word):
            yield from self._announce(state, event, taken_back, rules, now, known)
        if known is not None:
            yield from self._made_up_for(event, known, word, rules, now)

    def _hold_back(self, state: Ledger, event: ev.IncidentEvent, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        """What would be said of a suppressed incident stands in the ledger with the cause."""
        context = context_of(event, rules)
        if quiet.is_owed(event.TYPE):
            yield from quiet.owes(state, event.incident_id, ev.event_id(event), rules, now)
        for channel, audience in routed(event, rules.notify).items():
            said = for_audience(context, audience)
            planned = self._planned(event, channel, f"channel:{channel}", said, rules, now)
            yield planned
            yield quiet.suppressed(planned, 1, event.header.suppressed_by, planned.cause, rules, now)

    def _made_up_for(
        self, event: ev.IncidentEvent, known: Muted, word: str, rules: Rules, now: Instant
    ) -> Iterator[ev.DeliveryPlanned]:
        """The escalations that were taken back, once more, but for those that an answer (`word`) made pointless."""
        cause = ev.event_id(event)
        for call in known.calls:
            if word and answers(word, call.step):
                continue
            yield ev.DeliveryPlanned(
                recorded_at=now,
                reason="made_up_for",
                cause=cause,
                rules_version=rules.version,
                delivery_id=ids.delivery_id(self.partition, cause, call.step, call.channel, call.recipient),
                n=1,
                incident_id=call.incident_id,
                channel=call.channel,
                step=call.step,
                recipient=call.recipient,
                page=call.page,
                contacts=call.contacts,
                send_due_at=now,
                context=call.context | {"suppressed": quiet.said(known)},
            )

    def _announce(
        self,
        state: Ledger,
        event: ev.IncidentEvent,
        taken_back: set[tuple[str, str]],
        rules: Rules,
        now: Instant,
        muted: Muted | None = None,
    ) -> Iterator[ev.Event]:
        """Tell the channels of the incident. A channel that has not heard of it yet hears nothing of its end. `muted`:
        what kept it quiet until now."""
        held = rules.notify.hold.get(event.header.severity) if isinstance(event, FIRST) else None
        context = context_of(event, rules)
        if muted is not None:
            context["suppressed"] = quiet.said(muted)
        for channel, audience in routed(event, rules.notify, owed=muted is not None and muted.owed).items():
            recipient = f"channel:{channel}"
            for waiting in state.waiting(event.incident_id):
                # The opening is still on hold, and this message says all that it would have said.
                if (waiting.step, waiting.channel, waiting.recipient) == (OPENED, channel, recipient) and (
                    waiting.ready_at > now and not waiting.attempt and event.TYPE in CALLS
                ):
                    yield self._withdrawn(waiting, "superseded", event, rules, now)
            planned = self._planned(event, channel, recipient, for_audience(context, audience), rules, now)
            if held:
                planned = replace(planned, send_due_at=max(now, event.header.opened_at + held))
            yield planned
            if event.TYPE in GOOD_NEWS and (channel, recipient) in taken_back:
                yield self._taken_back(planned, "never_announced", rules, now)

    def _on_escalation(
        self, state: Ledger, event: ev.EscalationEvent, rules: Rules, now: Instant
    ) -> Iterator[ev.Event]:
        told = told_of(event, rules.notify)
        if not told:
            return
        answer = state.answered.get(event.incident_id)
        late = answer is not None and event.incident_version <= answer.version and answers(answer.word, step_of(event))
        context = context_of(event, rules)
        muted = quiet.holds_back(state, event)
        for (channel, recipient, contacts), audience in told:
            planned = self._planned(event, channel, recipient, for_audience(context, audience), rules, now, contacts)
            yield planned
            if muted is not None and not late:
                yield quiet.suppressed(planned, 1, muted.cause, planned.cause, rules, now)
            elif answer is not None and late:
                yield self._taken_back(planned, f"{answer.word}_first", rules, now)

    # ---- what is sent ------------------------------------------------------------------------------------------------

    def _on_room(self, state: Ledger, room: Room, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        lane = state.lanes.get(room.channel)
        if lane is None:
            return
        for delivery_id in lane.lost.ready(now):
            delivery = state.deliveries[delivery_id]
            yield self._withdrawn(delivery, delivery.unwanted, None, rules, now)
        for _ in range(room.n):
            if (following := lane.next(now)) is None:
                return
            delivery = state.deliveries[following]
            yield ev.DeliveryAttempted(
                **_of(delivery, rules, now),
                n=delivery.written + 1,
                reason="retry" if delivery.attempt else "first_attempt",
                attempt=delivery.attempt + 1,
            )

    def _on_result(self, state: Ledger, result: DeliveryResult, rules: Rules, now: Instant) -> Iterator[ev.Event]:
        delivery = state.deliveries.get(result.delivery_id)
        if delivery is None or not delivery.sending or delivery.attempt != result.attempt:
            return
        detail = cut_text(result.detail, DETAIL_MAX)
        own = {**_of(delivery, rules, now), "n": delivery.written + 1, "attempt": delivery.attempt}
        if result.outcome == "delivered":
            yield ev.DeliveryDelivered(
                **own,
                reason="delivered",
                receipt=detail,
                duration_seconds=round(result.duration_seconds, 6),
                possible_duplicate=result.possible_duplicate,
            )
        elif result.outcome == "refused":
            yield ev.DeliveryGaveUp(**own, reason="refused", error=detail)
        elif delivery.attempt >= rules.notify.attempts_max:
            yield ev.DeliveryGaveUp(**own, reason="attempts_exhausted", error=detail)
        else:
            again_at = now + pause(delivery.attempt, result, rules.notify)
            yield ev.DeliveryFailed(**own, reason="failed", error=detail, next_attempt_at=again_at)
            muted = state.muted.get(delivery.incident_id)
            if muted is not None and not delivery.unwanted and not quiet.is_asked_for(delivery.context):
                if quiet.is_owed(delivery.step):
                    yield from quiet.owes(state, delivery.incident_id, "", rules, now)
                yield quiet.suppressed(delivery, own["n"], muted.cause, "", rules, now)
            if delivery.unwanted:
                frame = {**_of(delivery, rules, now), "n": own["n"] + 1}
                yield ev.DeliveryWithdrawn(**frame, reason=delivery.unwanted)

    # ---- single events -----------------------------------------------------------------------------------------------

    def _planned(
        self,
        event: Told,
        channel: str,
        recipient: str,
        context: dict[str, Any],
        rules: Rules,
        now: Instant,
        contacts: dict[str, tuple[str, ...]] = NO_CONTACTS,
    ) -> ev.DeliveryPlanned:
        cause, step = ev.event_id(event), step_of(event)
        return ev.DeliveryPlanned(
            recorded_at=now,
            reason=event.TYPE,
            cause=cause,
            rules_version=rules.version,
            delivery_id=ids.delivery_id(self.partition, cause, step, channel, recipient),
            n=1,
            incident_id=event.incident_id,
            channel=channel,
            step=step,
            recipient=recipient,
            page=is_page(event),
            contacts=contacts,
            send_due_at=now,
            context=context,
        )

    def _withdrawn(
        self, delivery: Delivery, reason: str, event: ev.IncidentEvent | None, rules: Rules, now: Instant
    ) -> ev.DeliveryWithdrawn:
        cause = ev.event_id(event) if event else ""
        return ev.DeliveryWithdrawn(**_of(delivery, rules, now), n=delivery.written + 1, reason=reason, cause=cause)

    def _taken_back(self, planned: ev.DeliveryPlanned, reason: str, rules: Rules, now: Instant) -> ev.DeliveryWithdrawn:
        """Planned and taken back in one go, so that the ledger shows why nobody was told."""
        return ev.DeliveryWithdrawn(
            recorded_at=now,
            reason=reason,
            cause=planned.cause,
            rules_version=rules.version,
            delivery_id=planned.delivery_id,
            n=planned.n + 1,
            incident_id=planned.incident_id,
            channel=planned.channel,
        )

    def _followed(
        self,
        event: ev.IncidentEvent,
        reason: str,
        rules: Rules,
        now: Instant,
        *,
        answered: bool,
        gone: bool = False,
    ) -> ev.Followed:
        return ev.Followed(
            recorded_at=now,
            reason=reason,
            cause=ev.event_id(event),
            rules_version=rules.version,
            incident_id=event.incident_id,
            incident_version=event.version,
            answered=answered,
            gone=gone,
        )


def _of(delivery: Delivery, rules: Rules, now: Instant) -> dict[str, Any]:
    return {
        "recorded_at": now,
        "rules_version": rules.version,
        "delivery_id": delivery.id,
        "incident_id": delivery.incident_id,
        "channel": delivery.channel,
    }
