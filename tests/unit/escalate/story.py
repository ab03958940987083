"""given / when / then for deciders that read incident events: escalate here, notify next door.

Times are minutes after `T0`. After every input the state is folded anew from the events as they are in the log, so that
each test is a crash replay, too.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.escalate.decide import Escalate
from tocsin.escalate.state import Escalations
from tocsin.stage import Decider, Fact, Input
from tocsin.topics import INCIDENTS
from tocsin.wire.events import decode, encode, stamp

T0: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
INCIDENT: Final = "inc_aaonlyfortests"
S = TypeVar("S")
E = TypeVar("E", bound=ev.IncidentEvent)


def at(minutes: float) -> Instant:
    return T0 + timedelta(minutes=minutes)


class Subject:
    """One incident, told as correlate would tell it: versions rise, headers show the incident after the event."""

    def __init__(self, severity: Severity = Severity.CRITICAL, incident_id: str = INCIDENT, **header: Any) -> None:
        self.header = IncidentHeader(
            **{
                "id": incident_id,
                "number": "INC-2026-11-21-001",
                "version": 0,
                "title": "Disk full",
                "severity": severity,
                "status": Status.OPEN,
                "opened_at": T0,
                "service": "shop",
                "alerts": 1,
                "firing": 1,
                **header,
            }
        )

    def tell(self, kind: Callable[..., E], minutes: float, *, header: dict[str, Any] | None = None, **own: Any) -> E:
        """The next event of the incident; `header` is what it changes there."""
        self.header = replace(self.header, version=self.header.version + 1, **(header or {}))
        return kind(
            incident_id=self.header.id,
            version=self.header.version,
            header=self.header,
            recorded_at=at(minutes),
            **own,
        )

    def opened(self, minutes: float = 0) -> ev.IncidentEvent:
        return self.tell(ev.Opened, minutes, ordinal=0, group="g")

    def acknowledged(self, minutes: float) -> ev.IncidentEvent:
        return self.tell(
            ev.Acknowledged, minutes, header={"status": Status.ACKNOWLEDGED, "acknowledged_at": at(minutes)}
        )

    def expired(self, minutes: float) -> ev.IncidentEvent:
        return self.tell(ev.AcknowledgementExpired, minutes, header={"status": Status.OPEN, "acknowledged_at": None})

    def raised(self, minutes: float, severity: Severity) -> ev.IncidentEvent:
        was = self.header.severity
        return self.tell(ev.SeverityRaised, minutes, header={"severity": severity}, was=was)

    def reannounced(self, minutes: float) -> ev.IncidentEvent:
        return self.tell(ev.Reannounced, minutes)

    def resolved(self, minutes: float, *, by_person: bool = False) -> ev.IncidentEvent:
        header: dict[str, Any] = {"status": Status.RESOLVED, "firing": 0}
        if by_person:
            header["acknowledged_at"] = at(minutes)
        return self.tell(ev.Resolved, minutes, header=header, by_person=by_person)

    def reopened(self, minutes: float) -> ev.IncidentEvent:
        return self.tell(ev.Reopened, minutes, header={"status": Status.OPEN, "acknowledged_at": None})

    def closed(self, minutes: float, merged_into: str | None = None) -> ev.IncidentEvent:
        return self.tell(ev.Closed, minutes, header={"status": Status.CLOSED}, merged_into=merged_into)


def relogged(event: ev.Event) -> ev.Event:
    """`event` as a reader of the log gets it."""
    encoded = encode(event)
    headers = stamp(encoded, source="/test", journal="test", partition=0, offset=7, claim=0)
    return decode(headers, encoded.value)


class Story(Generic[S]):
    """One decider of one partition, driven by hand."""

    def __init__(self, stage: Decider[S], rules: Rules | None = None) -> None:
        self.stage = stage
        self.rules = rules or Rules()
        self.state = stage.empty()
        self.journal: list[ev.Event] = []
        self.offset = 0

    def give(self, given: Input, minutes: float) -> list[ev.Event]:
        """Decide, evolve, next: as an owner does it. Returns what was written."""
        written: list[ev.Event] = []
        for event in self.stage.decide(self.state, given, self.rules, at(minutes)):
            self.stage.evolve(self.state, event)
            written.append(event)
        self.journal += written
        assert self.folded() == self.state, "fold(journal) differs from the live state"
        return written

    def folded(self) -> S:
        state = self.stage.empty()
        for event in self.journal:
            self.stage.evolve(state, relogged(event))
        return state

    def reads(self, event: ev.Event, minutes: float | None = None, topic: str = INCIDENTS.name) -> list[ev.Event]:
        """The next record of a source, read at `minutes` (default: when it was recorded)."""
        self.offset += 1
        late = (event.recorded_at - T0).total_seconds() / 60 if minutes is None else minutes
        return self.give(Fact(event, topic, 0, self.offset), late)

    def until(self, minutes: float) -> list[ev.Event]:
        """Let time pass: every deadline up to then, each at its instant."""
        written: list[ev.Event] = []
        while (due := self.stage.due(self.state)) and due.at <= at(minutes):
            written += self.give(due, (due.at - T0).total_seconds() / 60)
            assert self.stage.due(self.state) != due, "a deadline must change what is due"
        return written


def escalation(rules: Rules | None = None) -> Story[Escalations]:
    return Story(Escalate(0, 1), rules)


def words(events: Sequence[ev.Event]) -> list[tuple[str, str]]:
    return [(event.TYPE, event.reason) for event in events]
