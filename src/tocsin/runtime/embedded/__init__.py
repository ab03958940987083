"""The embedded log: the broker port over one SQLite file and one process, durable, without any server.

`broker` is the port. Below it: `writer` is the one thread that writes, in groups, what `request` describes;
`readers` read old records; `storage` is the file; `lock` keeps a second process out; `tail` is the newest part
of a partition in memory; `waiters` are those who wait for more, `room` those who wait to write.
"""

from tocsin.runtime.embedded.broker import EmbeddedBroker
from tocsin.runtime.embedded.lock import LockedError

__all__ = ["EmbeddedBroker", "LockedError"]
