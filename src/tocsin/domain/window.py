"""Which alerts belong together: a pure function of their stretches of time, not of their order.

In: the stretches (*pieces*) of the members of one group. Out: the sessions they form. The first piece of a member
decides where the member belongs; its later pieces (repeats after a silence longer than the gap) only lengthen a
session that they touch, and open nothing.

A session is cut where a first piece starts more than the gap after the greatest end so far, or more than the greatest
length after its begin. While every member is settled (resolved), it is open for the reopen window instead of the gap;
an alert that joins this way begins the length anew.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from tocsin.domain.instant import Instant


class Window(msgspec.Struct, frozen=True):
    gap: timedelta = timedelta(minutes=10)
    length_max: timedelta = timedelta(hours=24)
    reopen_within: timedelta = timedelta(minutes=30)


class Piece(msgspec.Struct, frozen=True, order=True, gc=False):
    """One stretch of one member. Pieces sort by time, a first piece before a later one, then by member."""

    start: Instant
    later: bool
    member: str
    end: Instant
    settled_at: Instant | None = None
    """When the whole member was over; the same in all its pieces."""


def admits(
    start: Instant, begun: Instant, end: Instant, settled: Iterable[Instant | None], window: Window
) -> str | None:
    """Why an alert that starts last joins a session from `begun` to `end` (`window` or `reopen`), or None.

    `settled` has for each member when it was over; it is looked at only when the window itself is closed.
    """
    if start <= end + window.gap and start <= begun + window.length_max:
        return "window"
    last: Instant | None = None
    for settled_at in settled:
        if settled_at is None or settled_at > start:
            return None
        last = settled_at if last is None else max(last, settled_at)
    return "reopen" if last is not None and start <= last + window.reopen_within else None


class Session:
    """Members that belong together, while they are being collected."""

    __slots__ = ("_loose", "_settled", "begun", "end", "members")

    def __init__(self, begun: Instant) -> None:
        self.begun = begun
        self.end = begun
        self.members: list[str] = []
        self._loose: list[Piece] = []
        """Later pieces that do not touch the session yet."""
        self._settled: list[Instant | None] = []

    def admits(self, start: Instant, window: Window) -> str | None:
        """Why a first piece at `start` belongs here, or None; see `admits`."""
        return admits(start, self.begun, self.end, self._settled, window)

    def take(self, first: Piece, later: Iterable[Piece], window: Window, *, reopens: bool = False) -> None:
        """Add a member by its first piece and its later ones."""
        if reopens:
            self.begun = first.start
        self.members.append(first.member)
        self._settled.append(first.settled_at)
        self.end = max(self.end, first.end)
        self._loose.extend(later)
        self.absorb(window)

    def absorb(self, window: Window) -> None:
        """Lengthen the session by every later piece that touches it, until none does."""
        touched = True
        while touched and self._loose:
            touched = False
            for piece in list(self._loose):
                if piece.start <= self.end + window.gap:
                    self._loose.remove(piece)
                    if piece.end > self.end:
                        self.end = piece.end
                        touched = True


def canonical(pieces: Iterable[Piece], window: Window) -> list[Session]:
    """The sessions of a set of pieces, in order of time. The same set gives the same sessions, whatever its order."""
    later: dict[str, list[Piece]] = {}
    first: list[Piece] = []
    for piece in sorted(pieces):
        if piece.later:
            later.setdefault(piece.member, []).append(piece)
        else:
            first.append(piece)
    sessions: list[Session] = []
    for piece in first:
        why = sessions[-1].admits(piece.start, window) if sessions else None
        if why is None:
            sessions.append(Session(piece.start))
        sessions[-1].take(piece, later.get(piece.member, ()), window, reopens=why == "reopen")
    return sessions
