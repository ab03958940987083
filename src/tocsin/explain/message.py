"""What would be said of an event over a channel: the template that applies, and what it makes.

In: rules, a channel, the context of a delivery (of a recorded one, of a recorded event, or of the example of an event
type). Out: one JSON-ready document. Invariants: nothing is sent; a template that fails is named with its reason; links
hold no signature, by which who may only ask could answer.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.rules import Rules, Template
from tocsin.domain.rules.notification import TEAM
from tocsin.domain.severity import Severity
from tocsin.notify import digest
from tocsin.notify.audience import for_audience
from tocsin.notify.channel import Channel, Shows
from tocsin.notify.message import body_of, message_of
from tocsin.notify.plan import context_of, is_page
from tocsin.notify.state import DIGEST, Delivery
from tocsin.notify.wording import Templates, chosen, worded
from tocsin.notify.wording_language import BadTemplate, RenderError
from tocsin.stage import Effect
from tocsin.wire.examples import EVENTS

TOLD: Final = (ev.IncidentEvent, ev.EscalationFired, ev.SlaEvent)
"""What messages are about."""
NO_DELIVERY: Final = "ntf_explained"
_SIGNATURE: Final = re.compile(r"(/a/|[?&]t=)[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}")
"""The token of a signed link (`notify.links`)."""


def example_of(kind: str, rules: Rules, audience: str) -> dict[str, Any]:
    """The context of a message about the example event of type `kind`.

    Raises:
        Reject: `unknown_event`, there is none, or nobody is told of it.
    """
    if kind == DIGEST:
        return _digest(rules, audience)
    event = EVENTS.get(kind)
    if not isinstance(event, TOLD):
        raise Reject("unknown_event", f"no message is about {kind!r}")
    return context_for(event, rules, audience)


def _digest(rules: Rules, audience: str) -> dict[str, Any]:
    """The context of a digest of three messages about two incidents."""
    opened, resolved = EVENTS[ev.Opened.TYPE], EVENTS[ev.Resolved.TYPE]
    assert isinstance(opened, ev.Opened)
    assert isinstance(resolved, ev.Resolved)
    other: dict[str, Any] = {"number": "INC-2026-11-21-008", "title": "Checkout is slow", "severity": Severity.LOW}
    header = replace(opened.header, id=f"{opened.incident_id}_other", **other)
    told = [opened, replace(opened, incident_id=header.id, header=header), resolved]
    members = [
        Delivery(
            id=NO_DELIVERY,
            incident_id=event.incident_id,
            channel="",
            step=event.TYPE,
            recipient="",
            page=False,
            contacts={},
            context=context_for(event, rules, audience),
            order=order,
            due_at=event.recorded_at,
            ready_at=event.recorded_at,
        )
        for order, event in enumerate(told)
    ]
    return digest.context_of(digest.OVER_LIMIT, NO_DELIVERY, members, resolved.recorded_at) | {"_page": False}


def context_for(event: Any, rules: Rules, audience: str) -> dict[str, Any]:
    """The context of a message about a recorded event; see `plan.context_of`."""
    return for_audience(context_of(event, rules), audience or TEAM) | {"_page": is_page(event)}


def latest(recorded: Iterable[ev.Event], kind: str, rules: Rules, audience: str) -> dict[str, Any]:
    """The context of a message about the last event of type `kind` among `recorded`; any type when it is empty.

    Raises:
        Reject: `no_event`, there is none.
    """
    found = None
    for event in recorded:
        if isinstance(event, TOLD) and event.TYPE in ((kind,) if kind else rules.notify.events):
            found = event
    if found is None:
        raise Reject("no_event", f"nothing of type {kind!r} is recorded of it" if kind else "nobody was told of it")
    return context_for(found, rules, audience)


def explained(
    context: Mapping[str, Any], channel: Channel, rules: Rules, templates: Templates, own: Template | None = None
) -> dict[str, Any]:
    """What would be said over `channel`.

    Args:
        own: a template to try, instead of those of the rules.

    Raises:
        BadTemplate, RenderError: `own` does not work.
    """
    said = {name: value for name, value in context.items() if name != "_page"}
    name = "" if own is not None else chosen(rules.templates, channel.name, channel.kind, said)
    template, problem = own if own is not None else rules.templates.get(name), ""
    message = message_of(said)
    subject, body = message.subject, body_of(message)
    if template is not None:
        try:
            words = worded(template, channel.name, channel.kind, said, templates.url(said))
            subject, body = words.subject or subject, words.body or body
        except (BadTemplate, RenderError) as error:
            if own is not None:
                raise
            problem = str(error)
    effect = Effect(
        delivery_id=NO_DELIVERY,
        channel=channel.name,
        attempt=1,
        recipient=f"channel:{channel.name}",
        contacts={},
        context=said,
        page=bool(context.get("_page")),
    )
    with templates.instead(own):
        payload = channel.shown(effect) if isinstance(channel, Shows) else ""
    return {
        "channel": channel.name,
        "type": channel.kind,
        "event": said.get("type", ""),
        "audience": said.get("audience", TEAM),
        "incident": (said.get("incident") or {}).get("number", ""),
        "template": name,
        "problem": problem,
        "subject": _unsigned(subject),
        "body": _unsigned(body),
        "payload": _unsigned(payload),
    }


def _unsigned(text: str) -> str:
    return _SIGNATURE.sub(r"\1…", text)
