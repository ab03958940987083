"""Who keeps one thing for an incident (a message with buttons, an alert, a ticket) has it follow the incident's status.

In: an incident event, after whoever hears of it anyway. Out: planned deliveries for the others who were told of the
incident over such a channel. Invariants: nobody to whom nothing was sent hears anything; it is never a page, and counts
against no limit: it changes what is there; a system in which it was asked for needs not be told, people do.
It knows no channel: which ones keep something current is a rule.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.header import is_test
from tocsin.domain.rules import NotifyRules
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.plan import Addressed, context_of, step_of
from tocsin.notify.write import Pen

FOLLOWED: Final = (ev.Acknowledged, ev.Investigating, ev.Mitigated, ev.Resolved, ev.Closed, ev.Reopened)
"""What changes the status. But for the last it asks nobody for anything; whoever is not called by that either finds the
buttons again."""


FOLLOWS: Final = "follows"
"""In the context: it changes something, and is of no use anywhere else."""


def follows(pen: Pen, event: ev.IncidentEvent) -> Iterator[ev.Event]:
    """The changed status, for everybody whose thing would show the old one."""
    rules = pen.rules.notify
    if not isinstance(event, FOLLOWED) or not rules.current or is_test(event.header):
        return
    outside = _outside(rules)
    holders = _holders(pen, event.incident_id)
    hearing = {to[:2] for to in holders if _hears(pen, event, to)}
    asking = isinstance(event, ev.Reopened)
    changed = {_handle(pen, event, *one) for one in hearing} if asking else set()
    for to in holders:
        if to.channel not in rules.current or to.recipient in outside or not is_told(rules, event, to.channel):
            continue
        if to[:2] in hearing or (asking and _handle(pen, event, *to[:2]) in changed):
            continue
        planned = pen.planned(event, to, context_of(event, pen.rules) | {FOLLOWS: True})
        yield replace(planned, page=False)


def _hears(pen: Pen, event: ev.IncidentEvent, to: Addressed) -> bool:
    """Whether the recipient is told of it anyway."""
    return pen.delivery_id(ev.event_id(event), step_of(event), to) in pen.state.deliveries


def _handle(pen: Pen, event: ev.IncidentEvent, channel: str, recipient: str) -> tuple[str, str]:
    """Where the recipient's message is: two may have the same one."""
    last = pen.state.last_told(event.incident_id, channel, recipient)
    return channel, (last.handle if last is not None else "") or recipient


def _holders(pen: Pen, incident_id: str) -> list[Addressed]:
    """Who has something, or gets it in this moment: that would say what was true before."""
    found: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
        (one.channel, one.recipient): {} for one in pen.state.told.get(incident_id, ()) if one.handle
    }
    on_the_way = {(one.channel, one.recipient): one.contacts for one in pen.state.of(incident_id) if one.sending}
    return [Addressed(*to, contacts) for to, contacts in (found | on_the_way).items()]


def is_told(rules: NotifyRules, event: ev.IncidentEvent, channel: str) -> bool:
    """Whether `channel` hears of what may have been asked for over it."""
    return channel != event.origin or channel in rules.echoes


def _outside(rules: NotifyRules) -> set[str]:
    """The channels that speak to others than the team only, as recipients: their routes say what they hear."""
    team = {channel for route in rules.routes if route.audience == TEAM for channel in route.channels}
    return {f"channel:{channel}" for route in rules.routes if route.audience != TEAM for channel in route.channels} - {
        f"channel:{channel}" for channel in team
    }
