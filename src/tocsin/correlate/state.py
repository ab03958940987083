"""The state of correlate: incidents, their members, and the indexes that find them. The fold of its own journal.

`State` is the `Book` that `domain.incident.apply` changes; the indexes are kept in step in `attach`, `move`, `drop`
and by `evolve`. What runs out (outcomes, retired incidents, tombstones) is dropped by instants that events carry,
while evolving. In a state that was read from a checkpoint, entries that nobody has asked for stay packed
(`wire.resting`).
"""

import heapq
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec

from tocsin.correlate.roster import Roster, Rosters
from tocsin.correlate.suppress_sources import Sources, labels_of
from tocsin.domain.agenda import Agenda
from tocsin.domain.alert import AlertFacts, Episode, RawMark
from tocsin.domain.command import Command
from tocsin.domain.events import CommandEvent
from tocsin.domain.header import IncidentHeader
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import UNFINISHED, Status

__all__ = ["GRACE", "OUTCOME_KEPT", "TOMBSTONE_KEPT", "Group", "Roster", "State", "episode_key"]

GRACE: Final = timedelta(minutes=10)
"""Equal to the clamp of event times (`domain.alert`), so that what is read in order is never late."""
TOMBSTONE_KEPT: Final = 2 * GRACE
"""How long after it a resolve still ends sightings that were received before it."""
OUTCOME_KEPT: Final = timedelta(hours=24)
"""How long a command id gets the same answer again."""

_encode: Final = msgspec.json.Encoder().encode
K = TypeVar("K")
EpisodeKey = tuple[str, Instant | None, str]
"""(fingerprint, `startsAt` of the source or None, correlation id)."""


def _take(index: dict[K, list[str]], key: K, alert_id: str) -> None:
    """Remove an alert from an index, and the entry with it when it was the last."""
    index[key].remove(alert_id)
    if not index[key]:
        del index[key]


