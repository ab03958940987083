"""The name of this process in its consumer groups: the same after a restart, never that of two processes at a time.

In: the data directory, the instance, the host. Out: a `MemberName` that is held until `release` or the end of the
process, whatever ends it. With a static name a process that comes back within the session time-out gets its
partitions back without a rebalance. Each name is a file in the data directory: a random part, written once, and a
lock, so that a second process on the same directory takes the next file. A copied directory on another host differs
by the host. Somebody who names members by hand (`kafka.member`) needs none of this.
"""

import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Final

from tocsin.domain.errors import TocsinError

__all__ = ["MemberName", "NoMemberName"]

PROCESSES_MAX: Final = 64
"""Processes on one data directory; more is a mistake."""
TEXT_MAX: Final = 200
"""Characters; Kafka takes 249 and Faust adds some."""
_RANDOM: Final = re.compile(r"[0-9a-f]{8}")
_OTHERS: Final = re.compile(r"[^A-Za-z0-9._-]+")


class NoMemberName(TocsinError):
    """No name is left, or the directory cannot be written."""


class MemberName:
    """A name that no other process on this host has.

    Raises:
        NoMemberName: the directory cannot be written, or `PROCESSES_MAX` processes use it.
    """

    def __init__(self, directory: Path, instance: str, host: str) -> None:
        for number in range(PROCESSES_MAX):
            try:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                taken = _take(directory / f"member-{number}")
            except OSError as error:
                raise NoMemberName(
                    f"no member name can be kept in {directory}: {error.strerror}; set data_dir to a directory "
                    "that can be written, or kafka.member to a name of its own for each process"
                ) from None
            if taken is not None:
                self._file, random = taken
                self.number = number
                self.name = _OTHERS.sub("-", f"{instance}-{host}")[: TEXT_MAX - 9] + f"-{random}"
                return
        raise NoMemberName(f"{PROCESSES_MAX} processes use {directory}; give them data_dir of their own")

    def release(self) -> None:
        """Give the name back. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _take(path: Path) -> tuple[int, str] | None:
    """The locked file and its random part; None when another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    found = os.read(file, 64).decode("ascii", "replace").strip()
    if not _RANDOM.fullmatch(found):
        found = secrets.token_hex(4)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{found}\n".encode(), 0)
    return file, found
