"""What people work on, and how an event changes it.

`apply` is the only place where an incident or one of its members changes. Correlate's evolve calls it over
dictionaries, persist's views over the database; both give it a `Book`.

Invariants: an event carries the header as it is *after* the event, so `apply` takes it over whole; versions of one
incident rise by one without gaps; counts of sightings move only by tallies and by the events that move members, so
that the sum of tallies may be applied before the other events of its commit with the same result.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, Protocol

import msgspec

from tocsin.domain import events as ev
from tocsin.domain import said
from tocsin.domain.alert import AlertFacts, Episode
from tocsin.domain.details import Details
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.lifecycle import UNFINISHED, Status
from tocsin.domain.pulse import CAME_BACK_MAX, Pulse
from tocsin.domain.severity import Severity

GAP: Final = timedelta(minutes=10)


class Span(msgspec.Struct, array_like=True, gc=False):
    """One stretch of time in which a member was seen without a gap of ten minutes."""

    start: Instant
    end: Instant


class Member(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One episode of one fingerprint within an incident."""

    alert_id: str
    incident_id: str
    fingerprint: str
    episode: Episode
    severity: Severity
    spans: list[Span]
    """Disjoint, in order, more than `GAP` apart; nearly always one."""
    starts_at: Instant | None = None
    correlation_id: str = ""
    service: str = ""
    title: str = ""
    occurrences: int = 1
    resolved_at: Instant | None = None
    expires_at: Instant | None = None
    labels: bytes = b""
    """JSON of the alert's labels, where the book keeps it there: silences that come later ask for them."""

    @property
    def start(self) -> Instant:
        return self.spans[0].start

    @property
    def last(self) -> Instant:
        return self.spans[-1].end

    @property
    def firing(self) -> bool:
        return self.resolved_at is None


