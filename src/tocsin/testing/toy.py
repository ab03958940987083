"""A decider that is small enough to see through, and a world to run it in: for tests of the runtime itself.

`Toy` counts sightings by fingerprint, answers commands, keeps one deadline per fingerprint and sends one message per
`declare`. Its state is plain, so that two of them compare.

| input | events |
|---|---|
| first sighting of a fingerprint | `journal.tombstoned` (its deadline is a minute later) |
| the same again | `journal.tallied` |
| deadline | `journal.followed` |
| command `note` with `{"times": n, "size": m}` | n times `command.applied` with m characters |
| command `declare` | `delivery.planned`, then attempted on room, then delivered, failed or gave_up |
| a fact | `journal.followed` with its offset, once per fact; its own journal's events do not come back |
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.agenda import Agenda, Deadline
from tocsin.domain.alert import RawMark, Sighting
from tocsin.domain.command import Command
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.broker import Broker
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.world import World
from tocsin.stage import DeliveryResult, Effect, Fact, Input, Room, Want
from tocsin.testing.clock import VirtualClock
from tocsin.topics import COMMANDS, INCIDENTS, NORMALIZED, Topic

__all__ = ["Toy", "ToyState", "toy_world"]

DEADLINE: Final = timedelta(minutes=1)
CHANNEL: Final = "toy"


@dataclass
class ToyState:
    counts: dict[str, int] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    planned: dict[str, Instant] = field(default_factory=dict)
    attempted: dict[str, int] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    n: dict[str, int] = field(default_factory=dict)
    raw: dict[str, RawMark] = field(default_factory=dict)
    agenda: Agenda = field(default_factory=Agenda)


class Toy:
    """One partition of the toy stage."""

    def __init__(
        self,
        partition: int = 0,
        partitions: int = 1,
        *,
        name: str = "correlate",
        reads: tuple[Topic, ...] = (NORMALIZED, COMMANDS),
        journal: Topic = INCIDENTS,
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.name = name
        self.reads = reads
        self.journal = journal

    def empty(self) -> ToyState:
        return ToyState()

    def advanced(self, state: ToyState, raw: RawMark, source: str) -> None:
        state.raw[source] = raw

    def evolve(self, state: ToyState, event: ev.Event) -> None:
        if isinstance(event, ev.Tombstoned):
            state.counts[event.fingerprint] = 1
            state.agenda.put("toy", event.fingerprint, event.forget_due_at)
        elif isinstance(event, ev.Tallied):
            for tally in event.tallies:
                state.counts[tally.alert_id] += tally.count  # a tally in front of its member would fail here
        elif isinstance(event, ev.Followed):
            state.agenda.put("toy", event.incident_id, None)
            state.facts.append(event.incident_id)
        elif isinstance(event, ev.CommandApplied):
            state.commands.append(event.command_id)
        elif isinstance(event, ev.DeliveryEvent):
            self._evolve_delivery(state, event)

    def _evolve_delivery(self, state: ToyState, event: ev.DeliveryEvent) -> None:
        name = event.delivery_id
        state.n[name] = event.n
        state.planned.pop(name, None)
        if isinstance(event, ev.DeliveryPlanned):
            state.planned[name] = event.send_due_at
        elif isinstance(event, ev.DeliveryAttempted):
            state.attempted[name] = event.attempt
        elif isinstance(event, ev.DeliveryFailed):
            del state.attempted[name]
            state.planned[name] = event.next_attempt_at
        else:
            state.attempted.pop(name, None)
            state.sent[name] = event.TYPE

    def decide(self, state: ToyState, given: Input, rules: Rules, now: Instant) -> Iterable[ev.Event]:
        common: dict[str, Any] = {"recorded_at": now, "rules_version": rules.version}
        if isinstance(given, Sighting):
            if given.fingerprint in state.counts:
                tally = ev.Tally(given.fingerprint, 1, given.received_at, given.received_at)
                yield ev.Tallied(reason="repeat", tallies=(tally,), **common)
            else:
                due = now + DEADLINE
                name = given.fingerprint
                yield ev.Tombstoned(fingerprint=name, resolved_at=now, forget_due_at=due, **common)
        elif isinstance(given, Command) and given.verb == "declare":
            yield ev.DeliveryPlanned(
                **self._delivery(given.command_id, 1, common),
                step="toy",
                recipient="team:toy",
                send_due_at=now,
                context={},
            )
        elif isinstance(given, Command):
            for n in range(int(given.arguments.get("times", 1))):
                text = "x" * int(given.arguments.get("size", 0))
                name = f"{given.command_id}.{n}" if n else given.command_id
                yield ev.CommandApplied(command_id=name, verb=given.verb, message=text, **common)
        elif isinstance(given, Fact):
            name = f"{given.topic}/{given.offset}"
            yield ev.Followed(incident_id=name, incident_version=given.offset, answered=False, **common)
        elif isinstance(given, Deadline):
            yield ev.Followed(incident_id=given.subject, incident_version=0, answered=True, **common)
        elif isinstance(given, Room):
            yield from self._attempts(state, given, common)
        elif isinstance(given, DeliveryResult) and state.attempted.get(given.delivery_id) == given.attempt:
            yield self._outcome(state, given, common)

    def _delivery(self, name: str, n: int, common: dict[str, Any]) -> dict[str, Any]:
        return {"delivery_id": name, "n": n, "incident_id": "inc_toy", "channel": CHANNEL, **common}

    def _attempts(self, state: ToyState, given: Room, common: dict[str, Any]) -> Iterable[ev.Event]:
        ready = sorted((at, name) for name, at in state.planned.items() if at <= common["recorded_at"])
        for _, name in ready[: given.n]:
            n = state.n[name] + 1
            yield ev.DeliveryAttempted(**self._delivery(name, n, common), attempt=(n + 1) // 2)

    def _outcome(self, state: ToyState, given: DeliveryResult, common: dict[str, Any]) -> ev.Event:
        place = self._delivery(given.delivery_id, state.n[given.delivery_id] + 1, common)
        if given.outcome == "delivered":
            return ev.DeliveryDelivered(
                **place, attempt=given.attempt, possible_duplicate=given.possible_duplicate, receipt=given.detail
            )
        if given.outcome == "refused":
            return ev.DeliveryGaveUp(**place, attempt=given.attempt, error=given.detail)
        again = common["recorded_at"] + timedelta(seconds=given.retry_after_seconds or 1.0)
        return ev.DeliveryFailed(**place, attempt=given.attempt, error=given.detail, next_attempt_at=again)

    def due(self, state: ToyState) -> Deadline | None:
        return state.agenda.next()

    def wants(self, state: ToyState) -> Sequence[Want]:
        return [Want(CHANNEL, min(state.planned.values()))] if state.planned else []

    def effects(self, state: ToyState) -> Sequence[Effect]:
        return [
            Effect(delivery_id=name, channel=CHANNEL, attempt=attempt, recipient="team:toy", contacts={}, context={})
            for name, attempt in sorted(state.attempted.items())
        ]


def toy_world(broker: Broker, clock: VirtualClock, *, member: str = "m1", seed: int = 0) -> World:
    """A world in which waiting lets virtual time pass."""

    async def pause(seconds: float) -> None:
        clock.advance(seconds)

    return World(
        broker=broker,
        arrivals=Polled(broker),
        clock=clock,
        instance="test",
        member=member,
        metrics=Metrics(),
        random=Random(seed),
        pause=pause,
    )
