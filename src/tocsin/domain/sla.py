"""What is promised for an incident: acknowledged in time, resolved in time, people told in time.

In: an incident header, the targets of the rules, the instant a promise starts. Out: `Promise`s with all their instants,
which go into events; nothing is computed from rules again later.
Invariants: a promise is at risk before it is broken; a raised severity never moves a promise to a later instant. The
hours of a calendar count where one is named: that of the rule that matched, else that of the service.
It does not say what happens when a promise is broken; escalate does.
"""

from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.condition import holds
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Calendar, Rules, SlaTarget
from tocsin.domain.schedule.calendar import due_after, open_between

ACKNOWLEDGE: Final = "acknowledge"
RESOLVE: Final = "resolve"
UPDATE: Final = "update"
TARGETS: Final = (ACKNOWLEDGE, RESOLVE, UPDATE)

AT_RISK_AFTER: Final = 0.8
"""The part of the time after which a promise counts as at risk: late enough to be rare, early enough to act."""
UPDATE_MIN: Final = timedelta(seconds=1)
"""The shortest rhythm of updates: a broken one is due again at once otherwise."""


class Promise(msgspec.Struct, frozen=True, gc=False):
    """One promise of one incident."""

    due_at: Instant
    risk_due_at: Instant | None
    """When it counts as at risk; None once that has been said."""
    breached: bool = False


class Terms(NamedTuple):
    """What is promised for an incident, and in which hours."""

    target: SlaTarget
    calendar: Calendar | None = None


NOTHING: Final = Terms(SlaTarget())


def terms_for(header: IncidentHeader, rules: Rules, at: Instant) -> Terms:
    """The first of `rules.sla_rules` that matches and has a target for the severity, else the targets of the
    severity."""
    for rule in rules.sla_rules:
        found = rule.targets.get(header.severity)
        if found is not None and holds(rule.condition, header, at):
            return Terms(found, _hours(rule.calendar, header, rules))
    return Terms(rules.sla.get(header.severity, NOTHING.target), _hours("", header, rules))


def _hours(name: str, header: IncidentHeader, rules: Rules) -> Calendar | None:
    service = rules.services.get(header.service)
    return rules.calendars.get(name or (service.calendar if service is not None else ""))


def promised(since: Instant, within: timedelta, calendar: Calendar | None = None) -> Promise:
    """The promise that starts at `since` and is due after `within`, of the hours of `calendar` if there is one."""
    if calendar is None:
        return Promise(since + within, since + within * AT_RISK_AFTER)
    return Promise(due_after(calendar, since, within), due_after(calendar, since, within * AT_RISK_AFTER))


def promises_for(header: IncidentHeader, rules: Rules, since: Instant, *, acknowledged: bool) -> dict[str, Promise]:
    """The promises, by target, for an incident from `since` on; empty where nothing is promised.

    The acknowledgement of an acknowledged incident is promised no more.
    """
    target, calendar = terms_for(header, rules, since)
    promises = {}
    if target.acknowledge is not None and not acknowledged:
        promises[ACKNOWLEDGE] = promised(since, target.acknowledge, calendar)
    if target.resolve is not None:
        promises[RESOLVE] = promised(since, target.resolve, calendar)
    if target.update is not None:
        promises[UPDATE] = promised(since, max(UPDATE_MIN, target.update), calendar)
    return promises


def renewed(header: IncidentHeader, rules: Rules, since: Instant) -> Promise | None:
    """The promise of the next update after one at `since`; None where none is promised."""
    target, calendar = terms_for(header, rules, since)
    return promised(since, max(UPDATE_MIN, target.update), calendar) if target.update is not None else None


def tightened(old: Promise | None, new: Promise | None) -> Promise | None:
    """What is promised after a raise: the earlier of the two. What has been said of the old one is not said again."""
    if old is None or new is None:
        return new if old is None else old
    if old.breached or old.due_at <= new.due_at:
        return old
    return new if old.risk_due_at is not None else Promise(new.due_at, None)


def continued(promise: Promise, paused_at: Instant, now: Instant, calendar: Calendar | None) -> Promise:
    """A promise that stood still from `paused_at` to `now`: what was left of it is left now."""

    def later(due_at: Instant) -> Instant:
        if calendar is None or due_at <= paused_at:
            return due_at + (now - paused_at)
        return due_after(calendar, now, open_between(calendar, paused_at, due_at))

    if promise.breached:
        return promise
    risk = promise.risk_due_at
    return Promise(later(promise.due_at), None if risk is None else later(risk))
