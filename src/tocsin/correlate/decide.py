"""correlate: alerts and commands in, incident events out.

In: sightings and commands of one partition, and deadlines. Out: the events of `incidents.events.v1`. The state is the
fold of those events; the same alerts give the same incidents in any order within the grace (`domain.window`,
`regroup`).
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from tocsin import topics
from tocsin.correlate import freeze as freezing
from tocsin.correlate.alerts import on_sighting
from tocsin.correlate.commands import acknowledge_by_alert, on_command
from tocsin.correlate.deadlines import on_deadline
from tocsin.correlate.evolve import evolve
from tocsin.correlate.repeats import sum_of_repeats
from tocsin.correlate.state import State
from tocsin.correlate.suppress import on_events
from tocsin.correlate.suppress_sweep import on_rules, on_sources, sources_of
from tocsin.correlate.write import Pen
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import AlertStatus, RawMark, Sighting
from tocsin.domain.command import Command
from tocsin.domain.events import Event, Sent, Tallied
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.domain.suppression import Suppression
from tocsin.stage import CommandSent, Effect, Input, RulesChanged, Standing, Want
from tocsin.wire.frozen import Freezing
from tocsin.wire.normalized import Batch
from tocsin.wire.resting import peeking
from tocsin.wire.state import IncidentState, state_of


def _watched(pen: Pen, events: Iterable[Event], *, by_person: bool = False) -> Iterable[Event]:
    """`events`, and what follows from them for what is quiet."""
    if pen.suppression is None:
        return events
    return chain(on_events(pen, events, by_person=by_person), on_sources(pen))


class Correlate:
    """The decider of one partition."""

    name = "correlate"
    reads = (topics.NORMALIZED, topics.COMMANDS)
    journal = topics.INCIDENTS

    def __init__(self, partition: int, partitions: int) -> None:
        self.partition = partition
        self.partitions = partitions
        self._ready: tuple[Rules, Suppression | None] | None = None
        """The rules, and what they keep quiet, made ready: a pure function of them."""

    def empty(self) -> State:
        return State()

    def evolve(self, state: State, event: Event) -> None:
        evolve(state, event)

    def advanced(self, state: State, raw: RawMark, source: str) -> None:
        state.raw[source] = raw

    def decide(self, state: State, given: Input, rules: Rules, now: Instant) -> Iterable[Event]:
        if isinstance(given, Sighting):
            if given.status is AlertStatus.ACKNOWLEDGED:
                actor = given.actor or "pagerduty"
                return acknowledge_by_alert(self._pen(state, rules, now, given.cause, actor), given)
            pen = self._pen(state, rules, now, given.cause)
            return on_sighting(pen, given) if pen.suppression is None else _watched(pen, on_sighting(pen, given))
        if isinstance(given, Command):
            pen = self._pen(state, rules, now, given.command_id, given.actor, given.origin)
            return _watched(pen, on_command(pen, given), by_person=True)
        if isinstance(given, CommandSent):
            pen = self._pen(state, rules, now, given.command_id)
            return (Sent(command_id=given.command_id, **pen.stamps("sent")),)
        if isinstance(given, Deadline) and state.agenda.next() == given:
            cause = f"deadline:{given.kind}:{given.at.isoformat()}"
            pen = self._pen(state, rules, now, cause)
            return _watched(pen, on_deadline(pen, given))
        if isinstance(given, RulesChanged):
            return on_rules(self._pen(state, rules, now, f"rules:{rules.version}"))
        return ()

    def repeats(self, state: State, batch: Batch, first: int, rules: Rules, now: Instant) -> tuple[Tallied | None, int]:
        return sum_of_repeats(state, batch, first, rules.version, now)

    def _pen(
        self, state: State, rules: Rules, now: Instant, cause: str, actor: str = "tocsin", origin: str = ""
    ) -> Pen:
        ready = self._ready
        if ready is None or ready[0] is not rules:
            found = Suppression(rules, now)
            ready = self._ready = (rules, found if found.fingerprint else None)
        suppression = ready[1]
        inhibitions = suppression.inhibitions if suppression is not None else ()
        if (state.sources.inhibitions if state.sources is not None else ()) != inhibitions:
            state.sources = sources_of(state, inhibitions)
        return Pen(state, rules, now, cause, self.partition, self.partitions, actor, suppression, origin)

    def due(self, state: State) -> Deadline | None:
        return state.agenda.next()

    def wants(self, state: State) -> Sequence[Want]:
        return ()

    def outgoing(self, state: State) -> Sequence[Command]:
        return list(state.outbox.values()) if state.outbox else ()

    def effects(self, state: State) -> Sequence[Effect]:
        return ()

    # ---- written down and shown ----------------------------------------------------------------------------

    layout = 3
    shows = topics.STATE
    shown_part = freezing.INCIDENTS

    def freeze(self, state: State) -> Freezing:
        return freezing.freeze(state)

    def thaw(self, slices: Iterable[bytes]) -> tuple[State, int]:
        return freezing.thaw(slices)

    def touched(self, state: State, event: Event) -> Iterable[tuple[str, str]]:
        return freezing.touched(state, event)

    def keys(self, state: State) -> Iterable[str]:
        return state.incidents

    def show(self, state: State, key: str) -> IncidentState | None:
        incident = peeking(state.incidents)(key)
        return None if incident is None else state_of(incident)

    def standing(self, state: State) -> Iterable[Standing]:
        return freezing.standing(state)
