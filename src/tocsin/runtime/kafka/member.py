"""This process as a member of one consumer group: a Faust app whose agent fills the inbox of a share.

In: assignments and batches from Kafka. Out: a share that is given its partitions, suspended before each rebalance,
and fed. Invariants (PROTOCOL §8): loading belongs to one generation and is cut off at the next revocation; nothing
is delivered before the share has been loaded; what ends delivery ends the process.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any, Final

import faust
from aiokafka import errors as kafka
from faust.types import TP
from yarl import URL

from tocsin.runtime.arrivals import Place
from tocsin.runtime.broker import Broken, Record, Unavailable
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.heartbeat import HeartbeatLease
from tocsin.runtime.kafka.inbox import Inbox
from tocsin.runtime.kafka.transport import Assignor, Batches, Session, Transport
from tocsin.runtime.share import Share
from tocsin.runtime.watch import Signs

__all__ = ["Member"]

log: Final = logging.getLogger("tocsin.kafka")

TEND_EVERY: Final = 3.0
"""Seconds between two looks after what is not on the way of a record."""
SUSPEND_SHARE: Final = 0.6
"""Of the session's seconds: a member that takes longer to let go is thrown out of the group."""
STOP_GRACE: Final = 3.0
JOIN_LONGEST: Final = 3.0
"""Seconds between two looks for a broker before the group is joined."""
FENCED: Final = 82
"""Kafka's code for a static name that somebody else has joined with."""
TROUBLE_COUNTS: Final = 5.0
"""Seconds that a refusal is shown; as long as it stands it comes again every second or two."""
MOVED_ON: Final = (
    kafka.CommitFailedError,
    kafka.IllegalGenerationError,
    kafka.UnknownMemberIdError,
    kafka.RebalanceInProgressError,
    kafka.IllegalStateError,
)
"""The group has other members by now; they read from the position before and recognise what they have."""


