"""Who hears of an event, and what a message may say of it. Pure functions that decide, evolve and dry runs read.

In: an incident or escalation event and the rules. Out: channels, step word, urgency, context. Invariants: some channel
is always named; a context is JSON-ready and at most `CONTEXT_BYTES_MAX`.
It renders nothing: that is the channel's part.
"""

from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.domain import events as ev
from tocsin.domain import grading
from tocsin.domain.condition import that_hold
from tocsin.domain.directory import Recipient
from tocsin.domain.escalation import next_of, steps_for
from tocsin.domain.header import HEADER_BYTES_MAX, IncidentHeader, cut_text
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import NotifyRules, Route, Rules
from tocsin.domain.rules.notification import TEAM
from tocsin.domain.severity import Severity
from tocsin.domain.sla import ACKNOWLEDGE
from tocsin.wire.events import rfc3339

CONTEXT_BYTES_MAX: Final = 16 * 1024
"""A planned delivery stays in the state until it is finished: ten thousand of them must fit into memory."""
NOTE_MAX: Final = 1000
TEXT_MAX: Final = 4000
WORD_MAX: Final = 300
"""Characters of a person's note, of an update to people, and of a reason or an actor."""

_WHEN: Final = attrgetter("when")
"""The condition of a route."""
FALLBACK: Final = "console"
"""Where rules that name no channel at all lead: a message is never for nobody."""

CALLS: Final = frozenset(
    {
        "incident.opened",
        "incident.reopened",
        "incident.severity_raised",
        "incident.reannounced",
        "incident.acknowledgement_expired",
        "incident.unsuppressed",
    }
)
"""Steps that ask somebody to answer. Who has answered needs them no more."""
GOOD_NEWS: Final = frozenset({"incident.resolved", "incident.closed"})
"""Steps that are wrong once the incident is open again."""
URGENT: Final = Severity.CRITICAL
"""From this severity up a call is a page."""
PLANNED_ANEW: Final = (ev.Opened, ev.Reopened, ev.AcknowledgementExpired)
"""Incident events after which the escalation starts from the top, so that the rules alone tell what comes next."""

INSISTS: Final = ".insists"
"""End of the step of a call that an acknowledgement does not take back."""

Told = ev.IncidentEvent | ev.EscalationEvent


def step_of(event: Told) -> str:
    """The word of the step: the event's type; with level and repeat for a call, with the target for a promise."""
    if isinstance(event, ev.EscalationFired):
        again = f".{event.step.repeat}" if event.step.repeat else ""
        return f"escalation.{event.step.level}{again}{INSISTS if event.insists else ''}"
    return f"{event.TYPE}.{event.target}" if isinstance(event, ev.SlaEvent) else event.TYPE


def answers(word: str, step: str) -> bool:
    """Whether an incident that is answered (`word`) makes a message of `step` pointless.

    A promise to resolve is not kept by an acknowledgement, and what insists calls in spite of it.
    """
    if step.endswith(INSISTS):
        return word != "acknowledged"
    if step.startswith("sla."):
        return word != "acknowledged" or step.endswith(f".{ACKNOWLEDGE}")
    return step in CALLS or step.startswith("escalation.")


MERGED: Final = "merged"


def answer_in(event: ev.IncidentEvent) -> str:
    """How the incident is answered after `event`: `merged`, `closed`, `resolved`, `acknowledged`; empty = it is not."""
    header = event.header
    if isinstance(event, ev.Closed) and event.merged_into:
        return MERGED
    if header.status in (Status.RESOLVED, Status.CLOSED):
        return header.status.value
    return "acknowledged" if header.acknowledged_at is not None else ""


def routes_for(header: IncidentHeader, rules: NotifyRules, now: Instant) -> tuple[Route, ...]:
    """The routes whose condition holds at `now`, in order."""
    return that_hold(rules.routes, _WHEN, header, now)


def channels_for(header: IncidentHeader, rules: NotifyRules, now: Instant) -> tuple[str, ...]:
    """The channels of all routes for the team that match at `now`, each once; those of the catch-all when none does."""
    matching = (
        channel for route in routes_for(header, rules, now) if route.audience == TEAM for channel in route.channels
    )
    return tuple(dict.fromkeys(matching)) or tuple(dict.fromkeys(rules.catch_all)) or (FALLBACK,)


