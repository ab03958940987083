"""Who watches over a running tocsin: the outbound heartbeat, the canary, the alerts that have to come.

Each is a `Vigil`: a loop beside the stream that looks, and tells. None of them decides anything of an incident: what
they find goes into the log as an alert, like what anybody else finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from tocsin.domain.rules import Rules
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.world import World
from tocsin.wire.record import Draft

__all__ = ["Vigil", "Ward"]


class Ward(NamedTuple):
    """The running tocsin, as those who watch over it see it."""

    world: World
    problems: Callable[[], Sequence[str]]
    """What is wrong; nothing when alerts are taken and worked on."""
    publish: Callable[[str, int, Sequence[Draft]], Awaitable[int]]
    """`Node.publish`."""
    rules: Callable[[], Rules]
    event_log: EventLog | None
    partitions: int


class Vigil(Protocol):
    """One of them."""

    name: str

    async def run(self, ward: Ward, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. What goes wrong outside is told, not raised."""
