"""What may follow what. The table is the only place that knows; the handbook and the property tests read it too."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tocsin.domain.errors import IllegalTransition


class Status(StrEnum):
    """Where an incident stands, in the order of its life."""

    OPEN = "open"
    INVESTIGATING = "investigating"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"


OPEN, INVESTIGATING, ACKNOWLEDGED, MITIGATED, RESOLVED, CLOSED = Status

UNFINISHED: Final = frozenset({OPEN, INVESTIGATING, ACKNOWLEDGED, MITIGATED})
"""Statuses in which somebody still has to do something."""

AFTER: Final[Mapping[tuple[Status, str], Status]] = {
    (OPEN, "acknowledge"): ACKNOWLEDGED,
    (OPEN, "investigate"): INVESTIGATING,
    (OPEN, "mitigate"): MITIGATED,
    (OPEN, "resolve"): RESOLVED,
    (OPEN, "close"): CLOSED,
    (INVESTIGATING, "acknowledge"): ACKNOWLEDGED,
    (INVESTIGATING, "mitigate"): MITIGATED,
    (INVESTIGATING, "resolve"): RESOLVED,
    (INVESTIGATING, "close"): CLOSED,
    (ACKNOWLEDGED, "investigate"): INVESTIGATING,
    (ACKNOWLEDGED, "mitigate"): MITIGATED,
    (ACKNOWLEDGED, "resolve"): RESOLVED,
    (ACKNOWLEDGED, "close"): CLOSED,
    (MITIGATED, "resolve"): RESOLVED,
    (MITIGATED, "close"): CLOSED,
    (MITIGATED, "reopen"): OPEN,
    (RESOLVED, "close"): CLOSED,
    (RESOLVED, "reopen"): OPEN,
    (CLOSED, "reopen"): OPEN,
}

LEADS_TO: Final[Mapping[str, Status]] = {
    "acknowledge": ACKNOWLEDGED,
    "investigate": INVESTIGATING,
    "mitigate": MITIGATED,
    "resolve": RESOLVED,
    "close": CLOSED,
    "reopen": OPEN,
}
"""The status each verb aims at: from there the verb is `unchanged`, not an error."""

ACKNOWLEDGES: Final = frozenset({"acknowledge", "investigate", "mitigate", "resolve", "close"})
"""Verbs that set `acknowledged_at` when it is not set. Escalation stops on `acknowledged_at`."""


def status_after(status: Status, verb: str) -> Status:
    """Status that `verb` leads to from `status`.

    Raises:
        IllegalTransition: naming the verbs that are legal from `status`; nothing has changed.
    """
    try:
        return AFTER[status, verb]
    except KeyError:
        legal = ", ".join(sorted(word for state, word in AFTER if state is status))
        raise IllegalTransition(f"{verb} is not possible while {status}; possible: {legal}") from None
