"""What a message makes of a ServiceNow ticket: the fields of a new one, and the changes of one that is there.

In: an effect, the words for it, the ticket as it stands. Out: JSON-ready fields for the Table API. Invariants: a note
begins with the id of its delivery, so that a repetition can be recognised; a ticket that people have moved on is not
moved back; what a source wrote is shown as text, never as markup.
Source: the vendor's pages on the Table API and on incident states; states of the default `incident` table.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.notify.channel import Words
from tocsin.notify.message import Message, body_of, clean, one_line
from tocsin.stage import Effect

NEW, IN_PROGRESS, ON_HOLD, RESOLVED, CLOSED, CANCELED = "1", "2", "3", "6", "7", "8"
OVER: Final = frozenset({RESOLVED, CLOSED, CANCELED})
LOCKED: Final = frozenset({CLOSED, CANCELED})
"""By default nobody may change a ticket in these."""

TITLE_MAX: Final = 160
"""Characters of `short_description` on a default instance."""
TEXT_MAX: Final = 4000
"""Characters of `description`, `close_notes` and a note."""
CORRELATION_MAX: Final = 100

URGENCY_AND_IMPACT: Final[Mapping[str, tuple[str, str]]] = {
    "emergency": ("1", "1"),
    "critical": ("1", "1"),
    "high": ("1", "2"),
    "medium": ("2", "2"),
    "low": ("3", "2"),
    "info": ("3", "3"),
}
"""The default lookup makes priority 1, 1, 2, 3, 4 and 5 of them."""

WORKED_ON: Final = frozenset({"incident.acknowledged", "incident.investigating", "incident.mitigated"})
ENDS: Final[Mapping[str, str]] = {"incident.resolved": RESOLVED, "incident.closed": CLOSED}
AGAIN: Final = "incident.reopened"

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_MARKUP: Final = re.compile(r"\[(/?)code\]", re.IGNORECASE)
"""Between these a journal field renders HTML."""
_SYS_ID: Final = re.compile(r"[0-9a-f]{32}")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as the Table API shows it."""

    sys_id: str
    number: str = ""
    state: str = ""
    notes: str = ""
    """All that were asked for and may be read."""


def ticket_of(result: object) -> Ticket | None:
    """The ticket in `result` of an answer: one record, or a list whose first counts; None = there is none."""
    record = result[0] if isinstance(result, list) and result else result
    if not isinstance(record, dict) or not is_sys_id(value := _value(record, "sys_id")):
        return None
    return Ticket(
        sys_id=value,
        number=one_line(_value(record, "number"), 40),
        state=_value(record, "state"),
        notes=_value(record, "work_notes", shown=True),
    )


def _value(record: Mapping[str, Any], name: str, *, shown: bool = False) -> str:
    """With `sysparm_display_value=all` a field is an object of both values."""
    value = record.get(name)
    if isinstance(value, dict):
        value = value.get("display_value" if shown else "value")
    return value if isinstance(value, str) else ""


def is_sys_id(text: str) -> bool:
    return _SYS_ID.fullmatch(text) is not None


def correlation_of(effect: Effect) -> str:
    """`correlation_id`: the incident; of a message about none, the delivery. It holds no operator of a query."""
    incident = effect.context.get("incident")
    found = incident.get("id") if isinstance(incident, dict) else None
    return _UNSAFE.sub("-", str(found or effect.delivery_id))[:CORRELATION_MAX]


def mark_of(effect: Effect) -> str:
    """What a note of this delivery begins with."""
    return f"[{one_line(effect.delivery_id, 60)}]"


def new_ticket(
    effect: Effect,
    message: Message,
    words: Words | None,
    *,
    page: str,
    fields: Mapping[str, str],
    follows: str = "",
    possible_duplicate: bool,
) -> dict[str, str]:
    """The fields of a ticket for the incident; `follows`: the number of the one before, which is closed."""
    title = (words and words.subject) or " ".join(part for part in (message.number, message.title) if part)
    urgency, impact = URGENCY_AND_IMPACT.get(message.grade, URGENCY_AND_IMPACT["medium"])
    before = f"Follows {follows}, which is closed.\n\n" if follows else ""
    text = before + ((words and words.body) or body_of(message))
    return {
        "short_description": _text(one_line(title or message.subject, TITLE_MAX), TITLE_MAX) or "A message of tocsin",
        "description": _text(f"{text}\n\n{page}" if page else text),
        "urgency": urgency,
        "impact": impact,
        **fields,
        "correlation_id": correlation_of(effect),
        "correlation_display": one_line(message.number or "tocsin", CORRELATION_MAX),
        "work_notes": _note(effect, message, None, page=page, possible_duplicate=possible_duplicate),
    }


def changes(
    effect: Effect,
    message: Message,
    words: Words | None,
    ticket: Ticket,
    *,
    page: str,
    close_code: str,
    possible_duplicate: bool,
) -> dict[str, str]:
    """What is new for `ticket`."""
    kind = str(effect.context.get("type", ""))
    found = {"work_notes": _note(effect, message, words, page=page, possible_duplicate=possible_duplicate)}
    state = state_after(kind, ticket.state)
    if state:
        found["state"] = state
    if state in OVER:
        found |= {"close_code": close_code, "close_notes": _text(_ending(message))}
    elif kind not in ENDS and message.grade in URGENCY_AND_IMPACT:
        found["urgency"], found["impact"] = URGENCY_AND_IMPACT[message.grade]
    return found


def state_after(kind: str, state: str) -> str:
    """The state that an event of `kind` gives a ticket in `state`; empty = it keeps its own."""
    if kind in WORKED_ON:
        return IN_PROGRESS if state == NEW else ""
    if kind == AGAIN:
        return IN_PROGRESS if state == RESOLVED else ""
    wanted = ENDS.get(kind, "")
    return "" if state in LOCKED or state == wanted else wanted


def _ending(message: Message) -> str:
    return message.note or f"{message.headline}: {message.title}"


def _note(effect: Effect, message: Message, words: Words | None, *, page: str, possible_duplicate: bool) -> str:
    repeated = " (possible duplicate)" if possible_duplicate else ""
    said = (words and words.body) or "\n".join(
        part
        for part in (
            message.headline,
            f"Severity: {message.severity}" if message.severity else "",
            message.note,
            f"{message.upcoming}." if message.upcoming else "",
            page,
        )
        if part
    )
    return _text(f"{mark_of(effect)}{repeated} {said}")


def _text(text: str, limit: int = TEXT_MAX) -> str:
    return clean(_MARKUP.sub(r"(\1code)", text), limit)
