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
    **{(status, "void"): CLOSED for status in Status},
}
"""What a verb makes of a status, where it moves it. A voided incident is closed for good."""

ANY: Final = frozenset(Status)

IN: Final[Mapping[str, frozenset[Status]]] = {
    "assign": ANY,
    "note": ANY,
    "change": ANY,
    "set_roles": ANY,
    "link": ANY,
    "unlink": ANY,
    "merge": ANY - {CLOSED},
    "absorb": ANY - {CLOSED},
    "release": frozenset({CLOSED}),
    "snooze": UNFINISHED,
    "unsnooze": ANY,
    "watch": frozenset({MITIGATED, RESOLVED}),
    "end_watch": ANY,
    "evidence": ANY,
    "decision": ANY,
    "validation": ANY,
    "follow_up": ANY,
    "follow_up_done": ANY,
    "escalate": UNFINISHED,
    "resend": ANY,
    "request_update": UNFINISHED,
    "post_update": ANY,
    "playbook_start": ANY - {CLOSED},
    "playbook_step": ANY,
}
"""Verb -> the statuses in which it is possible. These leave the status as it is."""

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


def possible(status: Status) -> list[str]:
    """The verbs that lead somewhere else from `status`."""
    return sorted(verb for was, verb in AFTER if was is status)


def check_possible(status: Status, verb: str) -> None:
    """Nothing when `verb`, which leaves the status as it is, is possible in `status`.

    Raises:
        IllegalTransition: it is not.
    """
    if status not in IN[verb]:
        legal = ", ".join(one for one in Status if one in IN[verb])
        raise IllegalTransition(f"{verb} is not possible while {status}; it is while {legal}")


def status_after(status: Status, verb: str) -> Status:
    """Status that `verb` leads to from `status`.

    Raises:
        IllegalTransition: naming the verbs that are legal from `status`; nothing has changed.
    """
    try:
        return AFTER[status, verb]
    except KeyError:
        legal = ", ".join(possible(status))
        raise IllegalTransition(f"{verb} is not possible while {status}; possible: {legal}") from None


def diagram() -> str:
    """The moves as a Mermaid state diagram: what the handbook shows."""
    lines = ["stateDiagram-v2", f"    [*] --> {OPEN.value}"]
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for (status, verb), after in AFTER.items():
        if verb != "void":  # from everywhere: it would hide the others
            arrows.setdefault((status, after), []).append(verb)
    lines += [f"    {status.value} --> {after.value}: {', '.join(verbs)}" for (status, after), verbs in arrows.items()]
    return "\n".join([*lines, f"    {CLOSED.value} --> [*]: retired"])
