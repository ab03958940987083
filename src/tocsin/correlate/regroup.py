"""Out of order: compute the sessions of a group anew and write the difference.

In: a group, and perhaps an alert that is not attached yet. Out: the events that make the incidents of the group equal
to the canonical sessions (`domain.window`): `opened` or attached for the new alert, `alerts_left` + `alert_moved`,
`merged` + `closed`, `linked`. What a person has touched is pinned: it survives merges, its members stay, two pinned
ones are linked.

Only what may still change takes part: the sessions from the one that is open at the finality mark on.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec

from tocsin.correlate.attach import attach, open_new
from tocsin.correlate.closing import closed
from tocsin.correlate.grouping import Placement, window_of
from tocsin.correlate.state import State
from tocsin.correlate.suppress import at_recut
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.alert import AlertBody, AlertFacts
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.lifecycle import UNFINISHED, Status
from tocsin.domain.window import Piece, Session, canonical

FINGERPRINTS_MAX: Final = 1000
"""Named in a `merged` event, which moves every member whether it is named or not: 32 KB of its 256."""
MOVED_MAX: Final = 2000
"""Members in one `alert_moved`: ids and fingerprints of 60 bytes each stay within one event."""

NEW = ""
"""Stands for the alert that is not attached yet, in place of a member's id."""


def kept_sessions(state: State, group_id: str) -> list[Incident]:
    """Incidents of the group whose sessions may still change, by begin: above the finality mark, and the last before
    it.
    """
    group = state.groups.get(group_id)
    if group is None:
        return []
    placed: list[tuple[Instant, str]] = []
    for incident_id in group.sessions:
        incident = state.incidents[incident_id]
        reach = state.roster(incident_id).where(incident.gap)
        placed.append((reach.begun if reach else incident.header.opened_at, incident_id))
    placed.sort()
    final = state.final_before()
    if final is not None:
        below = sum(begun <= final for begun, _ in placed)
        placed = placed[max(below - 1, 0) :]
    return [state.incidents[incident_id] for _, incident_id in placed]


def regroup(
    pen: Pen, where: Placement, partition_key: str, new: tuple[AlertFacts, AlertBody] | None = None
) -> Iterator[ev.Event]:
    """Make the kept incidents of a group equal to its canonical sessions."""
    state = pen.state
    kept = kept_sessions(state, where.group)
    plan = Plan(state, kept, new[0] if new else None, where)
    if new is not None:
        facts, body = new
        place = plan.place[NEW]
        survivor = plan.survivors[place]
        if survivor is None:
            for event in open_new(pen, where, partition_key, facts, body, earlier=place < len(plan.homes) - 1):
                plan.survivors[place] = getattr(event, "incident_id", None)
                yield event
        else:
            reason = "bridged" if len(plan.homes[place]) > 1 else "joined_out_of_order"
            yield from attach(pen, state.incidents[survivor], facts, reason)
    yield from _moves(pen, plan, where, partition_key)
    for survivor, incidents in zip(plan.survivors, plan.homes, strict=True):
        for absorbed in incidents:
            if survivor is not None and absorbed != survivor:
                yield from _merge(pen, state.incidents[survivor], state.incidents[absorbed])


class Plan:
    """The canonical sessions, and for each the incidents that are at home there: where their earliest member is."""

    def __init__(self, state: State, kept: list[Incident], new: AlertFacts | None, where: Placement) -> None:
        pieces = [
            piece for incident in kept for member in state.members(incident.id) for piece in _pieces(member, incident)
        ]
        if new is not None:
            pieces.append(Piece(new.start, False, NEW, new.last))
        self.sessions: list[Session] = canonical(pieces, window_of(where.rule))
        self.place: dict[str, int] = {
            member: number for number, session in enumerate(self.sessions) for member in session.members
        }
        self.kept = kept
        self.homes: list[list[str]] = [[] for _ in self.sessions]
        for incident in kept:
            earliest = min(state.members(incident.id), key=_by_start, default=None)
            if earliest is not None:
                self.homes[self.place[earliest.alert_id]].append(incident.id)
        self.survivors: list[str | None] = [_survivor(state, incidents) for incidents in self.homes]


def _by_start(member: Member) -> tuple[Instant, str]:
    return member.start, member.alert_id


def _pieces(member: Member, incident: Incident) -> Iterator[Piece]:
    settled_at = member.resolved_at or incident.settled_at
    for number, span in enumerate(member.spans):
        yield Piece(span.start, number > 0, member.alert_id, span.end, settled_at)


def _survivor(state: State, incidents: list[str]) -> str | None:
    """The pinned one, else the earliest by (event time, id)."""
    if not incidents:
        return None
    ranked = [state.incidents[one] for one in incidents]
    return min(ranked, key=lambda one: (not one.pinned, one.event_time or EPOCH, one.id)).id


