"""What people know of an incident: fields of the header, impact, cause; the severity that follows; who does what."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.correlate.grouping import rule_named
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.details import PLAIN, Details, Roles
from tocsin.domain.errors import Reject
from tocsin.domain.events import FieldChange
from tocsin.domain.grading import known_severity, severity_from
from tocsin.domain.header import SUMMARY_MAX, TITLE_MAX, cut_text
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity

OF_HEADER: Final = ("title", "summary", "service", "team", "category")
_NONE: Final = Details()


def change(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Set what is given; the severity by its word, else by impact and urgency when both are known and one is new.

    Raises:
        Reject: `missing_title`, `unknown_severity`, words that the severity matrix does not have.
    """
    if given.get("title") == "":
        raise Reject("missing_title", "an incident needs a title")
    if given.get("category") == "":
        raise Reject("missing_category", "an incident needs a category")
    details = incident.details or _NONE
    level = given.get("impact", {}).get("level", details.impact.level)
    urgency = given.get("urgency", details.urgency)
    asked = "severity" in given or "urgency" in given or "level" in given.get("impact", {})
    severity = worked_out(given, level, urgency, pen.rules) if asked else None
    yield from described(pen, incident, given, note)
    if severity is not None:
        yield from graded(pen, incident, severity, note)


def worked_out(given: Mapping[str, Any], level: str, urgency: str, rules: Rules) -> Severity | None:
    """The severity that a person means; None when nothing says it.

    Raises:
        Reject: the word, or one of the words of the matrix, is unknown.
    """
    if word := given.get("severity", ""):
        severity = known_severity(word, rules)
        if severity is None:
            raise Reject("unknown_severity", f"{word!r} is no severity; known: {', '.join(Severity)}")
        return severity
    if not level or not urgency:
        return None
    try:
        return severity_from(level, urgency, rules.severity)
    except ValueError as error:
        raise Reject("unknown_word", str(error)) from error


def graded(pen: Pen, incident: Incident, severity: Severity, note: str) -> Iterator[ev.Event]:
    """Raised or lowered; nothing when it is so."""
    was = incident.header.severity
    if severity.rank < was.rank:
        yield pen.change(ev.SeverityRaised, incident, "set_by_person", {"severity": severity}, was=was)
    elif severity.rank > was.rank:
        yield pen.change(ev.SeverityLowered, incident, "set_by_person", {"severity": severity}, was=was, note=note)


def described(pen: Pen, incident: Incident, given: Mapping[str, Any], note: str) -> Iterator[ev.Event]:
    """One `changed` with every field that is another one now; nothing when none is."""
    details = incident.details or _NONE
    header: dict[str, Any] = {}
    changes: dict[str, FieldChange] = {}
    for name, now in given.items():
        if name in OF_HEADER:
            limit = TITLE_MAX if name == "title" else SUMMARY_MAX
            header[name] = cut_text(now, limit)
            changes[name] = FieldChange(was=getattr(incident.header, name), now=header[name])
        elif name in PLAIN:
            changes[name] = FieldChange(was=getattr(details, name), now=now)
    for name, now in given.get("impact", {}).items():
        changes[f"impact.{name}"] = FieldChange(was=getattr(details.impact, name), now=now)
    changes = {name: one for name, one in changes.items() if one.was != one.now}
    if not changes:
        return
    close_due_at = None
    if details.closing_held and incident.header.status is Status.RESOLVED and changes.get("root_cause"):
        close_due_at = pen.now + rule_named(incident.rule, pen.rules).close_after
    yield pen.change(ev.Changed, incident, "changed", header, changes=changes, close_due_at=close_due_at, note=note)


def set_roles(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Who does what; a role that is not given stays."""
    was = incident.details.roles if incident.details is not None else Roles()
    now = msgspec.structs.replace(was, **given)
    if now != was:
        yield pen.change(ev.RolesChanged, incident, "roles_changed", was=was, now=now, note=note)
