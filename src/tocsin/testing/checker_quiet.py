"""What must hold of suppression; see `checker`.

In: the records that count. Out: problems, one sentence each. Nobody is called for an incident that is suppressed as far
as notify had read (but for calls that a person asked for); every suppression names a cause; and what was held back is
made up for: in the end an open incident that nobody has answered was announced.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.testing.lines import INCIDENTS, NOTIFICATIONS, Line

__all__ = ["suppression"]

CAUSE: Final = re.compile(r"(silence|maintenance|inhibition):.+|threshold|flapping|snooze", re.DOTALL)
CALLS: Final = (
    "incident.opened",
    "incident.reopened",
    "incident.severity_raised",
    "incident.unsuppressed",
    "escalation.",
)
"""Begins of the steps that call somebody."""


@dataclass
class _Seen:
    """One incident, as its events tell it."""

    headers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """(offset, header)"""
    calls: dict[str, str] = field(default_factory=dict)
    """Delivery that calls somebody -> its last word."""

    def quiet_by(self, before: int, after: int) -> str:
        """What keeps it quiet for whoever has read up to `before`, and still for whoever has read up to `after`."""
        known: dict[str, Any] = next((header for place, header in reversed(self.headers) if place < before), {})
        later = [header for place, header in self.headers if before <= place < after]
        causes = [header.get("suppressed_by", "") for header in (known, *later)]
        return causes[0] if all(causes) else ""


def suppression(events: Sequence[Line], *, settled: bool) -> Iterator[str]:
    """See the module. `settled`: everything was worked."""
    incidents: dict[tuple[int, str], _Seen] = defaultdict(_Seen)
    for line in events:
        if line.topic == INCIDENTS and line.type.startswith("incident."):
            header = line.value["header"]
            incidents[line.partition, line.value["incident_id"]].headers.append((line.offset, header))
            yield from _named(line, header.get("suppressed_by", ""))
    excepted: set[str] = set()
    for line, before, after in _read([line for line in events if line.topic == NOTIFICATIONS]):
        if line.type.startswith("delivery."):
            seen = incidents[line.partition, line.value["incident_id"]]
            yield from _delivery(line, seen, before, after, excepted)
    if settled:
        yield from _made_up_for(incidents)


def _read(lines: Sequence[Line]) -> Iterator[tuple[Line, int, int]]:
    """Each record of notify with how far it had read the incidents before and after the commit of the record."""
    before: dict[int, int] = defaultdict(int)
    commit: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        commit[line.partition].append(line)
        position = json.loads(line.headers.get("tocsin_position", "{}")).get("sources", {})
        if f"{INCIDENTS}/{line.partition}" in position:
            after = position[f"{INCIDENTS}/{line.partition}"][0]
            yield from ((one, before[line.partition], after) for one in commit.pop(line.partition))
            before[line.partition] = after
    yield from ((one, before[one.partition], before[one.partition]) for rest in commit.values() for one in rest)


def _named(line: Line, cause: str) -> Iterator[str]:
    if line.type == "incident.suppressed" and not cause:
        yield f"{line.where}: suppressed by nothing"
    if line.type == "incident.unsuppressed" and cause:
        yield f"{line.where}: not suppressed any more, and by {cause}"
    if cause and not CAUSE.fullmatch(cause):
        yield f"{line.where}: {cause!r} is no cause"


def _delivery(line: Line, seen: _Seen, before: int, after: int, excepted: set[str]) -> Iterator[str]:
    event, word = line.value, line.type.removeprefix("delivery.")
    name = event["delivery_id"]
    if word == "planned" and event["step"].startswith(CALLS):
        seen.calls[name] = word
        if (event["context"].get("escalation") or {}).get("reason") == "requested":
            excepted.add(name)
    elif name in seen.calls:
        seen.calls[name] = word
    if word == "suppressed" and not CAUSE.fullmatch(event.get("reason", "")):
        yield f"{line.where}: {name} is held back by {event.get('reason')!r}, which is no cause"
    called = word == "attempted" and name in seen.calls and name not in excepted
    if called and (cause := seen.quiet_by(before, after)):
        yield f"{line.where}: {name} calls for {event['incident_id']}, which was suppressed by {cause}"


def _made_up_for(incidents: dict[tuple[int, str], _Seen]) -> Iterator[str]:
    for (_, incident), seen in sorted(incidents.items()):
        if not seen.headers:
            continue  # a digest: it is about many
        was_suppressed = any(header.get("suppressed_by") for _, header in seen.headers)
        was_answered = any(header.get("acknowledged_at") for _, header in seen.headers)
        last = seen.headers[-1][1]
        if not was_suppressed or was_answered or last["status"] != "open" or last.get("suppressed_by"):
            continue
        if all(word in ("suppressed", "withdrawn") for word in seen.calls.values()):
            yield f"{incident} is open, nobody has answered, and nobody was told: {sorted(seen.calls.values())}"
