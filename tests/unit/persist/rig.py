"""Journals as the runtime would hand them to persist: real events, encoded and stamped, with offsets and a clock of
their own.

`Teller` tells incidents with versions and headers that fit; `random_journals` tells a long tale by chance.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.alert import AlertFacts, Episode
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant, to_ms
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS, Topic
from tocsin.wire.events import encode, source_of, stamp
from tocsin.wire.record import Record

T0: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Place = tuple[str, int]


def at(minutes: float) -> Instant:
    return T0 + timedelta(minutes=minutes)


def topic_of(event: ev.Event) -> Topic:
    if isinstance(event, ev.EscalationEvent):
        return ESCALATIONS
    return NOTIFICATIONS if isinstance(event, ev.DeliveryEvent | ev.Followed) else INCIDENTS


def record(event: ev.Event, offset: int, *, topic: Topic | None = None, partition: int = 0) -> Record:
    journal = (topic or topic_of(event)).name
    encoded = encode(event)
    headers = stamp(
        encoded,
        source=source_of("test", journal, partition),
        journal=journal,
        partition=partition,
        offset=offset,
        claim=0,
    )
    return Record(offset, to_ms(event.recorded_at), encoded.key, encoded.value, headers)


class Teller:
    """Writes events into the journals of one partition, `journals[topic, partition]`, in the order they are told."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.journals: dict[Place, list[Record]] = {}
        self.headers: dict[str, IncidentHeader] = {}
        self.alerts = 0

    def say(self, event: ev.Event, topic: Topic | None = None) -> Record:
        where = topic or topic_of(event)
        journal = self.journals.setdefault((where.name, self.partition), [])
        told = record(event, len(journal), topic=where, partition=self.partition)
        journal.append(told)
        return told

    def open(self, minutes: float, *, alert: bool = True, **header: Any) -> str:
        """A new incident with its first alert; returns its id."""
        count = len(self.headers) + 1
        incident_id = ids.incident_id(self.partition, str(self.partition), str(count))
        told = {
            "id": incident_id,
            "number": f"INC-2026-11-21-{count:03}",
            "version": 0,
            "title": f"Incident {count}",
            "severity": Severity.HIGH,
            "status": Status.OPEN,
            "opened_at": at(minutes),
            "service": "shop",
            **header,
        }
        self.headers[incident_id] = IncidentHeader(**told)
        facts = self.facts(minutes, service=told["service"]) if alert else None
        counted = {"alerts": 1, "firing": 1} if facts else {}
        self.change(ev.Opened, incident_id, minutes, counted, ordinal=count, group=f"group{count}", alert=facts)
        return incident_id

    def change(
        self,
        kind: type[ev.IncidentEvent],
        incident_id: str,
        minutes: float,
        header: dict[str, Any] | None = None,
        **own: Any,
    ) -> Any:
        old = self.headers[incident_id]
        self.headers[incident_id] = new = replace(old, version=old.version + 1, **(header or {}))
        event = kind(incident_id=incident_id, version=new.version, header=new, recorded_at=at(minutes), **own)
        self.say(event)
        return event

    def facts(self, minutes: float, **own: Any) -> AlertFacts:
        self.alerts += 1
        labels = {"alertname": f"alert{self.alerts}", "instance": f"host-{self.alerts}"}
        told = {
            "alert_id": ids.alert_id(self.partition, "source", self.alerts, 0),
            "fingerprint": ids.fingerprint(labels),
            "episode": Episode.STARTS_AT,
            "title": f"Alert {self.alerts}",
            "severity": Severity.HIGH,
            "start": at(minutes),
            "last": at(minutes),
            "starts_at": at(minutes),
            "labels": labels,
            **own,
        }
        return AlertFacts(**told)

    def attach(self, incident_id: str, minutes: float, **own: Any) -> AlertFacts:
        facts = self.facts(minutes, **own)
        old = self.headers[incident_id]
        self.change(
            ev.AlertAttached,
            incident_id,
            minutes,
            {"alerts": old.alerts + 1, "firing": old.firing + 1},
            alert=facts,
            reason="joined_open_group",
        )
        return facts

    def tally(self, minutes: float, *counts: tuple[str, int]) -> None:
        tallies = tuple(ev.Tally(alert_id, count, at(minutes), at(minutes)) for alert_id, count in counts)
        self.say(ev.Tallied(recorded_at=at(minutes), tallies=tallies))

    def acknowledge(self, incident_id: str, minutes: float, command_id: str = "") -> None:
        header = {"status": Status.ACKNOWLEDGED, "acknowledged_at": at(minutes), "acknowledged_by": "ada"}
        event = self.change(ev.Acknowledged, incident_id, minutes, header, actor="ada", reason="acknowledged")
        if command_id:
            self.say(
                ev.CommandApplied(
                    recorded_at=at(minutes),
                    command_id=command_id,
                    verb="acknowledge",
                    incident_id=incident_id,
                    events=(ev.event_id(event),),
                    actor="ada",
                )
            )

    def deliver(
        self, kind: type[ev.DeliveryEvent], delivery: str, n: int, incident_id: str, minutes: float, **own: Any
    ) -> None:
        self.say(
            kind(recorded_at=at(minutes), delivery_id=delivery, n=n, incident_id=incident_id, channel="hook", **own)
        )

    def plan(self, delivery: str, incident_id: str, minutes: float) -> None:
        self.deliver(
            ev.DeliveryPlanned,
            delivery,
            1,
            incident_id,
            minutes,
            step="incident.opened",
            recipient="team:ops",
            page=True,
            send_due_at=at(minutes),
            context={"title": "x"},
        )

    def escalate(self, kind: type[ev.EscalationEvent], incident_id: str, minutes: float, **own: Any) -> None:
        place = (ESCALATIONS.name, self.partition)
        header = self.headers[incident_id]
        self.say(
            kind(
                recorded_at=at(minutes),
                id=ids.escalation_id(self.partition, incident_id, str(len(self.journals.get(place, ())))),
                incident_id=incident_id,
                incident_version=header.version,
                incident_offset=0,
                header=header,
                **own,
            )
        )


