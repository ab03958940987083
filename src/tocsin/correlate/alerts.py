"""What one sighting brings about: a repeat only counts; a new episode joins or opens; a resolve ends; the rest is
counted.

Every sighting leaves exactly one trace: as the first of a member, in a tally, in `alert_resolved`, or as a tombstone.
"""

from collections.abc import Iterator
from typing import Final

from tocsin.correlate.attach import attach, open_new
from tocsin.correlate.grouping import Placement, placement, rule_named, window_of
from tocsin.correlate.regroup import kept_sessions, regroup
from tocsin.correlate.state import TOMBSTONE_KEPT, State
from tocsin.correlate.suppress import at_sighting
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.alert import AlertBody, AlertFacts, AlertStatus, Episode, Sighting, event_time
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.domain.window import admits
from tocsin.wire.normalized import body_of


def on_sighting(pen: Pen, sighting: Sighting) -> Iterator[ev.Event]:
    """The events of one sighting (acknowledgements are commands; see `people.acknowledge_by_alert`)."""
    if sighting.status is AlertStatus.RESOLVED:
        return on_resolved(pen, sighting)
    return on_firing(pen, sighting)


# ---- firing --------------------------------------------------------------------------------------------------------


def on_firing(pen: Pen, sighting: Sighting) -> Iterator[ev.Event]:
    member = continues(pen.state, sighting)
    if member is not None:
        yield from repeat(pen, sighting, member)
        return
    state = pen.state
    body = body_of(sighting)
    facts = pen.facts(sighting, body)
    where = placement(body, sighting.partition_key, sighting.correlation_id, pen.rules)
    yield from join_or_open(pen, where, sighting.partition_key, facts, body)
    resolved_at = earliest_resolve(state, sighting.fingerprint, sighting.received_at, pen.now)
    if resolved_at is not None:
        member = state.alerts[facts.alert_id]
        yield resolved_members(pen, [member], resolved_at, "resolved_before_seen")
        yield from _if_not_last(pen, state.incidents[member.incident_id])


def continues(state: State, sighting: Sighting) -> Member | None:
    """The member whose episode a firing sighting continues, or that had ended after it was received (an old
    sighting).
    """
    if sighting.fingerprint not in state.known:
        return None
    starts_at = sighting.starts_at if sighting.episode is Episode.STARTS_AT else None
    key = (sighting.fingerprint, starts_at, sighting.correlation_id)
    for alert_id in state.episodes_of(key):
        member = state.alerts[alert_id]
        if member.episode is not sighting.episode:
            continue
        incident = state.incidents[member.incident_id]
        if member.resolved_at is not None and sighting.received_at > member.resolved_at:
            if incident.settled_at is not None and sighting.episode is Episode.STARTS_AT:
                return member  # the same episode never reopens what a person resolved
        elif sighting.episode is Episode.STARTS_AT:
            return member
        elif sighting.episode is Episode.KEYED:
            if incident.settled_at is None and incident.closed_at is None:
                return member  # a key goes on until it is resolved, by its source or by a person
        elif incident.closed_at is None and _touches(state, member, sighting):
            return member
    return None


def _touches(state: State, member: Member, sighting: Sighting) -> bool:
    """Whether a sighting without a `startsAt` lies within the gap of the member, with no resolve between the two."""
    at = sighting.received_at
    gap = state.incidents[member.incident_id].gap
    if all(at < span.start - gap or at > span.end + gap for span in member.spans):
        return False
    return at >= member.start or earliest_resolve(state, sighting.fingerprint, at, member.start) is None


def earliest_resolve(state: State, fingerprint: str, since: Instant, until: Instant) -> Instant | None:
    """The first known resolve of the fingerprint within [since, until]."""
    found = state.last_resolve.get(fingerprint)
    if found is not None and not since <= found <= until:
        found = None
    for alert_id in state.known_of(fingerprint):
        one = state.alerts[alert_id].resolved_at
        if one is not None and since <= one <= until and (found is None or one < found):
            found = one
    return found


def repeat(pen: Pen, sighting: Sighting, member: Member) -> Iterator[ev.Event]:
    """Count it; and if it moved a window so that it is cut elsewhere now, bring the group into order."""
    state = pen.state
    began = member.start
    yield tally(pen, sighting, member)
    incident = state.incidents[member.incident_id]
    if incident.is_counted:
        yield from at_sighting(pen, incident, sighting.received_at)
    if member.start < began or _reaches_next(state, incident):
        yield from settle_group(pen, incident)


def tally(pen: Pen, sighting: Sighting, member: Member) -> ev.Tallied:
    start, _ = event_time(sighting)
    one = ev.Tally(
        alert_id=member.alert_id,
        count=1,
        start=start,
        last=max(start, sighting.received_at),
        expires_at=sighting.expires_at if member.firing else None,
    )
    return ev.Tallied(tallies=(one,), **pen.stamps("repeat"))


def _reaches_next(state: State, incident: Incident) -> bool:
    """Whether the window of `incident` touches the next one of its group."""
    if len(state.groups[incident.group].sessions) < 2:
        return False
    kept = kept_sessions(state, incident.group)
    if incident not in kept[:-1]:
        return False
    following = kept[kept.index(incident) + 1]
    reach = state.roster(incident.id).where(incident.gap)
    beyond = state.roster(following.id).where(following.gap)
    return reach is not None and beyond is not None and beyond.begun <= reach.end + incident.gap


