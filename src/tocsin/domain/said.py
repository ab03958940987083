"""How an incident changes by what people say of it. `domain.incident.apply` calls these; nothing else does.

In: the book, an incident whose header is already the one of the event, the event. Out: the incident, changed in place.
Invariant: what is said makes the first `Details`; alerts alone never do.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.details import PLAIN, AbsorbedIncident, Details
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.pulse import Pulse

if TYPE_CHECKING:
    from tocsin.domain.incident import Book, Incident


def detailed(incident: "Incident") -> Details:
    """The details of `incident`, made when there are none."""
    if incident.details is None:
        incident.details = Details()
    return incident.details


def touched(book: "Book", incident: "Incident", event: ev.IncidentEvent) -> None:
    """A person pins what they touch."""
    if event.actor != ev.SYSTEM:
        incident.pinned = True


def changed(book: "Book", incident: "Incident", event: ev.Changed) -> None:
    touched(book, incident, event)
    impact: dict[str, Any] = {}
    for field, change in event.changes.items():
        whole, _, part = field.partition(".")
        if whole == "impact":
            impact[part] = change.now
        elif field in PLAIN:
            setattr(detailed(incident), field, change.now)
        elif field == "title":
            incident.titled_by = (EPOCH, "")  # a person's title stays
        elif field == "service" and change.now and change.now not in incident.services:
            incident.services = (*incident.services, str(change.now))
    if impact:
        details = detailed(incident)
        details.impact = msgspec.structs.replace(details.impact, **impact)
    if event.close_due_at is not None:
        incident.close_due_at = event.close_due_at
        detailed(incident).closing_held = False


def roles_changed(book: "Book", incident: "Incident", event: ev.RolesChanged) -> None:
    touched(book, incident, event)
    detailed(incident).roles = event.now


def follow_up_changed(book: "Book", incident: "Incident", event: ev.FollowUpChanged) -> None:
    touched(book, incident, event)
    details, one = detailed(incident), event.follow_up
    known = {found.id: found for found in details.follow_ups}
    details.follow_ups = tuple({**known, one.id: one}.values())


def recorded(book: "Book", incident: "Incident", event: ev.Recorded) -> None:
    touched(book, incident, event)
    details = detailed(incident)
    details.records = (*details.records, event.record)


def unlinked(book: "Book", incident: "Incident", event: ev.Unlinked) -> None:
    touched(book, incident, event)
    incident.linked = tuple(one for one in incident.linked if one != event.linked_to)


def absorbed(book: "Book", incident: "Incident", event: ev.Absorbed) -> None:
    touched(book, incident, event)
    details = detailed(incident)
    one = AbsorbedIncident(id=event.absorbed, number=event.number, title=event.title, alerts=event.alerts)
    details.absorbed = (*details.absorbed, one)


def watch_started(book: "Book", incident: "Incident", event: ev.WatchStarted) -> None:
    touched(book, incident, event)
    detailed(incident).watched_until = event.watch_due_at
    if event.close_due_at is not None:
        incident.close_due_at = event.close_due_at


def watch_ended(book: "Book", incident: "Incident", event: ev.WatchEnded) -> None:
    detailed(incident).watched_until = None


def closing_held(book: "Book", incident: "Incident", event: ev.ClosingHeld) -> None:
    incident.close_due_at = None
    detailed(incident).closing_held = True


def suppressed(book: "Book", incident: "Incident", event: ev.Suppressed) -> None:
    touched(book, incident, event)
    _seen(incident, event.seen)
    if event.snooze_due_at is not None or incident.details is not None:
        detailed(incident).snoozed_until = event.snooze_due_at


def unsuppressed(book: "Book", incident: "Incident", event: ev.Unsuppressed) -> None:
    _seen(incident, ())
    if incident.details is not None:
        incident.details.snoozed_until = None


def _seen(incident: "Incident", seen: tuple[Instant, ...]) -> None:
    if incident.pulse is not None or seen:
        incident.pulse = msgspec.structs.replace(incident.pulse or Pulse(), seen=seen)


def update_requested(book: "Book", incident: "Incident", event: ev.UpdateRequested) -> None:
    touched(book, incident, event)
    detailed(incident).update_requested_at = event.recorded_at


def updated_people(book: "Book", incident: "Incident", event: ev.UpdatedPeople) -> None:
    touched(book, incident, event)
    details = detailed(incident)
    details.updated_people_at, details.update_requested_at = event.recorded_at, None


CHANGES: Final[Mapping[type[ev.IncidentEvent], Any]] = {
    ev.Absorbed: absorbed,
    ev.Assigned: touched,
    ev.Changed: changed,
    ev.ClosingHeld: closing_held,
    ev.EscalationRequested: touched,
    ev.FollowUpChanged: follow_up_changed,
    ev.Noted: touched,
    ev.Recorded: recorded,
    ev.RolesChanged: roles_changed,
    ev.SeverityLowered: touched,
    ev.Suppressed: suppressed,
    ev.Unlinked: unlinked,
    ev.Unsuppressed: unsuppressed,
    ev.UpdateRequested: update_requested,
    ev.UpdatedPeople: updated_people,
    ev.WatchEnded: watch_ended,
    ev.WatchStarted: watch_started,
}
