"""What people do in ServiceNow, as a business rule there tells it.

In: the body `{sys_id, number, correlation_id, state, updated_by, sys_mod_count, …}`, read after its signature was found
right. Out: what is asked for. Invariants: a change that tocsin made itself asks for nothing, else two systems would
answer each other for ever; a ticket that is not of tocsin asks for nothing; the same change has the same key.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.notify.channel import Asked, Malformed
from tocsin.notify.channels.servicenow_ticket import CANCELED, CLOSED, IN_PROGRESS, OVER, RESOLVED, is_sys_id
from tocsin.notify.channels.webhook_call import object_of
from tocsin.notify.message import clean, one_line

WORD_MAX: Final = 128
NOTE_MAX: Final = 2000
"""Characters that are kept of what somebody wrote: a long note must not lose the state beside it."""
VERBS: Final[Mapping[str, str]] = {
    IN_PROGRESS: "acknowledge",
    RESOLVED: "resolve",
    CLOSED: "close",
    CANCELED: "close",
}
"""State of the ticket to what that asks for; the others ask for nothing."""
OURS: Final = re.compile(r"inc_[a-z2-7]{3,60}")
MARK: Final = re.compile(r"\[ntf_[a-z2-7]{3,60}\]")
"""In a note that tocsin wrote."""


def asked_of(body: bytes, own: str) -> tuple[Asked, ...]:
    """What a change of a ticket asks for; `own` = the user that tocsin is there.

    Raises:
        Malformed: it is not of that form; the message names the field.
    """
    document = object_of(body)
    sys_id = _word(document, "sys_id")
    if not is_sys_id(sys_id):
        raise Malformed("sys_id is not 32 hexadecimal digits")
    version = _word(document, "sys_mod_count") or _word(document, "updated_on")
    if not version:
        raise Malformed("sys_mod_count is missing")
    by, incident = _word(document, "updated_by"), _word(document, "correlation_id")
    if not OURS.fullmatch(incident) or (own and by.casefold() == own.casefold()):
        return ()
    key, found = f"{sys_id}.{version}", []
    where = f"in ServiceNow {one_line(_word(document, 'number'), 40)}".strip()
    note = clean(_word(document, "work_notes", None), NOTE_MAX)
    if note and not MARK.search(note):
        found.append(Asked(key=f"{key}.note", verb="note", incident=incident, arguments={"text": note}, reason=where))
    if verb := verb_of(_word(document, "previous_state"), _word(document, "state")):
        why = clean(_word(document, "close_notes", None), NOTE_MAX) if verb in ("resolve", "close") else ""
        found.append(Asked(key=key, verb=verb, incident=incident, reason=f"{where}: {why}" if why else where))
    name = one_line(_word(document, "updated_by_name", None), WORD_MAX)
    return tuple(msgspec.structs.replace(one, sender=one_line(by, WORD_MAX), sender_name=name) for one in found)


def verb_of(before: str, state: str) -> str:
    """What the change from `before` (empty = not told) to `state` asks for; empty = nothing."""
    if before == state:
        return ""
    if before in OVER and state and state not in OVER:
        return "reopen"
    return VERBS.get(state, "")


def _word(document: Mapping[str, Any], name: str, limit: int | None = WORD_MAX) -> str:
    """A text or a number, as ServiceNow writes either.

    Raises:
        Malformed: it is neither, or longer than `limit` characters.
    """
    value = document.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Malformed(f"{name} is neither a text nor a number")
    text = str(value).strip()
    if limit is not None and len(text) > limit:
        raise Malformed(f"{name} has more than {limit} characters")
    return text
