"""The one thread that writes. What waits is committed together (group commit): one fsync for many appends.

In: requests, from any thread. Out: an outcome for each of them, in order, after their transaction is on the
disk. Invariants: a transaction is committed whole or leaves nothing; after an error that leaves the file in
doubt nothing is written any more; `stop` finishes what waits. It knows neither event loops nor readers.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from tocsin.domain.instant import to_ms
from tocsin.runtime.broker import Broken, Conflict, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.embedded.request import Ledger, Request
from tocsin.runtime.embedded.storage import Partition

__all__ = ["Outcome", "Writer", "verdict"]

GROUP_BYTES_MAX: Final = 8 * 1024 * 1024
"""One transaction: more would not be faster, but would let the first append wait for the last."""
CHECKPOINT_BYTES: Final = 8 * 1024 * 1024
"""So much is written ahead before it is brought into the database; that takes some ten milliseconds."""
PAGE_BYTES: Final = 4096
"""A changed row costs at most about one page besides its own bytes, and a commit a few for the trees above."""
COMMIT_PAGES: Final = 2

_PASSING: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""After these SQLite has undone the transaction; nothing is on the disk that counts. An error of fsync is not
among them: what it leaves behind is unknown, and asking again may lie."""

Outcome = tuple[Request[Any], Any]
"""A request with its result, or with the exception that it ends with."""


def verdict(error: sqlite3.Error) -> Unavailable | Broken:
    """What an error of SQLite means to a caller: try again, or stop."""
    code = getattr(error, "sqlite_errorcode", None)
    text = f"{error} ({getattr(error, 'sqlite_errorname', 'no code')})"
    return Unavailable(text) if code is not None and code & 0xFF in _PASSING else Broken(text)


class Writer:
    """Owns the writing connection from `start` on and closes it at the end.

    Args:
        partitions: all of them as the database holds them.
        deliver: called in the writer's thread with the outcomes of a transaction; must not block or raise.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        partitions: Iterable[Partition],
        clock: Clock,
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        self._connection = connection
        self._partitions = {partition.id: partition for partition in partitions}
        self._clock = clock
        self._deliver = deliver
        self._requests: queue.SimpleQueue[Request[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tocsin-log", daemon=True)
        self._ahead = 0
        """Bytes written since the last checkpoint, estimated."""
        self.broken: Broken | None = None
        """Why nothing is written any more."""

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, request: Request[Any]) -> None:
        """Queue `request`; its outcome will be delivered."""
        self._requests.put(request)

    def stop(self) -> None:
        """Finish what was submitted, close the connection and return. Idempotent."""
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._take()
            if group:
                self._deliver(self._outcomes(group))
            if self._ahead >= CHECKPOINT_BYTES:
                self._checkpoint("PASSIVE")
        try:
            self._connection.close()
        except sqlite3.Error as error:  # a checkpoint that fails: the write-ahead log still holds everything
            self.broken = Broken(str(error))

    def _take(self) -> tuple[list[Request[Any]], bool]:
        """The requests of the next transaction, and whether to stop after them."""
        group: list[Request[Any]] = []
        size = 0
        while size < GROUP_BYTES_MAX:
            try:
                request = self._requests.get(block=not group)
            except queue.Empty:
                break
            if request is None:
                return group, True
            group.append(request)
            size += request.size
        return group, False

    def _outcomes(self, group: list[Request[Any]]) -> list[Outcome]:
        """Carry out `group` in one transaction. Whatever happens, each request gets an outcome."""
        if self.broken is None:
            try:
                return self._transact(group)
            except sqlite3.Error as error:
                found = verdict(error)
                if isinstance(found, Unavailable) and self._undone():
                    # The room that the write-ahead log takes may be all that is missing.
                    self._checkpoint("TRUNCATE")
                    return [(request, Unavailable(str(found))) for request in group]
                self.broken = Broken(str(found))
            except Exception as error:  # a bug: the file is in an unknown state, and nobody must wait for ever
                self.broken = Broken(f"{type(error).__name__}: {error}")
                self.broken.__cause__ = error
            self._undone()
        return [(request, Broken(str(self.broken))) for request in group]

    def _transact(self, group: list[Request[Any]]) -> list[Outcome]:
        changes = self._connection.total_changes
        self._connection.execute("BEGIN IMMEDIATE")
        ledger = Ledger(self._connection, self._partitions, to_ms(self._clock.now()))
        outcomes: list[Outcome] = []
        for request in group:
            try:
                outcomes.append((request, request.apply(ledger)))
            except Conflict as error:
                outcomes.append((request, error))
        touched = ledger.store()
        self._connection.execute("COMMIT")
        self._partitions.update(touched)
        pages = COMMIT_PAGES + self._connection.total_changes - changes
        self._ahead += pages * PAGE_BYTES + sum(request.size for request in group)
        return outcomes

    def _undone(self) -> bool:
        """Roll back what is left of a failed transaction. True if the database surely holds what it held before:
        it is asked, because a caller will append again."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            rows = self._connection.execute("SELECT id, begin, next FROM partition").fetchall()
        except sqlite3.Error:
            return False
        found = {row[0]: row[1:] for row in rows}
        return all(
            found.get(partition.id) == (partition.begin, partition.next) for partition in self._partitions.values()
        )

    def _checkpoint(self, mode: str) -> None:
        """Bring the write-ahead log into the database, as far as readers allow; else the next one does it."""
        self._ahead = 0
        try:
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except sqlite3.Error as error:
            if isinstance(failure := verdict(error), Broken):
                self.broken = failure