def _moves(pen: Pen, plan: Plan, where: Placement, partition_key: str) -> Iterator[ev.Event]:
    """Members whose session is not the one where their incident is at home move to the incident of their session."""
    state = pen.state
    leaving: dict[tuple[int, str], list[Member]] = {}
    for incident in plan.kept:
        if incident.pinned:
            continue
        home = next((number for number, incidents in enumerate(plan.homes) if incident.id in incidents), None)
        for member in state.members(incident.id):
            number = plan.place.get(member.alert_id, home)
            if number is not None and number != home:
                leaving.setdefault((number, incident.id), []).append(member)
    for (number, source_id), members in sorted(leaving.items(), key=itemgetter(0)):
        members.sort(key=_by_start)
        target_id = plan.survivors[number]
        if target_id is None:
            opened = _opened_for(pen, state.incidents[source_id], members, where, partition_key)
            target_id = plan.survivors[number] = opened.incident_id
            yield opened
        for start in range(0, len(members), MOVED_MAX):
            yield from _move(pen, where, source_id, target_id, members[start : start + MOVED_MAX])


def _move(pen: Pen, where: Placement, source_id: str, target_id: str, members: list[Member]) -> Iterator[ev.Event]:
    """Both halves of a move: what leaves one incident and arrives at the other."""
    state = pen.state
    source, target = state.incidents[source_id], state.incidents[target_id]
    fingerprints = tuple(sorted({member.fingerprint for member in members}))
    left = _counts(state, source_id, without=members)
    quiet = left["firing"] == 0 and source.header.status in UNFINISHED
    yield pen.change(
        ev.AlertsLeft,
        source,
        "window_recut",
        left,
        moved_to=target_id,
        fingerprints=fingerprints,
        resolve_due_at=pen.now + where.rule.resolve_delay if quiet else None,
    )
    yield pen.change(
        ev.AlertMoved,
        target,
        "window_recut",
        _arrival(state, target, members),
        moved_from=source_id,
        alert_ids=tuple(member.alert_id for member in members),
        fingerprints=fingerprints,
    )


def _opened_for(pen: Pen, source: Incident, members: list[Member], where: Placement, partition_key: str) -> ev.Opened:
    """A new incident for members that leave `source`; they arrive by the `alert_moved` that follows."""
    first = members[0]
    number, ordinal = pen.next_number()
    header = msgspec.structs.replace(
        source.header,
        id=pen.id_for(first.alert_id, first.fingerprint, first.start),
        number=number,
        version=1,
        title=first.title,
        severity=first.severity,
        status=Status.OPEN,
        opened_at=pen.now,
        service=first.service or source.header.service,
        acknowledged_at=None,
        acknowledged_by="",
        suppressed_by="",
        suppressed_until=None,
        alerts=0,
        firing=0,
        occurrences=0,
    )
    if pen.suppression is not None:
        header = at_recut(pen, header, partition_key, members)
    return pen.opening(header, ordinal, where, partition_key, first.start, "window_recut", previous=source.id)


def _counts(
    state: State, incident_id: str, *, plus: list[Member] | None = None, without: list[Member] | None = None
) -> dict[str, int]:
    """Header counts of an incident after members came or left."""
    members = dict(state.roster(incident_id).members)
    members.update({member.alert_id: member for member in plus or ()})
    for member in without or ():
        members.pop(member.alert_id, None)
    incident = state.incidents[incident_id]
    moved = sum(member.occurrences for member in plus or ()) - sum(member.occurrences for member in without or ())
    return {
        "alerts": len({member.fingerprint for member in members.values()}),
        "firing": len({member.fingerprint for member in members.values() if member.firing}),
        "occurrences": incident.occurrences + moved,
    }


def _arrival(state: State, target: Incident, members: list[Member]) -> dict[str, object]:
    """The header after members moved in: severity never falls, the title comes from the earliest, and an incident that
    was resolved is open again when one of them fires (without a page: they were announced where they come from)."""
    counts = _counts(state, target.id, plus=members)
    highest = min([target.header.severity, *(member.severity for member in members)], key=lambda one: one.rank)
    header: dict[str, object] = {**counts, "severity": highest}
    first = min(members, key=lambda member: (member.start, member.fingerprint), default=None)
    if first is None:  # a declared one without alerts
        return header
    if target.titled_by is None or (first.start, first.fingerprint) < target.titled_by:
        header["title"] = first.title
    if target.header.status is Status.RESOLVED and any(member.firing for member in members):
        header |= {"status": Status.OPEN, "acknowledged_at": None, "acknowledged_by": ""}
    return header


def _merge(pen: Pen, survivor: Incident, absorbed: Incident) -> Iterator[ev.Event]:
    """`absorbed` goes into `survivor` without a new page; two that people have touched are only linked."""
    if absorbed.pinned:
        if absorbed.id not in survivor.linked:
            yield pen.change(ev.Linked, survivor, "both_pinned", linked_to=absorbed.id)
            yield pen.change(ev.Linked, absorbed, "both_pinned", linked_to=survivor.id)
        return
    yield from merged(pen, survivor, absorbed, "bridged")


def merged(pen: Pen, survivor: Incident, absorbed: Incident, reason: str, note: str = "") -> Iterator[ev.Event]:
    """All members of `absorbed` move to `survivor`; then it closes."""
    members = list(pen.state.members(absorbed.id))
    yield pen.change(
        ev.Merged,
        survivor,
        reason,
        _arrival(pen.state, survivor, members),
        absorbed=absorbed.id,
        fingerprints=tuple(sorted({member.fingerprint for member in members}))[:FINGERPRINTS_MAX],
    )
    counts = {"alerts": 0, "firing": 0, "occurrences": 0}
    yield closed(pen, absorbed, "merged", note, counts, merged_into=survivor.id)
