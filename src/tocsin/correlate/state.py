"""The state of correlate: incidents, their members, and the indexes that find them. The fold of its own journal.

`State` is the `Book` that `domain.incident.apply` changes; the indexes are kept in step in `attach`, `move`, `drop`
and by `evolve`. What runs out (outcomes, retired incidents, tombstones) is dropped by instants that events carry,
while evolving. `Roster.reach` is a cache: it never takes part in comparisons and can always be computed anew.
"""

import heapq
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec

from tocsin.domain.agenda import Agenda
from tocsin.domain.alert import AlertFacts, Episode, RawMark
from tocsin.domain.events import CommandEvent
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant

GRACE: Final = timedelta(minutes=10)
"""Equal to the clamp of event times (`domain.alert`), so that what is read in order is never late."""
TOMBSTONE_KEPT: Final = 2 * GRACE
"""How long after it a resolve still ends sightings that were received before it."""
OUTCOME_KEPT: Final = timedelta(hours=24)
"""How long a command id gets the same answer again."""

K = TypeVar("K")
EpisodeKey = tuple[str, Instant | None, str]
"""(fingerprint, `startsAt` of the source or None, correlation id)."""


class Reach(msgspec.Struct):
    """Where the session of an incident lies in time."""

    begun: Instant
    end: Instant
    latest: Instant
    """Start of the member that starts last."""
    gap: timedelta
    unbroken: bool
    """No member joined through the reopen window: `begun` is the earliest start."""
    loose: bool
    """A member has pieces of its own beyond the first: what lengthens the session may touch them."""

    def take(self, start: Instant, end: Instant, *, new: bool) -> bool:
        """Lengthen in place by a member's first piece, if that gives what computing anew would; False if it may not."""
        if self.loose or start < self.begun or start > self.end + self.gap:
            return False
        if new and not self.unbroken and start < self.latest:
            return False
        self.end = max(self.end, end)
        self.latest = max(self.latest, start)
        return True


class Roster:
    """The members of one incident, with distinct fingerprints counted."""

    __slots__ = ("fingerprints", "firing", "members", "reach")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.fingerprints: dict[str, int] = {}
        self.firing: dict[str, int] = {}
        self.reach: Reach | None = None

    def add(self, member: Member) -> None:
        self.members[member.alert_id] = member
        _count(self.fingerprints, member.fingerprint, 1)
        if member.firing:
            _count(self.firing, member.fingerprint, 1)
        if self.reach is not None and (
            len(member.spans) > 1 or not self.reach.take(member.start, member.last, new=True)
        ):
            self.reach = None

    def remove(self, member: Member) -> None:
        del self.members[member.alert_id]
        _count(self.fingerprints, member.fingerprint, -1)
        if member.firing:
            _count(self.firing, member.fingerprint, -1)
        self.reach = None

    def settle(self, member: Member) -> None:
        """A firing member has resolved."""
        _count(self.firing, member.fingerprint, -1)

    def where(self, gap: timedelta) -> Reach | None:
        """Where the session lies; None without members. A pure function of the members."""
        if self.reach is None and self.members:
            self.reach = reach_of(self.members.values(), gap)
        return self.reach


def _count(counts: dict[str, int], key: str, by: int) -> None:
    left = counts.get(key, 0) + by
    if left:
        counts[key] = left
    else:
        del counts[key]


def _take(index: dict[K, list[str]], key: K, alert_id: str) -> None:
    """Remove an alert from an index, and the entry with it when it was the last."""
    index[key].remove(alert_id)
    if not index[key]:
        del index[key]


def reach_of(members: Iterable[Member], gap: timedelta) -> Reach:
    """Begin and end of the session that `members` form. They are taken as belonging together, whatever their
    distance.
    """
    ordered = sorted(members, key=lambda member: member.start)
    begun = ordered[0].start
    end = begun
    unbroken = True
    for member in ordered:
        if member.start > end + gap:
            begun, unbroken = member.start, False
        end = max(end, member.spans[0].end)
    loose = [span for member in ordered for span in member.spans[1:]]
    touched = True
    while touched:
        touched = False
        for span in loose:
            if span.start <= end + gap and span.end > end:
                end, touched = span.end, True
    return Reach(begun, end, ordered[-1].start, gap, unbroken, bool(loose))


class Group:
    """What is remembered of one group: its sessions that alerts may still join, and the incident that ended last."""

    __slots__ = ("ended_at", "last", "sessions")

    def __init__(self) -> None:
        self.sessions: list[str] = []
        """Incident ids in the order of their opening."""
        self.last: str | None = None
        """The incident opened last."""
        self.ended_at: Instant | None = None
        """When `last` was resolved or closed, if it was."""


