"""Incidents that belong together: links and merges.

A merge within the partition moves the members and closes the absorbed incident. The survivor may be in another
partition, which has another owner: then the absorbed incident is closed with `merged_into` and keeps its members, and
the state holds an `absorb` command for the survivor's partition until it is in the log there (`state.outbox`). The
survivor writes `absorbed`, or refuses; a refusal comes back as `release`, which opens the absorbed incident again.
Command ids are hashes of the events they follow from: whoever repeats one after a crash gets the same answer.
"""

from collections.abc import Iterator
from typing import Any

from tocsin.correlate.attach import reopened
from tocsin.correlate.closing import closed
from tocsin.correlate.commands.find import incident_of, partition_of
from tocsin.correlate.regroup import merged
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.details import ABSORBED_MAX, LINKED_MAX
from tocsin.domain.errors import Reject
from tocsin.domain.grading import known_severity
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import Status


def link(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Both say it, when both are here."""
    other = _other(pen, incident, given["to"])
    pairs = [(incident, other if isinstance(other, str) else other.id)]
    if not isinstance(other, str):
        pairs.append((other, incident.id))
    pairs = [(one, to) for one, to in pairs if to not in one.linked]
    if any(len(one.linked) >= LINKED_MAX for one, _ in pairs):
        raise Reject("too_many", f"an incident has at most {LINKED_MAX} links")
    for one, to in pairs:
        yield pen.change(ev.Linked, one, "linked", linked_to=to)


def unlink(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    known = pen.state.find(given["to"])
    to = known.id if known is not None else given["to"]
    pairs = [(incident, to), *([(known, incident.id)] if known is not None else [])]
    for one, linked_to in pairs:
        if linked_to in one.linked:
            yield pen.change(ev.Unlinked, one, "unlinked", linked_to=linked_to)


def _other(pen: Pen, incident: Incident, reference: str) -> Incident | str:
    """The incident that `reference` means; its id when it lives in another partition.

    Raises:
        Reject: there is none, it is the incident itself, or an id is needed.
    """
    partition = partition_of(reference)
    if partition is not None and partition != pen.partition and partition < pen.partitions:
        return reference
    try:
        other = incident_of(pen.state, reference)
    except Reject as error:
        if error.word == "unknown_incident" and partition is None and pen.partitions > 1:
            raise Reject("id_needed", f"{reference} is not in this partition: give its id (inc_…)") from error
        raise
    if other is incident:
        raise Reject("same_incident", f"{reference} is this incident")
    return other


def merge(pen: Pen, absorbed: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """`absorbed` goes on as part of another incident.

    Raises:
        Reject: that one is closed, is this one, or there is none.
    """
    survivor = _other(pen, absorbed, given["into"])
    if isinstance(survivor, str):
        yield closed(pen, absorbed, "merged", note, merged_into=survivor)
        return
    if survivor.header.status is Status.CLOSED:
        raise Reject("survivor_closed", f"{survivor.header.number} is closed: reopen it first")
    yield from merged(pen, survivor, absorbed, "merged_by_person", note)


def absorb(pen: Pen, survivor: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """The other half of a merge across partitions: this incident goes on; resolved, it is open again for what fires."""
    known = survivor.details.absorbed if survivor.details is not None else ()
    if any(one.id == given["absorbed"] for one in known):
        return
    if len(known) >= ABSORBED_MAX:
        raise Reject("too_many", f"{survivor.header.number} has absorbed {ABSORBED_MAX} incidents already")
    told = {name: given[name] for name in ("absorbed", "number", "title", "alerts") if name in given}
    yield pen.change(ev.Absorbed, survivor, "merged_by_person", **told)
    if survivor.header.status is Status.RESOLVED and given.get("firing", 0):
        yield reopened(pen, survivor, "merged_by_person")
    was = survivor.header.severity
    severity = known_severity(given.get("severity", ""), pen.rules)
    if severity is not None and severity.rank < was.rank:
        yield pen.change(ev.SeverityRaised, survivor, "merged_by_person", {"severity": severity}, was=was)


def release(pen: Pen, reference: str, note: str) -> Iterator[ev.Event]:
    """The survivor of a merge refused: open again. Nothing when it is open again already.

    Raises:
        Reject: there is no such incident any more.
    """
    absorbed = pen.state.incidents.get(reference)
    if absorbed is None:
        raise Reject("unknown_incident", f"there is no incident {reference!r}")
    # No command but this one is taken while it counts as merged, so it is that merge which was refused.
    if absorbed.merged_into is not None and absorbed.merged_into not in pen.state.incidents:
        yield reopened(pen, absorbed, "merge_refused", note=note)
