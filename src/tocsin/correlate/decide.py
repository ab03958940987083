"""correlate: alerts and commands in, incident events out.

In: sightings and commands of one partition, and deadlines. Out: the events of `incidents.events.v1`. The state is the
fold of those events; the same alerts give the same incidents in any order within the grace (`domain.window`,
`regroup`).
"""

from collections.abc import Iterable, Sequence

from tocsin import topics
from tocsin.correlate import freeze as freezing
from tocsin.correlate.alerts import on_sighting
from tocsin.correlate.deadlines import on_deadline
from tocsin.correlate.evolve import evolve
from tocsin.correlate.people import acknowledge_by_alert, on_command
from tocsin.correlate.repeats import sum_of_repeats
from tocsin.correlate.state import State
from tocsin.correlate.write import Pen
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import AlertStatus, RawMark, Sighting
from tocsin.domain.command import Command
from tocsin.domain.events import Event, Tallied
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.stage import Effect, Input, Standing, Want
from tocsin.wire.frozen import Freezing
from tocsin.wire.normalized import Batch
from tocsin.wire.resting import peeking
from tocsin.wire.state import IncidentState, state_of


class Correlate:
    """The decider of one partition."""

    name = "correlate"
    reads = (topics.NORMALIZED, topics.COMMANDS)
    journal = topics.INCIDENTS

    def __init__(self, partition: int, partitions: int) -> None:
        self.partition = partition
        self.partitions = partitions

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
            return on_sighting(self._pen(state, rules, now, given.cause), given)
        if isinstance(given, Command):
            return on_command(self._pen(state, rules, now, given.command_id, given.actor), given)
        if isinstance(given, Deadline) and state.agenda.next() == given:
            cause = f"deadline:{given.kind}:{given.at.isoformat()}"
            return on_deadline(self._pen(state, rules, now, cause), given)
        return ()

    def repeats(self, state: State, batch: Batch, first: int, rules: Rules, now: Instant) -> tuple[Tallied | None, int]:
        return sum_of_repeats(state, batch, first, rules.version, now)

    def _pen(self, state: State, rules: Rules, now: Instant, cause: str, actor: str = "tocsin") -> Pen:
        return Pen(state, rules, now, cause, self.partition, self.partitions, actor)

    def due(self, state: State) -> Deadline | None:
        return state.agenda.next()

    def wants(self, state: State) -> Sequence[Want]:
        return ()

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
