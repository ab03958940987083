"""The short way for repeats: rows of a batch that only count, summed before anything is decided or evolved.

In: the state, a batch, the row to begin with. Out: one tally event for as many rows as surely do nothing but count, and
the row where something else begins. It gives what `alerts.on_firing` would give row by row; a property test holds that.
A row is taken only if it continues a firing episode that is the only one of its kind, moves the begin of no window, and
its incident's window is the last of its group, so that it reaches no other. Whatever is unusual goes row by row.

Why rows may be summed: what such a row changes (its member's count, last sight and expiry, the reach of its incident)
decides about no other such row.
"""

from typing import Final

from tocsin.correlate.state import State
from tocsin.domain import events as ev
from tocsin.domain.alert import AlertStatus, Episode, clamped
from tocsin.domain.incident import GAP, Incident, Member
from tocsin.domain.instant import EPOCH, Instant, from_ms
from tocsin.wire.normalized import Batch, Row, Statement

SUMMED_MAX: Final = 1000
"""Members of one tally event: 170 KB of JSON, and a commit has room for five."""
_GAP_MS: Final = round(GAP.total_seconds() * 1000)


class _Sum:
    """Rows of one statement so far. Their instants follow from the first and the last."""

    __slots__ = ("count", "expires_at", "first_at", "last_ms", "member", "said", "start")

    def __init__(self, said: Statement, member: Member, start: Instant, received_at: Instant, row: Row) -> None:
        self.said = said
        self.member = member
        self.start = start
        self.first_at = received_at
        self.count = 1
        self.last_ms = row.received_ms
        self.expires_at = row.expires_at

    def tally(self) -> ev.Tally:
        last, at = self.first_at, self.start
        if self.count > 1:
            last = from_ms(self.last_ms)
            at = clamped(self.said.starts_at, last)
        return ev.Tally(self.member.alert_id, self.count, self.start, at if at > last else last, self.expires_at)


def sum_of_repeats(
    state: State, batch: Batch, first: int, rules_version: int, now: Instant
) -> tuple[ev.Tallied | None, int]:
    """The sum of the rows from `first` on that only count (None: not even one), and the row behind them."""
    if batch.statements[batch.rows[first].statement].fingerprint not in state.known:
        return None, first
    walk = _Walk(state, batch)
    number = walk.take(first)
    if number == first:
        return None, first
    tallies = tuple([one.tally() for one in walk.sums.values()])
    return ev.Tallied(tallies=tallies, recorded_at=now, reason="repeat", rules_version=rules_version), number


class _Walk:
    """One walk over rows that only count. The state is not changed meanwhile."""

    __slots__ = ("_at", "_at_ms", "_batch", "_last", "_state", "sums")

    def __init__(self, state: State, batch: Batch) -> None:
        self._state = state
        self._batch = batch
        self._last: dict[str, bool] = {}
        self._at, self._at_ms = EPOCH, 0
        self.sums: dict[int, _Sum] = {}

    def take(self, first: int) -> int:
        """Take rows from `first` on; returns the first that was not taken."""
        sums, rows = self.sums, self._batch.rows
        for number in range(first, len(rows)):
            row = rows[number]
            known = sums.get(row.statement)
            if known is None:
                begun = None if len(sums) == SUMMED_MAX else self._begin(row)
                if begun is None:
                    return number
                sums[row.statement] = begun
                continue
            if not known.last_ms <= row.received_ms <= known.last_ms + _GAP_MS:
                return number  # an older sight, or a stretch of its own
            known.last_ms = row.received_ms
            known.count += 1
            expires_at = row.expires_at
            if expires_at is not None and (known.expires_at is None or expires_at > known.expires_at):
                known.expires_at = expires_at
        return len(rows)

    def _begin(self, row: Row) -> _Sum | None:
        """The first row of a statement, if it only counts."""
        said = self._batch.statements[row.statement]
        member = self._member(said)
        if member is None or not self._is_last(member.incident_id):
            return None
        if row.received_ms != self._at_ms:  # records that a log took together have one time
            self._at, self._at_ms = from_ms(row.received_ms), row.received_ms
        start = clamped(said.starts_at, self._at)
        return None if start < member.spans[0].start else _Sum(said, member, start, self._at, row)

    def _member(self, said: Statement) -> Member | None:
        """The firing member whose episode `said` continues, where that is plain; see `alerts.continues`."""
        episode = said.episode
        if said.status is not AlertStatus.FIRING or episode is Episode.WINDOW:
            return None
        state = self._state
        starts_at = said.starts_at if episode is Episode.STARTS_AT else None
        known = state.known.get(said.fingerprint)
        if known is None:
            return None
        if not isinstance(known, str):
            # Nearly every alert has one episode; to hash the start for all would cost 0.4 us.
            several = state.episodes.get((said.fingerprint, starts_at, said.correlation_id), ())
            if len(several) != 1:
                return None
            known = several[0]
        member = state.alerts[known]
        if member.episode is not episode or member.correlation_id != said.correlation_id or member.resolved_at:
            return None
        if episode is Episode.STARTS_AT:
            return member if member.starts_at == starts_at else None
        incident = state.incidents[member.incident_id]
        return member if incident.settled_at is None and incident.closed_at is None else None

    def _is_last(self, incident_id: str) -> bool:
        """Whether no repeat can make the window of the incident touch one that begins later in its group, nor reach a
        threshold."""
        last = self._last.get(incident_id)
        if last is None:
            state = self._state
            incident = state.incidents[incident_id]
            sessions = state.groups[incident.group].sessions
            last = not incident.is_counted and (len(sessions) < 2 or _begins_last(state, incident, sessions))
            self._last[incident_id] = last
        return last


def _begins_last(state: State, incident: Incident, sessions: list[str]) -> bool:
    """Whether the window of `incident` begins last, and whatever repeats come, each window keeps its begin."""
    begun: list[tuple[Instant, str]] = []
    for incident_id in sessions:
        reach = state.roster(incident_id).where(state.incidents[incident_id].gap)
        if reach is None or not reach.unbroken:
            return False
        begun.append((reach.begun, incident_id))
    return max(begun)[1] == incident.id