class Addressed(NamedTuple):
    """Over which channel a call goes to whom."""

    channel: str
    recipient: str
    contacts: dict[str, tuple[str, ...]]


def addressed(fired: ev.EscalationFired, rules: NotifyRules) -> list[Addressed]:
    """One for each (recipient, channel): the own channels of whoever is called, else those of the step, else those of
    the routes."""
    targets = fired.targets or (Recipient(recipient=f"team:{fired.team}", contacts=fired.contacts),)
    named = fired.step.notification_channels
    found = {}
    for target in targets:
        for channel in target.channels or named or channels_for(fired.header, rules, fired.recorded_at):
            found[channel, target.recipient] = Addressed(channel, target.recipient, target.contacts)
    return list(found.values())


def is_page(event: Told) -> bool:
    """Whether a message about `event` is urgent: every call of an escalation, and what asks for an answer from
    `URGENT` up."""
    return isinstance(event, ev.EscalationFired) or (event.TYPE in CALLS and event.header.severity.rank <= URGENT.rank)


def context_of(event: Told, rules: Rules) -> dict[str, Any]:
    """What a template may use, as JSON-ready values: `type, reason, actor, event_id, recorded_at, incident`, and where
    they apply `note, was, merged_into, escalation, sla, next`."""
    context: dict[str, Any] = {
        "type": event.TYPE,
        "reason": cut_text(event.reason, WORD_MAX),
        "actor": cut_text(event.actor, WORD_MAX),
        "event_id": ev.event_id(event),
        "recorded_at": rfc3339(event.recorded_at),
        "incident": shown(event.header) | _label(event.header, rules),
    }
    if note := getattr(event, "note", ""):
        context["note"] = cut_text(note, NOTE_MAX)
    elif isinstance(event, ev.UpdatedPeople | ev.UpdateRequested) and event.text:
        context["note"] = cut_text(event.text, TEXT_MAX)
    if isinstance(event, ev.SeverityRaised):
        context["was"] = event.was.value
        if (label := grading.label_of(event.was, rules.severity)) != event.was.value:
            context["was_label"] = label
    elif isinstance(event, ev.Closed) and event.merged_into:
        context["merged_into"] = event.merged_into
    elif isinstance(event, ev.EscalationFired):
        context["escalation"] = {
            "level": event.step.level,
            "target": event.step.escalate_to,
            "team": event.team,
            "repeat": event.step.repeat,
            "due_at": rfc3339(event.step.due_at),
            "lateness_seconds": event.lateness_seconds,
            "reason": event.reason,
            "missed": event.missed,
        }
    elif isinstance(event, ev.SlaEvent):
        context["sla"] = {"target": event.target, "due_at": rfc3339(event.target_due_at)}
    if upcoming := _upcoming(event, rules):
        context["next"] = {
            "level": upcoming.level,
            "target": upcoming.escalate_to,
            "due_at": rfc3339(upcoming.due_at),
        }
    return context


def _upcoming(event: Told, rules: Rules) -> ev.EscalationStep | None:
    """What escalates next, where it is certain."""
    if isinstance(event, ev.EscalationFired):
        return event.upcoming
    if isinstance(event, PLANNED_ANEW) and event.header.acknowledged_at is None:
        return next_of(steps_for(event.header, rules, event.recorded_at))
    return None


def _label(header: IncidentHeader, rules: Rules) -> dict[str, str]:
    """How people call the severity, where that is another word."""
    label = grading.label_of(header.severity, rules.severity)
    return {} if label == header.severity.value else {"severity_label": label}


def shown(header: IncidentHeader) -> dict[str, Any]:
    """The header as plain values, none left out, so that a receiver finds every field. A header that breaks its limit
    loses what is long: the message still goes out."""
    shown = {name: msgspec.to_builtins(getattr(header, name)) for name in header.__struct_fields__}
    if len(msgspec.json.encode(shown)) > HEADER_BYTES_MAX * 2:
        shown.update(labels={}, links={}, summary="")
    return shown
