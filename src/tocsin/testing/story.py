"""given / when / then for correlate: a desk that reads alerts and commands with a clock of its own.

`Desk` runs the decider as an owner would (decide, evolve, next), without a log. Times are minutes after `T0`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tocsin.correlate.decide import Correlate
from tocsin.correlate.state import State
from tocsin.domain.alert import AlertBody, AlertStatus, Episode, RawMark, Sighting
from tocsin.domain.command import Command
from tocsin.domain.events import Event
from tocsin.domain.ids import correlation_partition_key, fingerprint
from tocsin.domain.incident import Incident
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.domain.severity import severity_of
from tocsin.stage import Input
from tocsin.wire.normalized import encode_body

T0: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(minutes: float) -> Instant:
    """`minutes` after `T0`."""
    return T0 + timedelta(minutes=minutes)


def alert(
    name: str,
    minutes: float,
    *,
    started: float | None = None,
    status: str = "firing",
    episode: Episode = Episode.STARTS_AT,
    group: str = "shop",
    severity: str = "warning",
    service: str = "",
    correlation_id: str = "",
    raw: tuple[int, int] | None = None,
    expires: float | None = None,
    **labels: str,
) -> Sighting:
    """One sighting of the alert `name`, received at `minutes`, begun at `started` (default: then). `raw` = its place
    (partition, offset) in the raw topic; without it the instant is the place."""
    own = {"alertname": group, "instance": name, "severity": severity, **labels}
    body = AlertBody(
        title=f"{group} {name}",
        severity=severity_of(severity),
        service=service,
        source="test",
        labels=own,
        correlation_id=correlation_id,
    )
    partition, offset = raw or (0, round(minutes * 60_000))
    start = minutes if started is None else started
    return Sighting(
        raw_topic="alerts.raw.v1",
        raw_partition=partition,
        incarnation="one",
        offset=offset,
        index=0,
        received_at=at(minutes),
        fingerprint=fingerprint(own),
        status=AlertStatus(status),
        episode=episode,
        starts_at=at(start) if episode is Episode.STARTS_AT else None,
        expires_at=None if expires is None else at(expires),
        partition_key=correlation_partition_key(correlation_id) if correlation_id else f"alertname:{group}",
        correlation_id=correlation_id,
        body=encode_body(body),
    )


class Desk:
    """Correlate of one partition, driven by hand."""

    def __init__(self, rules: Rules | None = None, partition: int = 0, partitions: int = 1) -> None:
        self.stage = Correlate(partition, partitions)
        self.state: State = self.stage.empty()
        self.rules = rules or Rules()
        self.events: list[Event] = []
        self.now = T0

    def read(self, sighting: Sighting) -> list[Event]:
        """Read one sighting at the instant it was received (never going back)."""
        self.now = max(self.now, sighting.received_at)
        events = self.give(sighting)
        mark = RawMark(sighting.incarnation, sighting.offset, sighting.index, sighting.received_at)
        known = self.state.raw.get(sighting.raw_source)
        if known is None or (mark.received_at, mark.offset) > (known.received_at, known.offset):
            self.stage.advanced(self.state, mark, sighting.raw_source)
        return events

    def read_all(self, sightings: Iterable[Sighting]) -> "Desk":
        for sighting in sightings:
            self.read(sighting)
        return self

    def give(self, given: Input) -> list[Event]:
        """Decide and evolve one input."""
        written: list[Event] = []
        for event in self.stage.decide(self.state, given, self.rules, self.now):
            self.stage.evolve(self.state, event)
            written.append(event)
        self.events += written
        return written

    def command(self, verb: str, incident: str = "", *, by: str = "ada", id: str = "", **arguments: Any) -> list[Event]:
        """Give a command; `id` defaults to one that was not used yet."""
        reason = arguments.pop("reason", "")
        identifier = id or f"cmd-{len(self.events)}"
        return self.give(
            Command(command_id=identifier, verb=verb, incident=incident, actor=by, reason=reason, arguments=arguments)
        )

    def until(self, minutes: float) -> list[Event]:
        """Let time pass, firing every deadline at its instant."""
        written: list[Event] = []
        while (due := self.stage.due(self.state)) is not None and due.at <= at(minutes):
            self.now = max(self.now, due.at)
            written += self.give(due)
        self.now = max(self.now, at(minutes))
        return written

    @property
    def incidents(self) -> list[Incident]:
        """Incidents that were not merged away, in order of their numbers."""
        alive = [one for one in self.state.incidents.values() if one.merged_into is None]
        return sorted(alive, key=lambda one: one.header.number)

    def sets(self) -> frozenset[frozenset[str]]:
        """Which alerts belong together: the fingerprints of each incident that has any."""
        return frozenset(
            frozenset(member.fingerprint for member in self.state.members(one.id))
            for one in self.state.incidents.values()
            if self.state.roster(one.id).members
        )

    def replayed(self) -> State:
        """A new state folded from the events so far and the marks."""
        return fold(self.stage, self.events, self.state.raw)


def fold(stage: Correlate, events: Sequence[Event], raw: dict[str, RawMark]) -> State:
    """The state after `events`, with the raw marks of the positions."""
    state = stage.empty()
    for event in events:
        stage.evolve(state, event)
    for source, mark in raw.items():
        stage.advanced(state, mark, source)
    return state


def types(events: Iterable[Event]) -> list[str]:
    """The event types, for short comparisons."""
    return [event.TYPE for event in events]
