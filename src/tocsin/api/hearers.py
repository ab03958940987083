"""Whom an update reaches that somebody posts: an update that nobody hears looks like one that was told.

In: the outcome of a command. Out: the same, for `post_update` with `told_over`, the channels that carry it by the rules
in force, and where there is none a `message` that says what is missing. It sends nothing: notify does.
"""

from contextlib import suppress
from typing import Any, Final

from tocsin.api.serving import Serving
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.rules import NotifyRules
from tocsin.notify import current
from tocsin.notify.audience import audience_of, is_addressed, is_told, routed
from tocsin.persist.recorded import events_of
from tocsin.wire.events import decode_value

VERB: Final = "post_update"


def with_hearers(serving: Serving, known: dict[str, Any]) -> dict[str, Any]:
    """`known`, the outcome of a command, with who hears of it where that is its purpose."""
    if known.get("verb") != VERB or known["outcome"] != "applied":
        return known
    rows, _ = events_of(serving.queries, known["incident"], types=(ev.UpdatedPeople.TYPE,))
    for row in reversed(rows):
        with suppress(Reject):  # of a newer version
            event = decode_value(row.type, row.value)
            if isinstance(event, ev.UpdatedPeople) and ev.event_id(event) in known["events"]:
                return {**known, **_told(event, serving.node.rules.notify)}
    return known


def _told(event: ev.UpdatedPeople, rules: NotifyRules) -> dict[str, Any]:
    carrying = routed(event, rules) if is_told(event, rules) else {}
    channels = [channel for channel in carrying if current.is_told(rules, event, channel)]
    if channels and event.header.suppressed_by and not is_addressed(event):
        return {"told_over": [], "message": f"nobody is told: the incident is quiet ({event.header.suppressed_by})"}
    if channels:
        return {"told_over": channels}
    missing = f"no route is for the audience {audience_of(event)}"
    if not is_addressed(event):
        missing = f"neither notify.events nor a route names {event.TYPE}"
    return {"told_over": [], "message": f"it is recorded, and nobody is told: {missing}"}
