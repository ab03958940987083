"""Which partitions this process works on, as its consumer groups say."""

import asyncio

from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.heartbeat import HeartbeatLease
from tocsin.runtime.kafka.inbox import Inbox, Inboxes
from tocsin.runtime.kafka.member import Member
from tocsin.runtime.kafka.transport import Session
from tocsin.runtime.share import Share
from tocsin.runtime.watch import Signs

__all__ = ["Members"]


class Members:
    """See `Membership`: one member for each share. `lease` is that of the core: only owners send."""

    def __init__(
        self, connection: Connection, broker: KafkaBroker, *, member: str | None, session: float = 15.0
    ) -> None:
        """
        Args:
            member: static name of this process, unique in the installation; None = none.
            session: seconds without a heartbeat after which others take over.
        """
        self.arrivals = Inboxes()
        self._connection = connection
        self._broker = broker
        self._name = member
        self._seconds = session
        self._members: dict[str, Member] = {}
        self._joined = asyncio.Event()
        self.lease = HeartbeatLease(session, Session(connection, "tocsin.core", member, session).heartbeat)

    @property
    def members(self) -> dict[str, Member]:
        """Share name -> member, of those that have joined."""
        return dict(self._members)

    async def join(self, share: Share) -> None:
        """Join the group of `share`; its partitions come when the group gives them."""
        session = Session(self._connection, f"tocsin.{share.name}", self._name, self._seconds)
        lease = self.lease if share.name == "core" else HeartbeatLease(self._seconds, session.heartbeat)
        inbox = Inbox(self._broker)
        self.arrivals.add(share.name, {reader for readers in share.readers.values() for reader in readers}, inbox)
        member = self._members[share.name] = Member(session, share, inbox, self._broker, lease)
        await member.start()
        self._joined.set()

    async def leave(self, share: Share, grace: float) -> None:
        """Release `share`, then leave its group."""
        if (member := self._members.pop(share.name, None)) is not None:
            await member.stop(grace)

    def signs(self) -> dict[str, Signs]:
        """What was last heard of each group."""
        return {f"tocsin.{name}": member.signs() for name, member in self._members.items()}

    async def failed(self) -> BaseException:
        """Wait until one of the members can no longer work."""
        await self._joined.wait()
        waits = [asyncio.ensure_future(member.failed()) for member in self._members.values()]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for wait in waits:
                wait.cancel()