class State:
    """Everything correlate knows of one partition."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.rosters: dict[str, Roster] = {}
        self.alerts: dict[str, Member] = {}
        self.episodes: dict[EpisodeKey, list[str]] = {}
        """Alert ids, oldest first."""
        self.firing: dict[str, list[str]] = {}
        """Fingerprint -> alert ids that fire."""
        self.known: dict[str, list[str]] = {}
        """Fingerprint -> alert ids of all its episodes, oldest first."""
        self.groups: dict[str, Group] = {}
        self.numbers: dict[str, str] = {}
        self.outcomes: dict[str, CommandEvent] = {}
        self.last_resolve: dict[str, Instant] = {}
        """Fingerprint -> the latest resolve that ended nothing: of something unknown, or resolved already."""
        self.retired: set[str] = set()
        self.raw: dict[str, RawMark] = {}
        self.agenda = Agenda()
        self.day = ""
        self.ordinal = 0
        self.groups_untold: list[str] | None = None
        """Group ids, as long as somebody wants to know: no event names the group of what is retired or forgotten."""
        self._forget: list[tuple[Instant, str, str]] = []

    # ---- Book -----------------------------------------------------------------------------------------------------

    def incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id)

    def put(self, incident: Incident) -> None:
        self.incidents[incident.id] = incident

    def member(self, alert_id: str) -> Member | None:
        return self.alerts.get(alert_id)

    def members(self, incident_id: str) -> Iterable[Member]:
        roster = self.rosters.get(incident_id)
        return roster.members.values() if roster else ()

    def attach(self, member: Member, facts: AlertFacts) -> None:
        self.alerts[member.alert_id] = member
        self.roster(member.incident_id).add(member)
        self.episodes.setdefault(episode_key(member), []).append(member.alert_id)
        self.known.setdefault(member.fingerprint, []).append(member.alert_id)
        self.firing.setdefault(member.fingerprint, []).append(member.alert_id)
        self.agenda.put("expire", member.alert_id, member.expires_at)

    def move(self, member: Member, incident_id: str) -> None:
        self.roster(member.incident_id).remove(member)
        member.incident_id = incident_id
        self.roster(incident_id).add(member)

    def drop(self, incident_id: str) -> None:
        incident = self.incidents.pop(incident_id, None)
        roster = self.rosters.pop(incident_id, None)
        for member in list(roster.members.values()) if roster else ():
            del self.alerts[member.alert_id]
            _take(self.episodes, episode_key(member), member.alert_id)
            _take(self.known, member.fingerprint, member.alert_id)
            if member.firing:
                self.silence(member)
            self.agenda.put("expire", member.alert_id, None)
        if incident is not None:
            self.numbers.pop(incident.header.number, None)
            if self.groups_untold is not None:
                self.groups_untold.append(incident.group)

    # ---- indexes --------------------------------------------------------------------------------------------------

    def roster(self, incident_id: str) -> Roster:
        roster = self.rosters.get(incident_id)
        if roster is None:
            roster = self.rosters[incident_id] = Roster()
        return roster

    def silence(self, member: Member) -> None:
        """Take a member out of the firing index."""
        _take(self.firing, member.fingerprint, member.alert_id)

    def find(self, reference: str) -> Incident | None:
        """The incident of an id or a number, following merges to the one that survived."""
        incident = self.incidents.get(self.numbers.get(reference, reference))
        while incident is not None and incident.merged_into is not None:
            incident = self.incidents.get(incident.merged_into)
        return incident

    def final_before(self) -> Instant | None:
        """F of RECORDS §3: nothing that is read from now on and is on time starts before it."""
        if not self.raw:
            return None
        received = [mark.received_at for mark in self.raw.values()]
        return max(min(received), max(received) - GRACE) - GRACE

    # ---- what runs out --------------------------------------------------------------------------------------------

    def forget_at(self, at: Instant, kind: str, key: str) -> None:
        heapq.heappush(self._forget, (at, kind, key))

    def ended_nothing(self, fingerprint: str, resolved_at: Instant) -> None:
        """Remember a resolve for sightings that are still on their way."""
        if resolved_at >= self.last_resolve.get(fingerprint, resolved_at):
            self.last_resolve[fingerprint] = resolved_at
            self.forget_at(resolved_at + TOMBSTONE_KEPT, "tombstone", fingerprint)

    def forget_until(self, now: Instant) -> None:
        """Drop outcomes, retired ids, groups and tombstones whose time is up."""
        while self._forget and self._forget[0][0] <= now:
            at, kind, key = heapq.heappop(self._forget)
            if kind == "outcome":
                self.outcomes.pop(key, None)
            elif kind == "retired":
                self.retired.discard(key)
            elif kind == "tombstone":
                resolved_at = self.last_resolve.get(key)
                if resolved_at is not None and resolved_at + TOMBSTONE_KEPT <= at:
                    del self.last_resolve[key]
            elif kind == "group":
                group = self.groups.get(key)
                if group is not None and not group.sessions and group.last not in self.incidents:
                    del self.groups[key]
                    if self.groups_untold is not None:
                        self.groups_untold.append(key)

    @property
    def forgets(self) -> list[tuple[Instant, str, str]]:
        """(instant, kind, key) of what will run out: a heap."""
        return list(self._forget)

    @forgets.setter
    def forgets(self, heap: list[tuple[Instant, str, str]]) -> None:
        self._forget = heap

    # ---- comparison -----------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain values, caches left out: equal states have equal snapshots."""
        return {
            "incidents": {key: msgspec.to_builtins(value) for key, value in self.incidents.items()},
            "alerts": {key: msgspec.to_builtins(value) for key, value in self.alerts.items()},
            "rosters": {
                key: (sorted(roster.members), roster.fingerprints, roster.firing)
                for key, roster in self.rosters.items()
                if roster.members
            },
            "episodes": self.episodes,
            "known": self.known,
            "firing": {key: sorted(value) for key, value in self.firing.items()},
            "groups": {key: (group.sessions, group.last, group.ended_at) for key, group in self.groups.items()},
            "numbers": self.numbers,
            "outcomes": self.outcomes,
            "last_resolve": self.last_resolve,
            "retired": self.retired,
            "raw": self.raw,
            "agenda": self.agenda.items(),
            "number": (self.day, self.ordinal),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.snapshot() == other.snapshot()

    __hash__ = None  # type: ignore[assignment]


def episode_key(member: Member) -> EpisodeKey:
    """Where `continues` looks: a start names an episode only for sources whose `startsAt` does. A key or a window may
    have another instant at each sending."""
    starts_at = member.starts_at if member.episode is Episode.STARTS_AT else None
    return (member.fingerprint, starts_at, member.correlation_id)
