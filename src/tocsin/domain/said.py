"""How an incident changes by what people say of it. `domain.incident.apply` calls these; nothing else does.

In: the book, an incident whose header is already the one of the event, the event. Out: the incident, changed in place.
Invariant: what is said makes the first `Details`; alerts alone never do.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.details import PLAIN, AbsorbedIncident, Answer, Details
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.playbook import PlaybookRun, finished, run_of, running, stepped
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


def answered(incident: "Incident", event: ev.Acknowledged) -> None:
    """Somebody acknowledged on behalf of a target."""
    details = detailed(incident)
    others = tuple(one for one in details.answers if one.target != event.target)
    details.answers = (*others, Answer(target=event.target, by=event.actor, at=event.recorded_at))


def begun_again(incident: "Incident") -> None:
    """It was reopened: whoever answered has to answer anew, and nobody watches a fix that did not hold."""
    if (details := incident.details) is not None:
        details.answers = ()
        details.watched_until = None
        details.closing_held = False


def over(incident: "Incident", event: ev.Closed) -> None:
    """It was closed: nothing is waited for."""
    if (details := incident.details) is not None:
        details.watched_until = details.snoozed_until = None
        details.closing_held = False
    if event.voided:
        detailed(incident).voided = True


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


def playbook_started(book: "Book", incident: "Incident", event: ev.PlaybookStarted) -> None:
    touched(book, incident, event)
    details = detailed(incident)
    run = run_of(event.playbook, event.title, event.steps, event.recorded_at, event.actor)
    details.playbooks = (*details.playbooks, run)


def playbook_step_done(book: "Book", incident: "Incident", event: ev.PlaybookStepDone) -> None:
    touched(book, incident, event)
    by, at = event.actor, event.recorded_at
    _run_changed(incident, event.playbook, lambda run: stepped(run, event.step, event.outcome, by, at, event.note))


def playbook_finished(book: "Book", incident: "Incident", event: ev.PlaybookFinished) -> None:
    _run_changed(incident, event.playbook, lambda run: finished(run, event.recorded_at))


def _run_changed(incident: "Incident", playbook: str, change: Callable[[PlaybookRun], PlaybookRun]) -> None:
    """Change the run of `playbook` that goes on; nothing when none does."""
    details = detailed(incident)
    if (run := running(details.playbooks, playbook)) is not None:
        details.playbooks = tuple(change(one) if one is run else one for one in details.playbooks)


CHANGES: Final[Mapping[type[ev.IncidentEvent], Any]] = {
    ev.Absorbed: absorbed,
    ev.Assigned: touched,
    ev.Changed: changed,
    ev.ClosingHeld: closing_held,
    ev.EscalationRequested: touched,
    ev.FollowUpChanged: follow_up_changed,
    ev.Noted: touched,
    ev.PlaybookFinished: playbook_finished,
    ev.PlaybookStarted: playbook_started,
    ev.PlaybookStepDone: playbook_step_done,
    ev.Recorded: recorded,
    ev.ResendRequested: touched,
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
