"""One after the other for the same thing: sends about one incident that the receiver must see in their order.

In: a key and until when to wait. Out: a turn. Invariants: one holder a key; who waits no longer leaves nothing behind.
It orders within this process only: an incident belongs to one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0
    """Who holds it or waits for it."""


class Turns:
    """Turns by key."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def one(self, key: str, ends: float) -> AsyncIterator[None]:
        """Alone for `key`.

        Raises:
            TimeoutError: not before `ends`, a time of the loop.
        """
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted += 1
        try:
            async with asyncio.timeout_at(ends):
                await turn.lock.acquire()
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
