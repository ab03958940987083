"""What would happen, found out by letting it happen: the real stages, states of their own, a clock that is told.

In: rules, an instant, alerts or recorded events. Out: the events that the stages decide, in order. Invariants: nothing
is written anywhere; the same arguments give the same events; at most `EVENTS_MAX` events, whatever the rules repeat.
Nothing is sent: a planned delivery is the end. What is known only in the state of the running installation (other
incidents, who has how much to do) is not known here.
"""

from datetime import timedelta
from typing import Any, Final

from tocsin import topology
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.stage import Decider, Fact, Input, RawRecord, RulesChanged
from tocsin.topics import RAW, Topic
from tocsin.wire.normalized import decode_batch

EVENTS_MAX: Final = 2000
"""Of one rehearsal: a policy that loops for a day stays readable, and a request stays below a second."""
HORIZON: Final = timedelta(hours=24)
"""How far the future is told when nobody says otherwise."""
HORIZON_MAX: Final = timedelta(days=31)


class Rehearsal:
    """The stages of one partition that nobody else sees. `events` = what they have decided so far."""

    def __init__(self, rules: Rules, at: Instant) -> None:
        self.rules = rules
        self.now = at
        self.events: list[ev.Event] = []
        self.cut = False
        """Whether `EVENTS_MAX` ended it."""
        self._deciders = topology.deciders(0, 1)
        self._states: dict[str, Any] = {one.name: one.empty() for one in self._deciders}
        self._offsets: dict[str, int] = {}
        for decider in self._deciders:
            self._give(decider, RulesChanged(rules.version))

    def alert(self, value: bytes, format: str = "native") -> None:
        """Let an alert come in: the raw bytes that a source sends.

        Raises:
            Reject: what ingest would have rejected.
        """
        record = RawRecord(
            topic=RAW.name,
            partition=0,
            incarnation="rehearsal",
            offset=self._next(RAW),
            received_at=self.now,
            value=value,
            headers=(("tocsin_format", format.encode()),) if format else (),
        )
        mapped = topology.mapper(1).map([record], self.rules)
        if mapped.rejected:
            raise Reject(mapped.rejected[0].word, mapped.rejected[0].message)
        for batch in mapped.batches.get(0, ()):
            for sighting in decode_batch(batch):
                self._give(self._deciders[0], sighting)

    def recall(self, event: ev.Event, topic: str) -> None:
        """Take over what is recorded: the stage that wrote `event` to `topic` knows it; nobody decides anything."""
        for decider in self._deciders:
            if decider.journal.name == topic:
                decider.evolve(self._states[decider.name], event)

    def tell(self, event: ev.Event, topic: Topic, *, offset: int = 0) -> None:
        """Have the stages that read `topic` decide about an event of it."""
        for decider in self._deciders:
            if topic in decider.reads:
                self._give(decider, Fact(event, topic.name, 0, offset))

    def until(self, end: Instant) -> None:
        """Let the deadlines up to `end` (included) come, each at its instant; those that are overdue come at once."""
        while not self.cut:
            due = [(deadline, decider) for decider in self._deciders if (deadline := self._due(decider))]
            if not due:
                return
            deadline, decider = min(due, key=lambda one: one[0].at)
            if deadline.at > end:
                return
            self.now = max(self.now, deadline.at)
            self._give(decider, deadline)
            if self._due(decider) == deadline:
                return  # a deadline that waits for more than time

    def _due(self, decider: Decider[Any]) -> Any:
        return decider.due(self._states[decider.name])

    def _give(self, decider: Decider[Any], given: Input) -> None:
        state, written = self._states[decider.name], []
        for event in decider.decide(state, given, self.rules, self.now):
            decider.evolve(state, event)
            written.append((event, self._next(decider.journal)))
            self.events.append(event)
            if len(self.events) >= EVENTS_MAX:
                self.cut = True
                return
        for event, offset in written:
            self.tell(event, decider.journal, offset=offset)

    def _next(self, topic: Topic) -> int:
        offset = self._offsets.get(topic.name, 0)
        self._offsets[topic.name] = offset + 1
        return offset
