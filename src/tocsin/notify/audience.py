"""For whom a message is: which audience a channel speaks to, whether an event is told at all, and what outsiders may
know.

In: an incident or escalation event, the rules. Out: channels with their audience, contexts. Invariants: a channel hears
of one event once, for the audience of the first route that names it; a route for another audience than the team carries
updates that are addressed to it, and besides only what its own `events` name; who stands outside learns no more of an
incident than `OUTSIDE_FIELDS`.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.header import is_test
from tocsin.domain.rules import NotifyRules, Route
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.plan import FALLBACK, Addressed, Told, addressed, routes_for

OUTSIDE: Final = frozenset({"customers", "partners", "regulator"})
"""Audiences that do not belong to the installation's own people."""
OUTSIDE_FIELDS: Final = ("number", "title", "severity", "severity_label", "status", "opened_at", "service")
"""What of an incident they may read: no summary, labels or links, which sources write for engineers; and no id, by
which channels offer the page of the incident and an acknowledgement."""
OUTSIDE_CONTEXT: Final = ("type", "event_id", "recorded_at", "note", "was", "was_label")


def audience_of(event: Told) -> str:
    """The audience that an event is addressed to: updates name one, everything else is for the team."""
    return (event.audience if isinstance(event, ev.UpdatedPeople) else "") or TEAM


def is_addressed(event: Told) -> bool:
    """Whether somebody addressed it to another audience than the team: it goes out, whatever is suppressed."""
    return audience_of(event) != TEAM


def routed(event: Told, rules: NotifyRules, *, owed: bool = False) -> dict[str, str]:
    """Channel to audience, in the order of the routes; those of the catch-all when no route is for the team.

    Args:
        owed: the team is told, though the event is none of those that notify: it makes up for one that was held back.
    """
    announced = owed or _is_announced(event, rules)
    carrying = [
        route for route in routes_for(event.header, rules, event.recorded_at) if _carries(route, event, announced)
    ]
    found: dict[str, str] = {}
    if announced and not any(route.audience == TEAM for route in carrying):
        found.update((channel, TEAM) for channel in rules.catch_all or (FALLBACK,))
    for route in carrying:
        for channel in route.channels:
            found.setdefault(channel, route.audience)
    return found


def is_told(event: ev.IncidentEvent, rules: NotifyRules) -> bool:
    """Whether anybody hears of an incident event, or somebody was meant to."""
    if is_test(event.header):
        return False
    announced = _is_announced(event, rules) or is_addressed(event)
    return announced or any(_carries(route, event, announced) for route in rules.routes)


def told_of(event: ev.EscalationEvent, rules: NotifyRules) -> list[tuple[Addressed, str]]:
    """Who hears of an escalation event, each with the audience: whoever is called, and the channels of the routes."""
    called = addressed(event, rules) if isinstance(event, ev.EscalationFired) and event.TYPE in rules.events else []
    found = {(one.channel, one.recipient): (one, TEAM) for one in called}
    for channel, audience in routed(event, rules).items():
        if audience != TEAM or not isinstance(event, ev.EscalationFired):
            recipient = f"channel:{channel}"
            found.setdefault((channel, recipient), (Addressed(channel, recipient, {}), audience))
    return list(found.values())


def for_audience(context: dict[str, Any], audience: str) -> dict[str, Any]:
    """`context` as `audience` may know it; the team's as it is."""
    if audience == TEAM:
        return context
    if audience not in OUTSIDE:
        return {**context, "audience": audience}
    incident: Mapping[str, Any] = context["incident"]
    kept: dict[str, Any] = {name: context[name] for name in OUTSIDE_CONTEXT if name in context}
    kept["incident"] = {name: incident[name] for name in OUTSIDE_FIELDS if name in incident}
    kept["audience"] = audience
    return kept


def _is_announced(event: Told, rules: NotifyRules) -> bool:
    """Whether the events that notify have this one, and it is for the team."""
    return event.TYPE in rules.events and audience_of(event) == TEAM


def _carries(route: Route, event: Told, announced: bool) -> bool:
    """Whether `route` carries an event of which the team hears (`announced`) or not."""
    if (asked := audience_of(event)) != TEAM:
        return route.audience == asked
    if route.events:
        return event.TYPE in route.events
    return route.audience == TEAM and announced