class Member:
    """One share in one group. `start` once, `stop` once."""

    def __init__(
        self, session: Session, share: Share, inbox: Inbox, broker: KafkaBroker, lease: HeartbeatLease
    ) -> None:
        self.session = session
        self.share = share
        self.lease = lease
        self.process = secrets.token_hex(12)
        """What `Assignor` tells the group."""
        self.generation = 0
        self.fetched_at = self._taken_at = self._began = asyncio.get_running_loop().time()
        self._inbox = inbox
        self._broker = broker
        self._group = f"tocsin.{share.name}"
        self._names = {session.connection.topic(name): name for name in share.topics}
        """Name in the cluster -> logical name."""
        self._loading: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._trouble, self._troubled_at = "", float("-inf")
        self._scratch = TemporaryDirectory(prefix="tocsin-")
        """Faust makes a directory, which nothing is ever put into; by default where the process was started."""
        self._app = self._new_app()

    def _new_app(self) -> Any:
        connection = self.session.connection
        url = URL(f"aiokafka://{connection.servers[0]}")
        app: Any = faust.App(
            connection.group(self._group),
            broker=str(url),
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            store="memory://",
            datadir=self._scratch.name,
            PartitionAssignor=Assignor,
            broker_session_timeout=self.session.seconds,
            broker_request_timeout=max(2 * self.session.seconds, 30.0),
        )
        app.tocsin_wants = self
        app.transport = Transport([url], app)
        topic = app.topic(*self._names, schema=Batches(key_type=bytes, value_type=bytes), acks=False)
        app.agent(topic, name=f"{self._group}.batches")(self._deliver)
        app.on_rebalance_complete.connect(self._assigned)
        return app

    # ---- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the group; returns at once. What goes wrong is in `failed`."""
        self._app.finalize()
        self._broker.attach(self._group, self.commit)
        self._tasks = [asyncio.ensure_future(self._run()), asyncio.ensure_future(self._tend())]

    async def _run(self) -> None:
        try:
            await self._reached()
            await self._app.start()
            self._app.sensors.remove(self._app.monitor)  # nobody asks it; it takes a third of what an event costs
            while not self._app.should_stop:  # noqa: ASYNC110 - faust tells only its own worker, which is not used here
                await asyncio.sleep(0.2)
            # A crash stops the app, too, and nobody but `stop` stops it in order, after it has ended this task.
            raise self._app._crash_reason or RuntimeError("the delivery has ended by itself")
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            await self.ended(error)

    async def _reached(self) -> None:
        """Wait until a broker answers: an app that starts without one is broken for good."""
        attempt = 0
        while True:
            try:
                await self._broker.end(self.share.topics[0], 0)
                return
            except Unavailable as error:
                self._trouble, self._troubled_at = str(error), asyncio.get_running_loop().time()
                attempt += 1
                await asyncio.sleep(min(JOIN_LONGEST, 0.1 * 2**attempt))

    async def ended(self, error: BaseException) -> None:
        """See `Wants.ended`. Behind an unexpected error may be that somebody else has our name."""
        self.fail(FENCED if await self._replaced() else error)

    async def _tend(self) -> None:
        """Now and then: store positions for lag tools, and set a delivery right that went past its readers."""
        try:
            while True:
                await asyncio.sleep(TEND_EVERY)
                if self.share.taken.is_set():
                    with suppress(Unavailable, kafka.KafkaError, kafka.ConsumerStoppedError):
                        await self._look_after()
        except Exception as error:  # nobody awaits this
            await self.ended(error)

    async def _look_after(self) -> None:
        if self.share.name != "ingest":  # whose positions are no hints; it stores them itself
            await self.commit({place: (offset, "") for place, offset in self.share.places().items()})
        connection = self.session.connection
        wanted = {TP(connection.topic(t), p): offset for (t, p), offset in self._inbox.wanted().items()}
        await self._app.consumer.thread.seek_back(wanted)

    def signs(self) -> Signs:
        """What was last heard of the group. While it gives partitions away there is nothing to fetch."""
        fetching = self.share.taken.is_set()
        now = asyncio.get_running_loop().time()
        age = now - max(self.fetched_at, self._taken_at) if fetching else 0.0
        trouble = self._trouble if now - self._troubled_at < TROUBLE_COUNTS else ""
        return Signs(age, min(self.lease.age(), now - self._began), self.session.seconds, trouble)

    async def failed(self) -> BaseException:
        """Wait for what ended delivery for good."""
        return await asyncio.shield(self._failure)

    def fail(self, error: BaseException | int) -> None:
        """Have the process end; the first reason counts. A number is an error code of Kafka's protocol."""
        if not self._failure.done():
            told = Broken(explain(error, group=self.session.connection.group(self._group)))
            told.__cause__ = error if isinstance(error, BaseException) else None
            self._failure.set_result(told)

    async def stop(self, grace: float) -> None:
        """Release the share within `grace` seconds, then leave. A static member keeps its place for a session."""
        await self._cut_loading()
        await self.share.release(grace)
        self._inbox.shut()
        self._broker.detach(self._group)
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE):
                await self._app.stop()
        self._scratch.cleanup()

    # ---- the group ---------------------------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """See `Wants.revoked`. All partitions go at every rebalance; those that come back are not loaded again."""
        await self._cut_loading()
        self._inbox.shut()
        if await self._replaced():
            # To join again would throw the other one out, and so on, and neither would ever work.
            self._app.consumer.thread.resign()
            self.fail(FENCED)
        await self.share.suspend(self.session.seconds * SUSPEND_SHARE)

    async def _replaced(self) -> bool:
        """Whether somebody else is in the group under our name by now. Kafka tells that only to clients that speak a
        newer protocol; the others learn that they are unknown, and would throw out whoever has thrown them out."""
        name = self.session.member
        if name is None or self.generation == 0:
            return False  # before the first assignment it is our own former process that has the name
        with suppress(Unavailable, Broken):
            holder = await self._broker.holder(self._group, name)
            if holder is None or holder[0] == self._app.consumer.thread.member_id():
                return False
            # It may be us: when the answer to a join is lost, the group knows us by an id that we do not. While it
            # rebalances nobody can tell; who has been replaced learns it in the next generation.
            return bool(holder[1]) and self.process.encode() not in holder[1]
        return False

    async def _cut_loading(self) -> None:
        task, self._loading = self._loading, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def _assigned(self, *_: Any, **__: Any) -> None:
        """Faust waits for this before it lets records through; heartbeats go on meanwhile."""
        self.generation = self._app.consumer_generation_id
        held = frozenset(
            (self._names[tp.topic], tp.partition) for tp in self._app.consumer.assignment() if tp.topic in self._names
        )
        task = self._loading = asyncio.ensure_future(self._take(held, self.generation))
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _take(self, held: frozenset[Place], generation: int) -> None:
        log.info("%s: generation %d, %d partitions", self._group, generation, len(held))
        await self.share.take(held, generation)
        self._taken_at = asyncio.get_running_loop().time()
        self._inbox.open(held, self.share.places(), self.share.readers)

    def starts(self, assigned: set[TP]) -> Mapping[TP, int]:
        """See `Wants.starts`."""
        places = self.share.places()
        return {
            tp: places[name, tp.partition]
            for tp in assigned
            if (name := self._names.get(tp.topic)) and (name, tp.partition) in places
        }

    def unwanted(self, assigned: set[TP]) -> set[TP]:
        """See `Wants.unwanted`."""
        return {tp for tp in assigned if not self._inbox.takes(self._names[tp.topic], tp.partition)}

    def unreadable(self, places: Iterable[TP]) -> None:
        """See `Wants.unreadable`."""
        named = [(self._names[tp.topic], tp.partition) for tp in places if tp.topic in self._names]
        self._loop.call_soon_threadsafe(self._inbox.unreadable, named)

    def skipped(self) -> Mapping[TP, int]:
        """See `Wants.skipped`."""
        connection = self.session.connection
        return {TP(connection.topic(t), p): offset for (t, p), offset in self._inbox.skipped().items()}

    def troubled(self, error: BaseException) -> None:
        """See `Wants.troubled`."""
        self._trouble = explain(error, topic=_refused(error), group=self.session.connection.group(self._group))
        self._troubled_at = asyncio.get_running_loop().time()

    def beat(self, sent_at: float) -> None:
        """See `Wants.beat`."""
        self.lease.beat(sent_at)

    def fetched(self) -> None:
        """See `Wants.fetched`."""
        self.fetched_at = asyncio.get_running_loop().time()

    async def commit(self, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store positions of the group.

        Raises:
            Unavailable: the coordinator does not answer now.
        """
        connection = self.session.connection
        named = {TP(connection.topic(topic), partition): place for (topic, partition), place in positions.items()}
        try:
            await self._app.consumer.thread.commit_positions(named)
        except MOVED_ON as error:
            log.info("%s has moved on: %s", self._group, type(error).__name__)
        except (kafka.KafkaError, kafka.ConsumerStoppedError) as error:
            raise Unavailable(explain(error, topic=_refused(error), group=connection.group(self._group))) from error

    # ---- records -----------------------------------------------------------------------------------------------------

    async def _deliver(self, stream: Any) -> None:
        """The agent: one event is a batch of one partition."""
        async for event in stream.events():
            message = event.message
            try:
                self._inbox.put(self._names[message.topic], message.partition, _records(event.value))
            except Exception as error:  # Faust would go on without the batch
                self.fail(error)
                raise


def _refused(error: BaseException) -> str | None:
    """The topics that an error of missing rights is about: aiokafka names one, or several in a set."""
    if not isinstance(error, kafka.TopicAuthorizationFailedError) or not error.args:
        return None
    named = error.args[0]
    return ", ".join(sorted(named)) if isinstance(named, set | frozenset) else str(named)


def _records(batch: Sequence[Any]) -> list[Record]:
    return [Record(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in batch]