class Incident(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The state of one incident; members are kept beside it, by alert id."""

    header: IncidentHeader
    group: str = ""
    """Id of the group (partition key, group key)."""
    group_key: str = ""
    partition_key: str = ""
    occurrences: int = 0
    """Sightings counted, the first ones of the members included."""
    event_time: Instant | None = None
    """Event time of the alert that opened it."""
    titled_by: tuple[Instant, str] | None = None
    """(event time, fingerprint) of the earliest alert, which gives the title."""
    rule: str = "default"
    gap_seconds: float = 600.0
    pinned: bool = False
    """A person has touched it: it survives merges."""
    settled_at: Instant | None = None
    """When a person resolved it while alerts may still fire."""
    previous: str | None = None
    recurrence_of: str | None = None
    merged_into: str | None = None
    linked: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    announced_severity: Severity | None = None
    announced_alerts: int = 0
    resolved_at: Instant | None = None
    closed_at: Instant | None = None
    acknowledgement_expires_at: Instant | None = None
    resolve_due_at: Instant | None = None
    close_due_at: Instant | None = None
    retire_due_at: Instant | None = None
    details: Details | None = None
    """What people said of it; None until the first of it."""
    pulse: Pulse | None = None
    """How it comes and goes; None for one that opened at once and never came back."""

    @property
    def id(self) -> str:
        return self.header.id

    @property
    def version(self) -> int:
        return self.header.version

    @property
    def gap(self) -> timedelta:
        return timedelta(seconds=self.gap_seconds)

    @property
    def loud_due_at(self) -> Instant | None:
        """When what keeps it quiet is known to end; nobody waits for that once it is over."""
        return self.header.suppressed_until if self.header.status in UNFINISHED else None

    @property
    def is_counted(self) -> bool:
        """Whether its sightings count, since they are below the threshold of its rule."""
        return self.pulse is not None and bool(self.pulse.seen)

    @property
    def snooze_due_at(self) -> Instant | None:
        return self.details.snoozed_until if self.details is not None else None

    @property
    def watch_due_at(self) -> Instant | None:
        return self.details.watched_until if self.details is not None else None


class Book(Protocol):
    """Where incidents and members are kept. What it returns may be changed in place; the book keeps the change."""

    def incident(self, incident_id: str) -> Incident | None: ...
    def put(self, incident: Incident) -> None: ...
    def drop(self, incident_id: str) -> None:
        """Forget a retired incident and its members (a view may keep them and only mark them)."""

    def member(self, alert_id: str) -> Member | None: ...
    def members(self, incident_id: str) -> Iterable[Member]: ...
    def attach(self, member: Member, facts: AlertFacts) -> None: ...
    def move(self, member: Member, incident_id: str) -> None:
        """Make the member one of another incident; sets `member.incident_id`."""


def see(spans: list[Span], start: Instant, end: Instant) -> None:
    """Add one stretch to `spans` in place, joining those that lie within `GAP` of each other. Order does not matter."""
    tail = spans[-1]
    if tail.start <= start <= tail.end + GAP:  # the short path: it continues the last one
        if end > tail.end:
            tail.end = end
        return
    spans.append(Span(start, end))
    spans.sort(key=lambda span: span.start)
    joined = [spans[0]]
    for span in spans[1:]:
        if span.start <= joined[-1].end + GAP:
            joined[-1].end = max(joined[-1].end, span.end)
        else:
            joined.append(span)
    spans[:] = joined


def member_of(incident_id: str, facts: AlertFacts) -> Member:
    """The member that `facts` describe, as it is at its first sighting."""
    return Member(
        alert_id=facts.alert_id,
        incident_id=incident_id,
        fingerprint=facts.fingerprint,
        episode=facts.episode,
        severity=facts.severity,
        spans=[Span(facts.start, facts.last)],
        starts_at=facts.starts_at,
        correlation_id=facts.correlation_id,
        service=facts.service,
        title=facts.title,
        expires_at=facts.expires_at,
    )


def apply(book: Book, event: ev.Event) -> None:
    """Change the incidents and members in `book` as `event` says. Events that concern no incident change nothing."""
    if isinstance(event, ev.Tallied):
        _apply_tally(book, event)
    elif isinstance(event, ev.Opened):
        _apply_opened(book, event)
    elif isinstance(event, ev.Retired):
        book.drop(event.incident_id)
    elif isinstance(event, ev.IncidentEvent):
        incident = book.incident(event.incident_id)
        if incident is None:
            raise LookupError(f"{event.TYPE} for the unknown incident {event.incident_id}")
        incident.header = event.header
        _CHANGES[type(event)](book, incident, event)
        book.put(incident)


def _apply_tally(book: Book, event: ev.Tallied) -> None:
    for tally in event.tallies:
        member = book.member(tally.alert_id)
        if member is None:
            continue  # its incident was retired between the sightings and this record
        member.occurrences += tally.count
        if tally.expires_at is not None and (member.expires_at is None or tally.expires_at > member.expires_at):
            member.expires_at = tally.expires_at
        see(member.spans, tally.start, tally.last)
        incident = book.incident(member.incident_id)
        if incident is not None:
            incident.occurrences += tally.count
            book.put(incident)


def _apply_opened(book: Book, event: ev.Opened) -> None:
    incident = Incident(
        header=event.header,
        group=event.group,
        group_key=event.group_key,
        partition_key=event.partition_key,
        event_time=event.event_time,
        titled_by=(EPOCH, "") if event.pinned else None,
        pinned=event.pinned,
        rule=event.rule,
        gap_seconds=event.gap_seconds,
        previous=event.previous,
        recurrence_of=event.recurrence_of,
        services=(event.header.service,) if event.header.service else (),
        announced_severity=event.header.severity,
        announced_alerts=max(event.header.alerts, 1),
        close_due_at=event.close_due_at,
        pulse=Pulse(seen=event.seen) if event.seen else None,
    )
    book.put(incident)
    if event.alert is not None:
        _attach(book, incident, event.alert)


def _attach(book: Book, incident: Incident, facts: AlertFacts) -> None:
    book.attach(member_of(incident.id, facts), facts)
    incident.occurrences += 1
    _mark(incident, facts.start, facts.fingerprint, facts.service)


def _mark(incident: Incident, start: Instant, fingerprint: str, service: str) -> None:
    """Remember what a new member brings: its service, and whether it is the earliest."""
    if service and service not in incident.services:
        incident.services = (*incident.services, service)
    if incident.titled_by is None or (start, fingerprint) < incident.titled_by:
        incident.titled_by = (start, fingerprint)


def _attached(book: Book, incident: Incident, event: ev.AlertAttached | ev.LateAmended) -> None:
    _attach(book, incident, event.alert)
    incident.resolve_due_at = None


def _alert_resolved(book: Book, incident: Incident, event: ev.AlertResolved) -> None:
    for alert_id in event.alert_ids:
        if member := book.member(alert_id):
            member.resolved_at = event.resolved_at
            member.expires_at = None
            member.occurrences += 1
            incident.occurrences += 1
    incident.resolve_due_at = event.resolve_due_at


def _alert_moved(book: Book, incident: Incident, event: ev.AlertMoved) -> None:
    source = book.incident(event.moved_from)
    for alert_id in event.alert_ids:
        if member := book.member(alert_id):
            _move(book, member, source, incident)
    if source is not None:
        book.put(source)
    _arrived(incident)


def _merged(book: Book, incident: Incident, event: ev.Merged) -> None:
    said.touched(book, incident, event)
    absorbed = book.incident(event.absorbed)
    for member in sorted(book.members(event.absorbed), key=_by_alert):  # the order must not depend on the book
        _move(book, member, absorbed, incident)
    if absorbed is not None:
        absorbed.merged_into = incident.id
        book.put(absorbed)
    _arrived(incident)


def _by_alert(member: Member) -> str:
    return member.alert_id


def _arrived(incident: Incident) -> None:
    """Members moved in: what fires keeps the incident from resolving, or opens it again."""
    if incident.header.firing:
        incident.resolve_due_at = None
        if incident.header.status is Status.OPEN:
            incident.resolved_at = incident.settled_at = incident.close_due_at = None


def _alerts_left(book: Book, incident: Incident, event: ev.AlertsLeft) -> None:
    incident.resolve_due_at = event.resolve_due_at


def _move(book: Book, member: Member, source: Incident | None, target: Incident) -> None:
    if source is not None:
        source.occurrences -= member.occurrences
    target.occurrences += member.occurrences
    _mark(target, member.start, member.fingerprint, member.service)
    book.move(member, target.id)


def _linked(book: Book, incident: Incident, event: ev.Linked) -> None:
    if event.linked_to not in incident.linked:
        incident.linked = (*incident.linked, event.linked_to)


def _announced(book: Book, incident: Incident, event: ev.IncidentEvent) -> None:
    said.touched(book, incident, event)
    incident.announced_severity = incident.header.severity
    incident.announced_alerts = max(incident.header.alerts, 1)


def _acknowledged(book: Book, incident: Incident, event: ev.Acknowledged | ev.Investigating) -> None:
    _announced(book, incident, event)
    incident.pinned = True
    incident.acknowledgement_expires_at = event.expires_due_at
    if isinstance(event, ev.Acknowledged) and event.target:
        said.answered(incident, event)


def _acknowledgement_expired(book: Book, incident: Incident, event: ev.AcknowledgementExpired) -> None:
    incident.acknowledgement_expires_at = None
    if incident.details is not None:
        incident.details.answers = ()


def _mitigated(book: Book, incident: Incident, event: ev.Mitigated) -> None:
    incident.pinned = True
    incident.acknowledgement_expires_at = None


def _resolved(book: Book, incident: Incident, event: ev.Resolved) -> None:
    incident.resolved_at = event.recorded_at
    incident.acknowledgement_expires_at = None
    incident.resolve_due_at = None
    incident.close_due_at = event.close_due_at
    if event.by_person:
        incident.pinned = True
        incident.settled_at = event.recorded_at


def _reopened(book: Book, incident: Incident, event: ev.Reopened) -> None:
    _announced(book, incident, event)
    incident.resolved_at = incident.closed_at = incident.settled_at = incident.merged_into = None
    incident.close_due_at = incident.retire_due_at = incident.acknowledgement_expires_at = None
    incident.resolve_due_at = None
    if event.actor == ev.SYSTEM or incident.pulse is not None:
        pulse = incident.pulse or Pulse()
        again = (event.recorded_at,) if event.actor == ev.SYSTEM else ()
        came_back = (*pulse.came_back, *again)[-CAME_BACK_MAX:]
        incident.pulse = Pulse(came_back=came_back, seen=pulse.seen if event.header.suppressed_by else ())
    said.begun_again(incident)


def _closed(book: Book, incident: Incident, event: ev.Closed) -> None:
    said.touched(book, incident, event)
    incident.closed_at = event.recorded_at
    incident.merged_into = event.merged_into or incident.merged_into
    incident.close_due_at = incident.resolve_due_at = incident.acknowledgement_expires_at = None
    incident.retire_due_at = event.retire_due_at
    said.over(incident, event)


_CHANGES: Final[dict[type[ev.IncidentEvent], Any]] = {
    ev.AlertAttached: _attached,
    ev.LateAmended: _attached,
    ev.AlertResolved: _alert_resolved,
    ev.AlertMoved: _alert_moved,
    ev.AlertsLeft: _alerts_left,
    ev.Merged: _merged,
    ev.Linked: _linked,
    ev.SeverityRaised: _announced,
    ev.Reannounced: _announced,
    ev.Acknowledged: _acknowledged,
    ev.AcknowledgementExpired: _acknowledgement_expired,
    ev.Investigating: _acknowledged,
    ev.Mitigated: _mitigated,
    ev.Resolved: _resolved,
    ev.Reopened: _reopened,
    ev.Closed: _closed,
    **said.CHANGES,
}
