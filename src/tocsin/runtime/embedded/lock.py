"""One process per log. The operating system holds the lock, so it is free after any kind of end, and the file
says who holds it.

In: a path. Out: a held lock, or an error that names the holder. What stands in the file means nothing when
nobody holds the lock. It does not work across machines that share a file system without `flock`.
"""

import fcntl
import os
import socket
from pathlib import Path

from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant

__all__ = ["LockedError", "ProcessLock"]

HOLDER_BYTES_MAX = 1024
"""The holder's line is far shorter; a strange file must not be printed whole."""


class LockedError(TocsinError):
    """Another process uses this log."""


class ProcessLock:
    """A held lock. `release` gives it back; so does the end of the process."""

    def __init__(self, path: Path, instance: str, started_at: Instant) -> None:
        """Take the lock file `path`, made if needed, and write `pid host instance started_at` into it.

        Raises:
            LockedError: somebody holds it; the message says who.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, HOLDER_BYTES_MAX).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise LockedError(
                f"{path} is held by another process: {holder or 'it has not written its name yet'}"
                " (pid, host, instance, start)"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor
        line = f"{os.getpid()} {socket.gethostname()} {instance} {started_at.isoformat()}\n"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, line.encode(), 0)

    def release(self) -> None:
        """Give the lock back. Idempotent. The file stays: removing it would let two processes hold one each."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