def step(level: int, minutes: float, **own: Any) -> ev.EscalationStep:
    return ev.EscalationStep(level=level, escalate_to=f"team{level}", due_at=at(minutes), **own)


def random_journals(random: Random, events: int, partitions: int = 1) -> dict[Place, list[Record]]:
    """About `events` events by chance over `partitions`: every kind that changes a view."""
    journals: dict[Place, list[Record]] = {}
    for partition in range(partitions):
        teller = Teller(partition)
        steps = _chance(random, teller)
        while sum(map(len, teller.journals.values())) < events // partitions:
            next(steps)
        journals |= teller.journals
    return journals


def _chance(random: Random, teller: Teller) -> Iterator[None]:
    members: dict[str, list[AlertFacts]] = {}
    minutes = 0.0
    while True:
        minutes += random.random()
        if not members or random.random() < 0.15:
            incident = teller.open(minutes, severity=random.choice(list(Severity)), service=random.choice("abc"))
            members[incident] = []
            teller.escalate(ev.EscalationScheduled, incident, minutes, steps=(step(1, minutes + 5),))
            teller.plan(f"ntf_{incident}", incident, minutes)
            change = f"chg_{incident}"
            teller.say(ev.ChangeRecorded(recorded_at=at(minutes), change_id=change, title="new", at=at(minutes)))
        incident = random.choice(list(members))
        _chance_change(random, teller, members, incident, minutes)
        yield


def _chance_change(
    random: Random, teller: Teller, members: dict[str, list[AlertFacts]], incident: str, minutes: float
) -> None:
    own = members[incident]
    other = random.choice(list(members))
    match random.choices(range(8), (8, 6, 2, 1, 1, 1, 1, 1))[0]:
        case 0:
            own.append(teller.attach(incident, minutes, service=random.choice("abc")))
        case 1 if own:
            teller.tally(minutes, (random.choice(own).alert_id, random.randint(1, 9)))
        case 2 if own:
            alert = random.choice(own)
            teller.change(
                ev.AlertResolved,
                incident,
                minutes,
                fingerprint=alert.fingerprint,
                alert_ids=(alert.alert_id,),
                resolved_at=at(minutes),
            )
        case 3:
            teller.acknowledge(incident, minutes, f"cmd-{teller.partition}-{minutes}")
        case 4 if other != incident:
            teller.change(ev.Merged, incident, minutes, absorbed=other)
            teller.change(ev.Closed, other, minutes, {"status": Status.CLOSED}, merged_into=incident)
            own += members.pop(other)
        case 5 if own and other != incident:
            moved = own.pop()
            teller.change(ev.AlertsLeft, incident, minutes, moved_to=other, fingerprints=(moved.fingerprint,))
            teller.change(
                ev.AlertMoved,
                other,
                minutes,
                moved_from=incident,
                alert_ids=(moved.alert_id,),
                fingerprints=(moved.fingerprint,),
            )
            members[other].append(moved)
        case 6:
            teller.escalate(ev.EscalationFired, incident, minutes, step=step(1, minutes), team="team1")
            teller.deliver(ev.DeliveryAttempted, f"ntf_{incident}", 2, incident, minutes, attempt=1)
            teller.deliver(ev.DeliveryDelivered, f"ntf_{incident}", 3, incident, minutes, attempt=1)
        case 7 if len(members) > 1:
            teller.change(ev.Closed, incident, minutes, {"status": Status.CLOSED})
            teller.change(ev.Retired, incident, minutes)
            members.pop(incident)
        case _:
            teller.change(ev.Noted, incident, minutes, note="seen", actor="ada")
