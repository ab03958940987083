"""One record of the log, before and after it has an offset."""

from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]


class Draft(NamedTuple):
    """A record before it has an offset."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value)
        return size


class Record(NamedTuple):
    """A record of the log. `timestamp` is milliseconds since the epoch, stamped by the broker at the append; it never
    goes back within a partition."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def header(self, name: str) -> bytes | None:
        """The first header of that name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None
