"""How an incident closes, whoever closes it, and what may stand in the way."""

from typing import Any, Final

from tocsin.correlate.grouping import rule_named
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import CLOSED
from tocsin.domain.rules import Rules

SNOOZE: Final = "snooze"
"""The cause of quiet that a person asked for."""


def closed(
    pen: Pen, incident: Incident, reason: str, note: str = "", header: dict[str, Any] | None = None, **fields: Any
) -> ev.Closed:
    """The end of an incident; what a person wanted quiet has no need of it any more."""
    retire_due_at = pen.now + rule_named(incident.rule, pen.rules).retire_after
    after = {**(header or {}), "status": CLOSED}
    if incident.header.suppressed_by == SNOOZE:
        after |= {"suppressed_by": "", "suppressed_until": None}
    return pen.change(ev.Closed, incident, reason, after, retire_due_at=retire_due_at, note=note, **fields)


def lacks_root_cause(incident: Incident, rules: Rules) -> bool:
    """Whether the rules want a root cause before an incident of this severity closes, and it has none."""
    required = rules.severity.root_cause_required
    if incident.header.severity not in required:
        return False
    return incident.details is None or not incident.details.root_cause


def check_root_cause(incident: Incident, rules: Rules) -> None:
    """Raises `Reject` `root_cause_required`: it lacks one."""
    if lacks_root_cause(incident, rules):
        raise Reject(
            "root_cause_required",
            f"{incident.header.number} is {incident.header.severity.value}: it closes only with a root cause; say it"
            " with `change` (root_cause, root_cause_category), then close it",
        )
