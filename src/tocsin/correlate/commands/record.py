"""What people write down with an incident, and the words they ask for or give."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.details import FOLLOW_UPS_MAX, RECORDS_MAX, FollowUp, Record
from tocsin.domain.errors import Reject
from tocsin.domain.incident import Incident

Given = dict[str, Any]


def note(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    yield pen.change(ev.Noted, incident, "noted", note=given["text"])


def assign(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    header = {name: given[name] for name in ("assignee", "team") if given.get(name)}
    if any(getattr(incident.header, name) != value for name, value in header.items()):
        yield pen.change(ev.Assigned, incident, "assigned", header, note=reason)


def recorded(kind: str) -> Callable[[Pen, Incident, Given, str], Iterator[ev.Event]]:
    """The function of the verb `kind`: evidence, decision or validation."""

    def record(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
        known = incident.details.records if incident.details is not None else ()
        if len(known) >= RECORDS_MAX:
            raise Reject("too_many", f"{incident.header.number} has {RECORDS_MAX} records; note the rest or link to it")
        one = Record(kind=kind, text=given["text"], link=given.get("link", ""), at=pen.now, by=pen.actor)
        yield pen.change(ev.Recorded, incident, "recorded", record=one)

    return record


def follow_up(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """One more thing to do; numbered in the order of their coming."""
    known = incident.details.follow_ups if incident.details is not None else ()
    if len(known) >= FOLLOW_UPS_MAX:
        raise Reject("too_many", f"{incident.header.number} has {FOLLOW_UPS_MAX} follow-ups")
    one = FollowUp(
        id=f"f{len(known) + 1}",
        text=given["text"],
        owner=given.get("owner", ""),
        due_at=given.get("due_at"),
        link=given.get("link", ""),
    )
    yield pen.change(ev.FollowUpChanged, incident, "follow_up_added", follow_up=one, note=reason)


def follow_up_done(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """It is done; nothing when it is already.

    Raises:
        Reject: `unknown_follow_up`.
    """
    known = {one.id: one for one in incident.details.follow_ups} if incident.details is not None else {}
    one_id = given["follow_up"]
    one = known.get(one_id)
    if one is None:
        has = ", ".join(known) or "none"
        raise Reject("unknown_follow_up", f"{incident.header.number} has no follow-up {one_id!r}; it has {has}")
    if one.done_at is None:
        done = msgspec.structs.replace(one, done_at=pen.now, done_by=pen.actor)
        yield pen.change(ev.FollowUpChanged, incident, "follow_up_done", follow_up=done, note=reason)


def escalate(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """Asked for; whom it reaches is escalate's part."""
    asked = {"level": given.get("level"), "target": given.get("target", ""), "note": reason}
    yield pen.change(ev.EscalationRequested, incident, "escalation_requested", **asked)


def resend(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    """Asked for; what is sent is notify's part."""
    asked = {name: given[name] for name in ("delivery", "channel", "recipient") if name in given}
    yield pen.change(ev.ResendRequested, incident, "resend_requested", **asked, note=reason)


def request_update(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    asked = {"text": given.get("text") or reason, "audience": given.get("audience", "")}
    yield pen.change(ev.UpdateRequested, incident, "update_requested", **asked)


def post_update(pen: Pen, incident: Incident, given: Given, reason: str) -> Iterator[ev.Event]:
    told = {"text": given["text"], "audience": given.get("audience", "")}
    yield pen.change(ev.UpdatedPeople, incident, "updated_people", **told)


VERBS: Final[Mapping[str, Callable[[Pen, Incident, Given, str], Iterator[ev.Event]]]] = {
    "note": note,
    "assign": assign,
    "evidence": recorded("evidence"),
    "decision": recorded("decision"),
    "validation": recorded("validation"),
    "follow_up": follow_up,
    "follow_up_done": follow_up_done,
    "escalate": escalate,
    "resend": resend,
    "request_update": request_update,
    "post_update": post_update,
}
