"""Our transport for Faust: an agent gets one event per batch of records of one partition.

Stock Faust makes four tasks and takes a lock for each record (ENGINE.md §2); here a fetch becomes one message per
partition, its value the list of records. In: what aiokafka fetched in the consumer's thread. Out: messages to
Faust's conductor, signs of life for the lease, signs of death for the watch. It commits nothing and keeps no
offsets: the position is the owner's.

Everything private of faust, mode and aiokafka that is touched stands in `private.py`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import faust
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.heartbeat import boottime

__all__ = ["Assignor", "Batches", "Session", "Transport", "Wants"]

GETMANY_SECONDS: Final = 1.0
FULL_SECONDS: Final = 0.05
"""A fetch for some partitions only must not keep the others waiting when they have room again."""
POLL_NEVER_MS: Final = 24 * 3600 * 1000
"""aiokafka leaves the group when nothing is fetched for this long; a busy owner is not a dead one, and `watch.py`
looks for those that hang."""
FETCH_WAIT_MS: Final = 500
RECORDS_MAX: Final = 4000
UNREADABLE: Final = (UnicodeDecodeError, kafka.CorruptRecordException, kafka.UnsupportedCodecError)
"""A header name that is no UTF-8, a wrong checksum, a codec without its library. The first is somebody's malice and
must not stop a partition; the others are named by who reads the log."""
PASSING: Final = (
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.UnknownTopicOrPartitionError,
)
"""A right that was taken can be given back, a topic that is not known may be made, while everything else goes on."""
PASSING_SECONDS: Final = 1.0
"""Between two attempts."""
LEAVE_SECONDS: Final = 2.0
"""aiokafka leaves a group only after the join under way was answered, and the group answers when all have joined. Less
than what a member waits for its app."""

UNKNOWN_MAX: Final = 30
"""Answers to a join, one after the other, that aiokafka does not know: a coordinator that moves is there by then."""

log: Final = logging.getLogger("tocsin.kafka")


class Session:
    """How a member behaves in its group."""

    def __init__(self, connection: Connection, group: str, member: str | None, seconds: float = 15.0) -> None:
        """
        Args:
            group: its logical name.
            member: the static name (`group.instance.id`); None = a new member at each start.
            seconds: without a heartbeat for so long the group gives the partitions to others.
        """
        self.connection = connection
        self.group = group
        self.member = member
        self.seconds = seconds
        self.heartbeat = min(3.0, seconds / 5)

    def consumer(self, assignor: Any) -> AIOKafkaConsumer:
        """The consumer of this member."""
        return AIOKafkaConsumer(
            **self.connection.client(self.group),
            group_id=self.connection.group(self.group),
            group_instance_id=self.member,
            partition_assignment_strategy=[assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(self.seconds * 1000),
            heartbeat_interval_ms=round(self.heartbeat * 1000),
            rebalance_timeout_ms=round(self.seconds * 1000),
            max_poll_interval_ms=POLL_NEVER_MS,
            max_poll_records=RECORDS_MAX,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            isolation_level="read_uncommitted",
        )


class Wants(Protocol):
    """What the transport asks its member (`member.py`)."""

    session: Session
    process: str
    """Of this very process: no other ever joins with it."""

    async def revoked(self) -> None:
        """Partitions are about to be given to others: finish and commit."""

    def beat(self, sent_at: float) -> None:
        """A heartbeat was answered. From the consumer's thread."""

    def fetched(self) -> None:
        """The fetcher is alive."""

    def unwanted(self, assigned: set[TP]) -> set[TP]:
        """Partitions that take nothing for now."""

    def starts(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Where the owners read; nothing for a partition that is not worked on."""

    def unreadable(self, places: Iterable[TP]) -> None:
        """What comes next of one of these cannot be delivered. From the consumer's thread."""

    def skipped(self) -> Mapping[TP, int]:
        """Where delivery goes on of those whose readers have read from the log; told once."""

    def troubled(self, error: BaseException) -> None:
        """Delivery is refused for a reason that may pass."""

    async def ended(self, error: BaseException) -> None:
        """Delivery has ended for good."""


class Assignor(PartitionAssignor):
    """Faust's. What a member tells the group of itself names its process, too: the group may know us by a member id
    that we never learned, since the answer to a join can be lost with a broker."""

    def metadata(self, topics: set[str]) -> Any:
        told: Any = super().metadata(topics)
        named = orjson.dumps({**orjson.loads(told.user_data), "tocsin_process": _wants(self.app).process})
        return type(told)(told.version, told.subscription, named)


def patient(
    join: Callable[..., Awaitable[bool]], troubled: Callable[[BaseException], None], pause: float = PASSING_SECONDS
) -> Callable[..., Awaitable[bool]]:
    """`join` (of aiokafka: False = ask again), which asks again, too, after an answer that aiokafka does not know: a
    coordinator that has just moved and still loads answers to SyncGroup so. aiokafka would end its task for good."""
    unknown = 0

    async def joined(*given: Any) -> bool:
        nonlocal unknown
        try:
            answer = await join(*given)
        except kafka.KafkaError as error:
            # What aiokafka knows has a class of its own.
            if type(error) is not kafka.KafkaError or unknown >= UNKNOWN_MAX:
                raise
            unknown += 1
            troubled(error)
            log.info("the group answers to a join with %s; asked again", error)
            await asyncio.sleep(pause)
            return False
        unknown = 0
        return answer

    return joined


class _Thread(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer, in a thread of its own so that heartbeats go on while the owners are busy."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        self._assignor = self.app.assignor  # keeps co-partitioned topics together; aiokafka's round robin does not
        return _wants(self.app).session.consumer(self._assignor)

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        heartbeat, wants = coordinator._do_heartbeat, _wants(self.app)

        async def noticed() -> Any:
            sent_at = boottime()
            answered = await heartbeat()
            if answered:
                wants.beat(sent_at)
            return answered

        coordinator._do_heartbeat = noticed
        coordinator._do_rejoin_group = patient(coordinator._do_rejoin_group, wants.troubled)

    async def on_thread_stop(self) -> None:
        """As Faust's, within a limit: a process must not stay because a group does not answer. The group notices
        after a session that the member is gone, as if it had been killed."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await super().on_thread_stop()
        except TimeoutError:
            log.info("%s: stopped while the group was being joined", _wants(self.app).session.group)
            await self._ensure_consumer()._client.close()

    async def _fetch_records(self, consumer: Any, *given: Any, **more: Any) -> Any:
        """As Faust's; a batch that aiokafka cannot take apart is left to those who read the log themselves."""
        try:
            return await super()._fetch_records(consumer, *given, **more)
        except UNREADABLE as error:
            fetched = consumer._fetcher._records
            log.warning(
                "a batch of one of %s is read from the log: %s", sorted(map(tuple, fetched)), type(error).__name__
            )
            _wants(self.app).unreadable(TP(*tp) for tp in fetched)
            fetched.clear()
            return {}

    def member_id(self) -> str:
        """Of this member, given by the group; empty when the group has none for it (any more)."""
        id_of: str = self._ensure_consumer()._coordinator.member_id
        return id_of

    def resign(self) -> None:
        """Never join again: aiokafka rejoins only for those who fetch often enough."""
        self._ensure_consumer()._coordinator._max_poll_interval = -1.0

    async def check(self) -> None:
        """Raise what ended a part of the consumer that nobody awaits: it would be silent for ever."""
        await self.call_thread(self._check)

    async def _check(self) -> None:
        consumer = self._ensure_consumer()
        try:
            consumer._coordinator.check_errors()
        except kafka.GroupAuthorizationFailedError:
            consumer._coordinator.request_rejoin()  # its heartbeats have ended, and only who joins has new ones
            raise
        fetching = consumer._fetcher._fetch_task
        if fetching.done() and not fetching.cancelled() and (error := fetching.exception()) is not None:
            raise error

    async def seek_all(self, starts: Mapping[TP, int]) -> None:
        await self.call_thread(self._seek_all, starts)

    async def _seek_all(self, starts: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in starts.items():
            if tp in consumer.assignment():
                consumer.seek(TopicPartition(*tp), offset)

    async def seek_back(self, starts: Mapping[TP, int]) -> None:
        """Go back to the given offsets where the delivery is beyond them."""
        await self.call_thread(self._seek_back, starts)

    async def _seek_back(self, starts: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in starts.items():
            if tp in consumer.assignment() and await consumer.position(TopicPartition(*tp)) > offset:
                consumer.seek(TopicPartition(*tp), offset)

    async def commit_positions(self, positions: Mapping[TP, tuple[int, str]]) -> None:
        """Store positions as a member of the group; those of partitions that it no longer has are left out."""
        await self.call_thread(self._commit_positions, positions)

    async def _commit_positions(self, positions: Mapping[TP, tuple[int, str]]) -> None:
        consumer = self._ensure_consumer()
        mine = {TopicPartition(*tp): place for tp, place in positions.items() if tp in consumer.assignment()}
        if mine:
            await consumer.commit(mine)


class _Consumer(driver.Consumer):
    """Delivers batches. Faust's own bookkeeping of acknowledged offsets is not used."""

    _thread: _Thread
    _check_at = 0.0

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> _Thread:
        return self._thread

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await _wants(self.app).revoked()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        _wants(self.app).beat(boottime())  # the group has just answered
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to where the owners are: Kafka's stored positions are hints."""
        starts = _wants(self.app).starts(self.assignment())
        await self._thread.seek_all(starts)
        return starts

    async def _drain_messages(self, fetcher: Any) -> None:
        wants = _wants(self.app)
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                try:
                    await self._drain_once(wants)
                except PASSING as error:
                    wants.troubled(error)
                    await asyncio.sleep(PASSING_SECONDS)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not self.should_stop:
                await wants.ended(error)
            raise

    async def _drain_once(self, wants: Wants) -> None:
        wants.fetched()
        if (now := time.monotonic()) >= self._check_at:
            self._check_at = now + GETMANY_SECONDS
            await self._thread.check()  # during a rebalance, too: aiokafka waits until somebody has taken its error
        if not self.flow_active:
            await asyncio.sleep(FULL_SECONDS)
            return
        if skipped := wants.skipped():
            await self._thread.seek_all(skipped)
        active = set(self._get_active_partitions())
        unwanted = wants.unwanted(active)
        fetchable = active - unwanted
        if not fetchable:
            await asyncio.sleep(FULL_SECONDS)
            return
        records = await self._getmany(fetchable, FULL_SECONDS if unwanted else GETMANY_SECONDS)
        for partition, batch in (records or {}).items():
            if batch:  # the inbox drops it when a rebalance has begun: the next owner reads it
                message: Any = self._to_message(TP(partition.topic, partition.partition), batch[-1])
                message.value = batch
                await self.callback(message)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust would look at bookkeeping that is not kept; `watch.py` looks at what happens."""


class _Silent(driver.Producer):
    """Faust insists on a producer; ours is `producer.py`. This one connects to nothing."""

    async def on_start(self) -> None: ...

    async def on_stop(self) -> None: ...

    async def flush(self) -> None: ...


class Transport(driver.Transport):
    """See the module. Its app has to carry a `Wants` as `app.tocsin_wants`."""

    Consumer = _Consumer
    Producer = _Silent


class Batches(faust.Schema[Any, Any]):
    """Keys and values as they are: decoding is the stages' business, and a bad record must not be dropped here."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def _wants(app: Any) -> Wants:
    wants: Wants = app.tocsin_wants
    return wants
