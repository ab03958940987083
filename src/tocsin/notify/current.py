"""Who keeps one thing for an incident (a message with buttons, an alert, a ticket) has it follow the incident's status.

In: an incident event, after whoever hears of it anyway. Out: planned deliveries for the others who were told of the
incident over such a channel. Invariants: nobody who was not told hears anything; it is never a page, and counts against
no limit: it changes what is there; a system in which it was asked for needs not be told, people do.
It knows no channel: which ones keep something current is a rule.
"""

from collections.abc import Iterator
from typing import Final

from tocsin.domain import events as ev
from tocsin.domain.header import is_test
from tocsin.domain.rules import NotifyRules
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.plan import Addressed, context_of, step_of
from tocsin.notify.write import Pen

FOLLOWED: Final = (ev.Acknowledged, ev.Investigating, ev.Mitigated, ev.Resolved, ev.Closed)
"""What changes the status without asking anybody for anything."""


def follows(pen: Pen, event: ev.IncidentEvent) -> Iterator[ev.Event]:
    """The changed status, for everybody whose thing would show the old one."""
    rules = pen.rules.notify
    if not isinstance(event, FOLLOWED) or not rules.current or is_test(event.header):
        return
    outside = _outside(rules)
    for one in tuple(pen.state.told.get(event.incident_id, ())):
        to = Addressed(one.channel, one.recipient, {})
        if not one.handle or one.channel not in rules.current or one.recipient in outside:
            continue
        if not is_told(rules, event, one.channel):
            continue
        if pen.delivery_id(ev.event_id(event), step_of(event), to) not in pen.state.deliveries:
            yield pen.planned(event, to, context_of(event, pen.rules))


def is_told(rules: NotifyRules, event: ev.IncidentEvent, channel: str) -> bool:
    """Whether `channel` hears of what may have been asked for over it."""
    return channel != event.origin or channel in rules.echoes


def _outside(rules: NotifyRules) -> set[str]:
    """The channels that speak to others than the team only, as recipients: their routes say what they hear."""
    team = {channel for route in rules.routes if route.audience == TEAM for channel in route.channels}
    return {f"channel:{channel}" for route in rules.routes if route.audience != TEAM for channel in route.channels} - {
        f"channel:{channel}" for channel in team
    }
