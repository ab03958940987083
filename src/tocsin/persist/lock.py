"""One writer per database: a lock file beside it that names its holder.

In: the path of the database. Out: a `Lock` that is held until `release` or the end of the process, whatever ends it.
Readers and `verify` take no lock. The file itself stays: removing it would let two holders lock two different files.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from tocsin.domain.errors import TocsinError

HOLDER_BYTES_MAX: Final = 200
"""Read of the lock file for the message; our own text is shorter."""


class Held(TocsinError):
    """Another process (or another part of this one) writes this database. The message names it."""


class Lock:
    """An exclusive lock on `<path>.lock`, taken on construction.

    Raises:
        Held: somebody else holds it.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self.path = path.with_name(path.name + ".lock")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            text = os.read(self._file, HOLDER_BYTES_MAX).decode("utf-8", "replace").strip()
            self.release()
            raise Held(f"{path} is in use by {text or 'another process'}; stop it first") from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{holder} (process {os.getpid()})\n".encode())

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
