"""What all events of escalate have in common, and plans as events.

In: what an event rests on, the escalation so far, steps and promises. Out: events with their ids. Invariant: (incident,
version it rests on, count) occurs once, so ids never repeat. It decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.agenda import Deadline
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.domain.sla import ACKNOWLEDGE, RESOLVE, UPDATE, Promise
from tocsin.escalate.state import Running
from tocsin.wire.events import rfc3339

E = TypeVar("E", bound=ev.EscalationEvent)

NO_PROMISE: Final[Mapping[str, Promise]] = {}


class Writer:
    """Makes the events that one input brings about."""

    __slots__ = ("_fields", "_partition")

    def __init__(self, partition: int, fields: dict[str, Any]) -> None:
        self._partition = partition
        self._fields = fields

    def write(self, kind: type[E], running: Running | None, **own: Any) -> E:
        """The next event of the escalation `running`, which is as it is after the one before."""
        fields = self._fields
        count = running.written + 1 if running else 1
        cause = (fields["incident_id"], str(fields["incident_version"]), str(count))
        return kind(**fields, id=ids.escalation_id(self._partition, *cause), **own)

    def plan(
        self,
        kind: type[E],
        running: Running | None,
        steps: Sequence[ev.EscalationStep],
        promises: Mapping[str, Promise],
        **own: Any,
    ) -> E:
        """The event that says everything that is still to come."""
        for target in (ACKNOWLEDGE, RESOLVE, UPDATE):
            if promise := promises.get(target):
                own[f"{target}_due_at"] = promise.due_at
                own[f"{target}_risk_due_at"] = promise.risk_due_at
        return self.write(kind, running, steps=tuple(steps), **own)


def on_incident(partition: int, event: ev.IncidentEvent, offset: int, rules: Rules, now: Instant) -> Writer:
    """For an incident event at `offset` of its journal."""
    return Writer(
        partition,
        {
            "recorded_at": now,
            "cause": ev.event_id(event),
            "rules_version": rules.version,
            "incident_id": event.incident_id,
            "incident_version": event.version,
            "incident_offset": offset,
            "header": event.header,
        },
    )


def on_deadline(partition: int, deadline: Deadline, running: Running, rules: Rules, now: Instant) -> Writer:
    """For a deadline of an escalation."""
    return Writer(
        partition,
        {
            "recorded_at": now,
            "cause": f"deadline:{deadline.kind}:{rfc3339(deadline.at)}",
            "rules_version": rules.version,
            "incident_id": deadline.subject,
            "incident_version": running.incident_version,
            "incident_offset": running.incident_offset,
            "header": running.header,
        },
    )
