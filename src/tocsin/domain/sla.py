"""What is promised for an incident: acknowledged in time, resolved in time.

In: a severity, the targets of the rules, the instant a promise starts. Out: `Promise`s with all their instants, which
go into events; nothing is computed from rules again later.
Invariants: a promise is at risk before it is broken; a raised severity never moves a promise to a later instant.
It does not say what happens when a promise is broken; escalate does.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.rules import SlaTarget
from tocsin.domain.severity import Severity

ACKNOWLEDGE: Final = "acknowledge"
RESOLVE: Final = "resolve"
TARGETS: Final = (ACKNOWLEDGE, RESOLVE)

AT_RISK_AFTER: Final = 0.8
"""The part of the time after which a promise counts as at risk: late enough to be rare, early enough to act."""


class Promise(msgspec.Struct, frozen=True, gc=False):
    """One promise of one incident."""

    due_at: Instant
    risk_due_at: Instant | None
    """When it counts as at risk; None once that has been said."""
    breached: bool = False


def promised(since: Instant, within: timedelta) -> Promise:
    """The promise that starts at `since` and is due after `within`."""
    return Promise(since + within, since + within * AT_RISK_AFTER)


def promises_for(
    severity: Severity, targets: Mapping[Severity, SlaTarget], since: Instant, *, acknowledged: bool
) -> dict[str, Promise]:
    """The promises, by target, for an incident of `severity` from `since` on; empty for a severity without targets.

    Of an acknowledged incident only the resolving is still promised.
    """
    target = targets.get(severity)
    if target is None:
        return {}
    resolve = {} if target.resolve is None else {RESOLVE: promised(since, target.resolve)}
    if acknowledged or target.acknowledge is None:
        return resolve
    return {ACKNOWLEDGE: promised(since, target.acknowledge), **resolve}


def tightened(old: Promise | None, new: Promise | None) -> Promise | None:
    """What is promised after a raise: the earlier of the two. What has been said of the old one is not said again."""
    if old is None or new is None:
        return new if old is None else old
    if old.breached or old.due_at <= new.due_at:
        return old
    return new if old.risk_due_at is not None else Promise(new.due_at, None)
