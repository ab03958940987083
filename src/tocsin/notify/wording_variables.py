"""What templates may name: the variables, where each comes from, and their values for one message.

In: the context of a delivery, the channel. Out: variables by name, as JSON values; the table of all of them.
Invariants: every variable is always there, empty where a message has nothing of it; `incident` has the fields of the
incident header as they stand in every event, so that its part of the table is that of the schema; texts that stand
alone are free of control characters.
It renders nothing.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

from tocsin.domain.header import IncidentHeader
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.message import Message, body_of, clean, instant_text, message_of, one_line

TEXT_MAX: Final = 4000
"""Letters of a description or a note: what an update to people may have."""


class Variable(NamedTuple):
    """One line of the table."""

    name: str
    kind: str
    """`text`, `number`, `list`, `table`; `fields` where the names are known."""
    help: str


FLAT: Final = (
    Variable("title", "text", "Title of the incident."),
    Variable("description", "text", "What a source or person wrote of it; may have several lines."),
    Variable("severity", "text", "As people call it: the word of the scheme, else of tocsin."),
    Variable("timestamp", "text", "When it happened, in UTC."),
    Variable("headline", "text", "What has happened: `New incident`, `Resolved by ana`."),
    Variable("subject", "text", "The built-in subject."),
    Variable("body", "text", "The built-in text."),
    Variable("number", "text", "`INC-2026-11-21-007`."),
    Variable("id", "text", "Id of the incident."),
    Variable("status", "text", "`open`, `acknowledged`, …"),
    Variable("service", "text", "What it is about."),
    Variable("category", "text", "`database`, `security`, …"),
    Variable("team", "text", "Who answers for it."),
    Variable("assignee", "text", "Who works on it."),
    Variable("source", "text", "Who noticed."),
    Variable("acknowledged_by", "text", "Who has answered."),
    Variable("opened_at", "text", "When it opened, in UTC."),
    Variable("alerts", "number", "Distinct alerts."),
    Variable("firing", "number", "Those of them that fire."),
    Variable("occurrences", "number", "Sightings of them."),
    Variable("labels", "table", "Labels that its group was made by: `{{ labels.cluster }}`."),
    Variable("links", "table", "Links by name: `{{ links.runbook }}`."),
    Variable("url", "text", "Page of the incident; empty without `http.external_url`."),
    Variable("note", "text", "What somebody wrote with it, or the text of an update."),
    Variable("actor", "text", "Who did it; empty when tocsin did."),
    Variable("reason", "text", "Why, in one word."),
    Variable("event", "text", "Type of the event: `incident.opened`."),
    Variable("audience", "text", "Who reads it: `team`, `customers`, …"),
    Variable("channel", "text", "Name of the channel."),
    Variable("channel_type", "text", "Type of the channel: `email`, …"),
    Variable("was", "text", "Severity before, when it was raised."),
    Variable("level", "number", "Of an escalation."),
    Variable("target", "text", "Whom an escalation calls."),
    Variable("next_level", "number", "Level that is called next, if nobody answers."),
    Variable("next_target", "text", "Whom it calls."),
    Variable("next_due_at", "text", "When, in UTC."),
    Variable("upcoming", "text", "The same in a sentence."),
    Variable("promise", "text", "Of a promise at risk or broken: `acknowledge`, `resolve`, `update`."),
    Variable("due_at", "text", "When the promise or the call was due, in UTC."),
    Variable("count", "number", "Messages that a digest stands for; else 1."),
    Variable("facts", "list", "Label and value pairs of the built-in text."),
    Variable("incident", "fields", "The incident as it stands in the event; instants as in RFC 3339."),
    Variable("context", "table", "Everything that is known of the message, as webhooks send it."),
)
"""In the order of the handbook."""

_KINDS: Final = {str: "text", int: "number", float: "number", dict: "table", tuple: "list"}


@cache
def variables() -> tuple[Variable, ...]:
    """Every variable, the fields of `incident` behind it as `incident.title`."""
    fields = tuple(Variable(f"incident.{name}", kind, help) for name, (kind, help) in incident_fields().items())
    at = next(place for place, one in enumerate(FLAT, 1) if one.name == "incident")
    return (*FLAT[:at], *fields, *FLAT[at:])


@cache
def incident_fields() -> Mapping[str, tuple[str, str]]:
    """Name of a field of the incident header -> its kind and what the source says of it."""
    from tocsin.wire.schema import field_docs  # only who reads the table needs the schemas

    words, hints = field_docs(IncidentHeader), get_type_hints(IncidentHeader)
    found = {name: (_kind(hints[name]), words.get(name, "")) for name in IncidentHeader.__struct_fields__}
    plain = {one.name: one.help for one in FLAT if one.name not in ("severity", "links")}
    found = {name: (kind, help or plain.get(name, "")) for name, (kind, help) in found.items()}
    return {**found, "severity_label": ("text", "Its severity in the word of the scheme, where that is another.")}


@cache
def known() -> Mapping[str, frozenset[str] | None]:
    """Names that a template may use, with the fields where they are known."""
    fields = frozenset((*IncidentHeader.__struct_fields__, "severity_label"))
    return {one.name: fields if one.name == "incident" else None for one in FLAT}


def values_of(context: Mapping[str, Any], channel: str, kind: str, url: str = "") -> dict[str, Any]:
    """Every variable for the message with `context` over `channel`, which is of type `kind`."""
    message = message_of(context)
    incident: Mapping[str, Any] = context.get("incident") or {}
    call: Mapping[str, Any] = context.get("escalation") or {}
    promise: Mapping[str, Any] = context.get("sla") or {}
    coming: Mapping[str, Any] = context.get("next") or {}
    plain = {name: one_line(incident.get(name) or "") for name in _PLAIN}
    actor = str(context.get("actor", ""))
    return {
        **plain,
        **_built_in(message),
        "description": clean(incident.get("summary", ""), TEXT_MAX),
        "severity": one_line(incident.get("severity_label") or incident.get("severity") or ""),
        "timestamp": instant_text(context.get("recorded_at")),
        "opened_at": instant_text(incident.get("opened_at")),
        "alerts": incident.get("alerts", 0),
        "firing": incident.get("firing", 0),
        "occurrences": incident.get("occurrences", 0),
        "labels": incident.get("labels") or {},
        "links": dict(message.links),
        "url": url,
        "note": clean(context.get("note", ""), TEXT_MAX),
        "actor": "" if actor == "tocsin" else one_line(actor),
        "reason": one_line(context.get("reason", "")),
        "event": one_line(context.get("type", "")),
        "audience": one_line(context.get("audience") or TEAM),
        "channel": channel,
        "channel_type": kind,
        "was": one_line(context.get("was_label") or context.get("was") or ""),
        "level": call.get("level", ""),
        "target": one_line(call.get("target", "")),
        "next_level": coming.get("level", ""),
        "next_target": one_line(coming.get("target", "")),
        "next_due_at": instant_text(coming.get("due_at")),
        "promise": one_line(promise.get("target", "")),
        "due_at": instant_text(promise.get("due_at") or call.get("due_at")),
        "count": (context.get("digest") or {}).get("count", 1),
        "incident": incident,
        "context": context,
    }


_PLAIN: Final = ("title", "number", "id", "status", "service", "category", "team", "assignee", "source",
                 "acknowledged_by")  # fmt: skip
"""Fields of the incident that are one line as they are."""


def _built_in(message: Message) -> dict[str, Any]:
    return {
        "headline": message.headline,
        "subject": message.subject,
        "body": body_of(message),
        "upcoming": message.upcoming,
        "facts": [list(fact) for fact in message.facts],
        "title": message.title,
    }


def _kind(hint: Any) -> str:
    origin = getattr(hint, "__origin__", hint)
    return _KINDS.get(origin, "text")
