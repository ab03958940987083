"""Before a deadline fires, everything that was written before it was due has been read (PROTOCOL §5).

In: the instant of the earliest deadline, the present, and the places where sources are read. Out: the instant up to
which deadlines may fire, or None: read on first. People go first: commands that wait for the stage in front are
read, too.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tocsin.domain.instant import Instant

__all__ = ["Gate"]

Ends = Mapping[str, int]


@dataclass(slots=True)
class _Passage:
    at: Instant
    ahead: Ends
    own: Ends | None = None


class Gate:
    """One owner's gate. The callables give ends of topics, and how far each has been read."""

    def __init__(
        self,
        own_ends: Callable[[], Awaitable[Ends]],
        own_next: Callable[[str], int],
        ahead_ends: Callable[[], Awaitable[Ends]],
        ahead_next: Callable[[str], int],
    ) -> None:
        self._own_ends, self._own_next = own_ends, own_next
        self._ahead_ends, self._ahead_next = ahead_ends, ahead_next
        self._passage: _Passage | None = None

    async def passed(self, first: Instant | None, now: Instant) -> Instant | None:
        """Up to which instant deadlines may fire; None when the earliest, at `first`, may not."""
        if first is None or first > now:
            self._passage = None
            return None
        if self._passage is None or self._passage.at < first:
            self._passage = _Passage(now, await self._ahead_ends())
        passage = self._passage
        if passage.own is None:
            if any(self._ahead_next(topic) < end for topic, end in passage.ahead.items()):
                return None
            passage.own = await self._own_ends()
        if any(self._own_next(topic) < end for topic, end in passage.own.items()):
            return None
        return passage.at