class Group(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of one group: its sessions that alerts may still join, and the incident that ended last."""

    id: str
    sessions: list[str] = []
    """Incident ids in the order of their opening."""
    last: str | None = None
    """The incident opened last."""
    ended_at: Instant | None = None
    """When `last` was resolved or closed, if it was."""


class State:
    """Everything correlate knows of one partition."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.rosters = Rosters(lambda alert_id: self.alerts[alert_id])
        self.alerts: dict[str, Member] = {}
        self.known: dict[str, str | list[str]] = {}
        """Fingerprint -> alert id of its only episode, as nearly all have; or of all its episodes, oldest first."""
        self.episodes: dict[EpisodeKey, list[str]] = {}
        """Alert ids, oldest first, of fingerprints with more than one episode."""
        self.groups: dict[str, Group] = {}
        self.numbers: dict[str, str] = {}
        self.load: dict[str, int] = {}
        """Unfinished incidents by assignee; nobody with none."""
        self.outcomes: dict[str, CommandEvent] = {}
        self.last_resolve: dict[str, Instant] = {}
        """Fingerprint -> the latest resolve that ended nothing: of something unknown, or resolved already."""
        self.retired: set[str] = set()
        self.outbox: dict[str, Command] = {}
        """Commands for owners of other partitions that are not known to be in the log yet, by their ids."""
        self.raw: dict[str, RawMark] = {}
        self.agenda = Agenda()
        self.day = ""
        self.ordinal = 0
        self.swept_by = ""
        """Fingerprint of the rules by which incidents were last looked at whether they are quiet."""
        self.sweeps: dict[str, tuple[str, Instant]] = {}
        """Partition key (empty: all) -> last incident of a look that goes on (empty: it begins), and when."""
        self.sweep_order: tuple[list[str], int] | None = None
        """Where that look is: a cache, like the two below."""
        self.sources: Sources | None = None
        self.loud: dict[str, str] = {}
        """Incident id -> a firing alert that nothing keeps quiet."""
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
        if facts.labels:
            member.labels = _encode(facts.labels)
        self.alerts[member.alert_id] = member
        if self.sources is not None:
            incident = self.incidents[member.incident_id]
            if incident.header.status is not Status.CLOSED:
                self.sources.add(member.alert_id, incident.partition_key, facts.labels)
        self.rosters.add(member.incident_id, member.alert_id)
        self.know(member.fingerprint, member.alert_id)
        self.agenda.put("expire", member.alert_id, member.expires_at)

    def move(self, member: Member, incident_id: str) -> None:
        self.roster(member.incident_id).remove(member)
        if self.sources is not None:
            self._move_source(member, incident_id)
        member.incident_id = incident_id
        self.roster(incident_id).add(member)

    def drop(self, incident_id: str) -> None:
        incident = self.incidents.pop(incident_id, None)
        for member in list(self.members(incident_id)):
            self._unknow(member)
            del self.alerts[member.alert_id]
            self.agenda.put("expire", member.alert_id, None)
            if self.sources is not None:
                self.sources.end(member.alert_id)
        self.rosters.pop(incident_id, None)
        self.loud.pop(incident_id, None)
        if incident is not None:
            if self.sources is not None:
                self.sources.dropped(incident_id, incident.partition_key)
            self.numbers.pop(incident.header.number, None)
            if self.groups_untold is not None:
                self.groups_untold.append(incident.group)

    # ---- indexes --------------------------------------------------------------------------------------------------

    def roster(self, incident_id: str) -> Roster:
        roster: Roster | None = self.rosters.get(incident_id)
        if roster is None:
            roster = self.rosters[incident_id] = Roster()
        return roster

    def know(self, fingerprint: str, alert_id: str) -> None:
        """Enter the newest episode of a fingerprint; its member is there already."""
        known = self.known.get(fingerprint)
        if known is None:
            self.known[fingerprint] = alert_id
            return
        if isinstance(known, str):
            self.episodes.setdefault(episode_key(self.alerts[known]), []).append(known)
            known = self.known[fingerprint] = [known]
        known.append(alert_id)
        self.episodes.setdefault(episode_key(self.alerts[alert_id]), []).append(alert_id)

    def _unknow(self, member: Member) -> None:
        known = self.known[member.fingerprint]
        if isinstance(known, str):
            del self.known[member.fingerprint]
            return
        known.remove(member.alert_id)
        _take(self.episodes, episode_key(member), member.alert_id)
        if len(known) == 1:
            self.known[member.fingerprint] = known[0]
            _take(self.episodes, episode_key(self.alerts[known[0]]), known[0])

    def known_of(self, fingerprint: str) -> Sequence[str]:
        """Alert ids of all its episodes, oldest first."""
        known = self.known.get(fingerprint, ())
        return (known,) if isinstance(known, str) else known

    def episodes_of(self, key: EpisodeKey) -> Sequence[str]:
        """Alert ids of one episode key, oldest first."""
        known = self.known.get(key[0], ())
        if isinstance(known, str):
            return (known,) if episode_key(self.alerts[known]) == key else ()
        return self.episodes.get(key, ())

    def carried(self, was: IncidentHeader | None, now: IncidentHeader) -> None:
        """Count anew who carries an incident whose header changes from `was` (None: it opens) to `now`."""
        before = was.assignee if was is not None and was.status in UNFINISHED else ""
        after = now.assignee if now.status in UNFINISHED else ""
        if before == after:
            return
        if after:
            self.load[after] = self.load.get(after, 0) + 1
        if before:
            left = self.load[before] - 1
            if left:
                self.load[before] = left
            else:
                del self.load[before]

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

    # ---- what is quiet ----------------------------------------------------------------------------------------------

    def opened(self, incident: Incident) -> None:
        """Keep the indexes of suppression in step with a new incident."""
        if self.sweep_order is not None:
            self.sweep_order[0].append(incident.id)
        if self.sources is not None:
            self.sources.opened(incident.id, incident.partition_key)

    def closed_or_not(self, incident: Incident) -> None:
        """An incident was closed, or is not any more: nobody works on what a closed one says, so it keeps nothing
        quiet."""
        if self.sources is not None:
            for member in self.members(incident.id):
                self._source_of(member, incident)

    def _move_source(self, member: Member, incident_id: str) -> None:
        """A person may merge incidents of different partition keys: an alert counts where its incident is."""
        incident, old = self.incidents[incident_id], self.incidents[member.incident_id]
        closed = Status.CLOSED in (incident.header.status, old.header.status)
        if closed or incident.partition_key != old.partition_key:
            self._source_of(member, incident)

    def _source_of(self, member: Member, incident: Incident) -> None:
        """Make the index of sources say what `member` does as one of `incident`."""
        assert self.sources is not None
        self.sources.end(member.alert_id)
        if member.firing and incident.header.status is not Status.CLOSED:
            self.sources.add(member.alert_id, incident.partition_key, labels_of(member.labels))

    def sweep(self, partition_key: str, cursor: str, at: Instant | None) -> None:
        """The next look at the incidents of a partition key, or at all, is at `at`, from behind `cursor` on."""
        known = self.sweeps.pop(partition_key, None)
        if known is not None:
            self.agenda.put("sweep", f"{partition_key}\t{known[0]}", None)
        if at is not None:
            self.sweeps[partition_key] = (cursor, at)
            self.agenda.put("sweep", f"{partition_key}\t{cursor}", at)

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
        rosters = {incident_id: self.rosters[incident_id] for incident_id in self.rosters}
        return {
            "incidents": {key: msgspec.to_builtins(value) for key, value in self.incidents.items()},
            "alerts": {key: msgspec.to_builtins(value) for key, value in self.alerts.items()},
            "rosters": {
                key: (sorted(roster.members), roster.fingerprints, roster.firing)
                for key, roster in rosters.items()
                if roster.members
            },
            "episodes": self.episodes,
            "known": self.known,
            "groups": {key: msgspec.to_builtins(value) for key, value in self.groups.items()},
            "numbers": self.numbers,
            "load": self.load,
            "outcomes": self.outcomes,
            "last_resolve": self.last_resolve,
            "retired": self.retired,
            "outbox": self.outbox,
            "raw": self.raw,
            "swept": (self.swept_by, self.sweeps),
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
