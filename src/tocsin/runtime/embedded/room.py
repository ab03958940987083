"""Back-pressure: how many bytes may wait for the disk, and who waits for room, in the order of arrival.

In: `take` before something is queued, `give` when it is done. Out: a wait while it is full. All calls come from
one event loop. What is larger than the whole room is let in alone.
"""

import asyncio
from collections import deque

from tocsin.runtime.broker import Broken

__all__ = ["QueueRoom"]


class QueueRoom:
    """QueueRoom for `bytes_max` bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._taken = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._refusing = False

    async def take(self, size: int) -> None:
        """Wait until `size` bytes have room, and take it.

        Raises:
            Broken: the room was closed meanwhile.
        """
        if self._refusing:
            raise Broken("the log is closed")
        if not self._queue and self._fits(size):
            self._taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled in the moment in which it got the room: nobody else knows.
            if turn.done() and not turn.cancelled():
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """`size` bytes are free again."""
        self._taken -= size
        while self._queue and (self._queue[0][1].done() or self._fits(self._queue[0][0])):
            wanted, turn = self._queue.popleft()
            if not turn.done() and not turn.get_loop().is_closed():
                self._taken += wanted
                turn.set_result(None)

    def refuse(self) -> None:
        """Nobody gets in any more; those who wait get `Broken`."""
        self._refusing = True
        for _, turn in self._queue:
            if not turn.done():
                turn.set_exception(Broken("the log is closed"))
        self._queue.clear()

    def _fits(self, size: int) -> bool:
        return self._taken == 0 or self._taken + size <= self._bytes_max
