"""Reading old records beside the writer: a few threads, each with a connection that cannot write.

In: a partition as far as it is committed. Out: its records, checked. Nothing is kept between two reads.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from tocsin.runtime.broker import Broken, Record
from tocsin.runtime.embedded import storage
from tocsin.runtime.embedded.storage import Partition
from tocsin.runtime.embedded.writer import verdict

__all__ = ["Readers"]

Result = TypeVar("Result")

READERS_MAX: Final = 2
"""One for a sink that catches up and one for everybody else; more would only contend for the interpreter."""


class Readers:
    """Reads of the log file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(READERS_MAX, "tocsin-log-reader")

    async def read(self, partition: Partition, offset: int, records_max: int, bytes_max: int) -> list[Record]:
        """Records of `partition` from `offset` on, below `partition.next`.

        Raises:
            Unavailable: the file is locked for a moment.
            Broken: it is damaged; the message says where.
        """
        return await self.run(
            f"{partition.topic}/{partition.number} from {offset}",
            lambda connection: storage.read(connection, partition, offset, records_max, bytes_max),
        )

    async def run(self, where: str, look: Callable[[sqlite3.Connection], Result]) -> Result:
        """The result of `look` in a thread of its own, with a connection that cannot write. Raises like `read`, and
        names `where`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, where, look)

    def close(self) -> None:
        """Finish the reads that run and close the connections."""
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _run(self, where: str, look: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            connection = self._take()
            try:
                return look(connection)
            finally:
                self._idle.put(connection)
        except Broken as error:
            raise Broken(f"{self._path}: {error}") from None
        except sqlite3.Error as error:
            failure = verdict(error)
            raise type(failure)(f"{self._path}: {where}: {failure}") from error

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            return storage.connect_reader(self._path)