def _if_not_last(pen: Pen, incident: Incident) -> Iterator[ev.Event]:
    """A member settled: the next window of the group may belong to this one now."""
    kept = kept_sessions(pen.state, incident.group)
    if incident in kept[:-1]:
        yield from settle_group(pen, incident)


def settle_group(pen: Pen, incident: Incident) -> Iterator[ev.Event]:
    """Bring the windows of the incident's group into canonical order."""
    rule = rule_named(incident.rule, pen.rules)
    where = Placement(incident.group, incident.group_key, incident.header.labels, rule)
    return regroup(pen, where, incident.partition_key)


def join_or_open(
    pen: Pen, where: Placement, partition_key: str, facts: AlertFacts, body: AlertBody
) -> Iterator[ev.Event]:
    """A new episode: the short path when it is the latest of its group, else the canonical sessions."""
    state = pen.state
    group = state.groups.get(where.group)
    if group is None or not group.sessions:
        return open_new(pen, where, partition_key, facts, body)
    final = state.final_before()
    if final is not None and facts.start < final:
        return late(pen, where, partition_key, facts, body)
    kept = kept_sessions(state, where.group)
    for incident in kept:
        reach = state.roster(incident.id).where(incident.gap)
        if reach is not None and facts.start < reach.latest:
            return regroup(pen, where, partition_key, (facts, body))
    latest = kept[-1]
    reason = joins(state, latest, facts.start, where)
    if reason is None and latest.watch_due_at is not None:
        reason = "fired_while_watched"  # its window is over, but somebody wants to know whether the fix holds
    if reason is None:
        return open_new(pen, where, partition_key, facts, body)
    return attach(pen, latest, facts, reason)


JOINS: Final = {"window": "joined_open_group", "reopen": "within_reopen_window"}


def joins(state: State, incident: Incident, start: Instant, where: Placement) -> str | None:
    """The reason for which an alert that starts last in its group joins `incident`, or None."""
    window = window_of(where.rule)
    reach = state.roster(incident.id).where(incident.gap)
    if reach is None:  # declared, no alert yet
        return "joined_open_group" if start <= incident.header.opened_at + window.gap else None
    settled = (member.resolved_at or incident.settled_at for member in state.members(incident.id))
    why = admits(start, reach.begun, reach.end, settled, window)
    return JOINS[why] if why else None


def late(pen: Pen, where: Placement, partition_key: str, facts: AlertFacts, body: AlertBody) -> Iterator[ev.Event]:
    """Beyond the grace: it joins the incident whose window is nearest and moves nothing; without one it opens its
    own.
    """
    state = pen.state
    group = state.groups.get(where.group)
    nearest: tuple[float, str] | None = None
    for incident_id in group.sessions if group else ():
        incident = state.incidents[incident_id]
        reach = state.roster(incident_id).where(incident.gap)
        if reach is None:
            continue
        outside = max(reach.begun - facts.last, facts.start - reach.end)
        if outside <= incident.gap:
            nearest = min(nearest or (outside.total_seconds(), incident_id), (outside.total_seconds(), incident_id))
    if nearest is None:
        return open_new(pen, where, partition_key, facts, body)
    return attach(pen, state.incidents[nearest[1]], facts, "late_amended")


# ---- resolved ------------------------------------------------------------------------------------------------------


def on_resolved(pen: Pen, sighting: Sighting) -> Iterator[ev.Event]:
    """End every member of the fingerprint that was not seen firing later, at the earliest resolve; else only count it.

    A resolve is no sight of the alert: it lengthens no window, but it settles (`domain.window`).
    """
    state = pen.state
    at = sighting.received_at
    known = [state.alerts[alert_id] for alert_id in state.known_of(sighting.fingerprint)]
    by_incident: dict[str, list[Member]] = {}
    for member in known:
        if member.last <= at and (member.resolved_at is None or at < member.resolved_at):
            by_incident.setdefault(member.incident_id, []).append(member)
    for incident_id in sorted(by_incident):
        incident = state.incidents[incident_id]
        yield resolved_members(pen, by_incident[incident_id], at, "resolved")
        yield from _if_not_last(pen, incident)
    if known and not by_incident:
        member = known[-1]
        again = ev.Tally(alert_id=member.alert_id, count=1, start=member.last, last=member.last, resolved_at=at)
        yield ev.Tallied(tallies=(again,), **pen.stamps("resolved_again"))
    elif not known:
        yield ev.Tombstoned(
            fingerprint=sighting.fingerprint,
            resolved_at=max(at, state.last_resolve.get(sighting.fingerprint, at)),
            forget_due_at=at + TOMBSTONE_KEPT,
            **pen.stamps("resolved_unknown"),
        )


def resolved_members(pen: Pen, members: list[Member], resolved_at: Instant, reason: str) -> ev.AlertResolved:
    """Members of one incident stop firing; with none left the incident resolves after the rule's delay."""
    state = pen.state
    incident = state.incidents[members[0].incident_id]
    firing = dict(state.roster(incident.id).firing)
    for member in members:
        if member.firing:
            firing[member.fingerprint] -= 1
    left = sum(count > 0 for count in firing.values())
    quiet = left == 0 and incident.header.status in UNFINISHED
    delay = rule_named(incident.rule, pen.rules).resolve_delay
    return pen.change(
        ev.AlertResolved,
        incident,
        reason,
        {"firing": left, "occurrences": incident.occurrences + len(members)},
        fingerprint=members[0].fingerprint,
        alert_ids=tuple(member.alert_id for member in members),
        resolved_at=resolved_at,
        resolve_due_at=pen.now + delay if quiet else None,
    )
