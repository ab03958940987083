"""What escalate knows: per unfinished incident, the steps and promises that still run.

In: nothing but escalate's own events (`evolve.py`). Out: the next deadline. Invariants: the agenda holds for each
incident here what is due first of its earliest step and the unsaid instants of its promises, but of nothing that stands
still; an ended incident is not here.
It does not know incidents for which nothing was ever scheduled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tocsin.domain.agenda import Earliest
from tocsin.domain.events import EscalationStep
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.sla import TARGETS, Promise

STEP: Final = "escalation.step"
"""Kind of the deadline of the earliest step."""
AT_RISK: Final = {target: f"sla.{target}.at_risk" for target in TARGETS}
BREACH: Final = {target: f"sla.{target}.breach" for target in TARGETS}
"""Kinds of the deadlines of a promise, by its target."""


class Running(msgspec.Struct, kw_only=True):
    """The escalation of one incident."""

    header: IncidentHeader
    """As it was at `incident_version`."""
    incident_version: int
    incident_offset: int
    """Of the last incident event that something was written for."""
    steps: tuple[EscalationStep, ...] = ()
    """Still to come, in the order in which they are due."""
    promises: dict[str, Promise] = {}
    """By target; a broken one stays, so that it is not broken twice."""
    written: int = 0
    """Events written for it; makes their ids differ."""
    level: int = 0
    """The last that was called in this plan."""
    policy: str = ""
    """Name of the policy that the steps are of; empty = the rows of the rules."""
    paused_at: Instant | None = None
    """Since when no step is due, because the incident is suppressed."""
    promises_paused: bool = False
    awaited: tuple[str, ...] = ()
    """Who was called and has to acknowledge, each of them."""
    insists: bool = False
    """Somebody has acknowledged, and the plan goes on for those who have not."""
    breach_waits: bool = False
    """The promise to resolve was broken while no step was due: who hears of that hears it afterwards."""


@dataclass(slots=True)
class Escalations:
    """The state of one partition."""

    running: dict[str, Running] = field(default_factory=dict)
    """By incident id."""
    agenda: Earliest = field(default_factory=Earliest)

    def replan(self, incident_id: str) -> None:
        """Make the agenda say what is due first for this incident."""
        running = self.running.get(incident_id)
        self.agenda.put(incident_id, deadlines_of(running) if running else ())


def deadlines_of(running: Running) -> Iterator[tuple[Instant, str, str]]:
    """(instant, kind, incident id) of what is due for this incident."""
    incident_id = running.header.id
    if running.steps and running.paused_at is None:
        yield running.steps[0].due_at, STEP, incident_id
    if running.promises_paused:
        return
    for target, promise in running.promises.items():
        if not promise.breached:
            if promise.risk_due_at is not None:
                yield promise.risk_due_at, AT_RISK[target], incident_id
            yield promise.due_at, BREACH[target], incident_id


def incident_of(running: Running) -> str:
    """The key of an escalation."""
    return running.header.id
