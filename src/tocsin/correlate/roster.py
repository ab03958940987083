"""Who belongs to one incident: its members, with distinct fingerprints counted, and where its session lies in time.

In: members. Out: counts, and begin and end of the session. Invariants: `Roster.reach` is a cache: it never takes part
in comparisons and can always be computed anew; a roster that nobody has asked for since the state was read is only the
alert ids of its members (`Rosters`).
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, cast

import msgspec

from tocsin.domain.incident import Member
from tocsin.domain.instant import Instant


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
        # No `max`: each repeat comes by here, and the two calls would be a third of it.
        if end > self.end:
            self.end = end
        if start > self.latest:
            self.latest = start
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


class Rosters(dict[str, Roster]):
    """By incident id. A roster is made when somebody asks: of an incident that only counts repeats nobody does, and
    three dictionaries for one member take a sixth of what the incident takes."""

    __slots__ = ("_member",)

    def __init__(self, member: Callable[[str], Member]) -> None:
        """`member`: by alert id."""
        super().__init__()
        self._member = member

    def add(self, incident_id: str, alert_id: str) -> None:
        """One more member, in the order of their coming; it is there already."""
        found: Any = dict.get(self, incident_id)
        if found is None:
            found = alert_id
        elif type(found) is Roster:
            found.add(self._member(alert_id))
            return
        else:
            found = (*((found,) if type(found) is str else found), alert_id)
        self[incident_id] = cast(Roster, found)

    def ids(self, incident_id: str) -> Iterable[str]:
        """Alert ids of the members, in the order of their coming, without making anything."""
        found: Any = dict.get(self, incident_id, ())
        return found.members if type(found) is Roster else (found,) if type(found) is str else found

    def made(self, incident_id: str) -> Roster | None:
        """The roster, if somebody has asked for it."""
        found = dict.get(self, incident_id)
        return found if type(found) is Roster else None

    def __getitem__(self, key: str) -> Roster:
        found = dict.__getitem__(self, key)
        return found if type(found) is Roster else self._made(key, found)

    def get(self, key: str, default: Any = None) -> Any:
        found = dict.get(self, key)
        return default if found is None else found if type(found) is Roster else self._made(key, found)

    def _made(self, key: str, resting: Any) -> Roster:
        roster = self[key] = Roster()
        for alert_id in (resting,) if type(resting) is str else resting:
            roster.add(self._member(alert_id))
        return roster


def _count(counts: dict[str, int], key: str, by: int) -> None:
    left = counts.get(key, 0) + by
    if left:
        counts[key] = left
    else:
        del counts[key]


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
