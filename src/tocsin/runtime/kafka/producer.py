"""Appends to partitions: idempotent, each whole or not at all, one under way a partition, in order.

In: drafts. Out: the offset of the first; or what became of them as far as anybody knows. The rules of PROTOCOL §2:

- every batch carries the identity of an idempotent producer and a sequence number, so an attempt whose answer was lost
  may be repeated, and lies in the log once;
- an append that did not succeed leaves its partition without identity: the next one gets a new one, since the broker
  would refuse whatever follows a hole. Other partitions keep theirs;
- an attempt that may have taken effect makes every later failure a `Doubt`: only the log can tell.

Appends to one partition that expect no offset and wait together go as one batch. This is not aiokafka's producer: that
one waits for ever for a broker that is away, and makes one failure everybody's.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Final, NamedTuple

from aiokafka import errors as kafka
from aiokafka.protocol.transaction import InitProducerIdRequest

from tocsin.domain.instant import to_ms
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broken, Conflict, Doubt, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.kafka.batch import Identity, encode
from tocsin.runtime.kafka.cluster import Address, Cluster, Unanswered, Unsent
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.outbox import Outbox, Place
from tocsin.wire.record import Draft

__all__ = ["Producer"]

DELIVERY_SECONDS: Final = 10.0
"""New attempts of one append; with the last one it ends within 15 s. A leader is elected within seconds; a journal
must not wait for the 20 minutes of other clients."""
RETRY_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Between attempts; the last from then on."""
SEQUENCE_MAX: Final = 2**30
"""Sequence numbers wrap at 2^31, and brokers and clients disagree on how: take a new identity long before."""

_UNWRITTEN: Final = frozenset({2, 19})
"""Damaged on the way; not enough replicas: refusals that surely come before the append, and pass."""
_PASSING: Final = frozenset({3, 5, 6, 7, 9, 13, 20, 56, 72, 74, 75})
"""No leader (any more), replicas too slow, a failing disk: perhaps written, to be tried again."""
_LOST_TRACK: Final = frozenset({45, 47, 59, 90})
"""The broker and this producer disagree on what came last."""
_UNKNOWN: Final = frozenset({-1, 0, 46})
"""Something has failed within the broker; or the batch is in the log, who knows where (0: without its offset)."""
_REFUSED: Final = frozenset({29, 31, 53})
"""No right: nothing is written, and it goes on as soon as somebody grants it."""
_NO_IDENTITY: Final = 35
"""The broker does not know the request."""


class _Attempt(NamedTuple):
    """What became of one attempt."""

    offset: int | None = None
    """Of the first record, when it succeeded."""
    doubt: bool = False
    """It may have been written all the same."""
    last: bool = False
    """Another would not do better."""
    lasting: bool = False
    """When others do not do better either, waiting does not cure it."""
    refused: bool = False
    """A right is missing: people cure that. Once more, in case that what is known of the topic is old."""
    renew: bool = False
    """The next one needs a new identity."""
    reason: str = ""


class _Append:
    __slots__ = ("done", "drafts", "expected", "size")

    def __init__(self, drafts: Sequence[Draft], size: int, expected: int | None) -> None:
        self.drafts = drafts
        self.size = size
        self.expected = expected
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class _Line:
    """One partition: who waits, and what the broker has been told."""

    __slots__ = ("identity", "name", "place", "sequence", "task", "timestamp", "waiting")

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.name = name
        self.waiting: deque[_Append] = deque()
        self.task: asyncio.Task[None] | None = None
        self.identity: Identity | None = None
        self.sequence = 0
        self.timestamp = 0


class Producer:
    """All appends of one broker port."""

    def __init__(self, cluster: Cluster, clock: Clock, compression: str | None) -> None:
        self._cluster = cluster
        self._clock = clock
        self._compression = compression
        self._lines: dict[Place, _Line] = {}
        self._outboxes: dict[Address, Outbox] = {}
        self._identity: Identity | None = None
        """For partitions that have none yet."""
        self._asking = asyncio.Lock()

    def append(
        self, place: Place, name: str, drafts: Sequence[Draft], size: int, expected: int | None
    ) -> asyncio.Future[int]:
        """Append `drafts` (`size` bytes) to `place`, which messages call `name`; the future gets the first offset.

        The future raises Conflict, Doubt, Unavailable, Broken. A caller that goes away stops nothing.
        """
        line = self._lines.get(place)
        if line is None:
            line = self._lines[place] = _Line(place, name)
        one = _Append(drafts, size, expected)
        line.waiting.append(one)
        if line.task is None:
            line.task = asyncio.create_task(self._run(line))
        return one.done

    async def stop(self, seconds: float) -> None:
        """Finish what was begun, at most so many seconds; then end it: its outcome is unknown."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        for outbox in self._outboxes.values():
            outbox.stop()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, line: _Line) -> None:
        """Append what waits for this partition, until nothing does."""
        group: list[_Append] = []
        try:
            while group := _together(line.waiting):
                await self._settle(line, group)
        finally:
            line.task = None
            for one in (*group, *line.waiting):
                if not one.done.done():
                    one.done.set_exception(Doubt(f"append to {line.name}: ended before its outcome was known"))

    async def _settle(self, line: _Line, group: Sequence[_Append]) -> None:
        """Append `group` as one batch and tell each what became of it."""
        try:
            first = await self._deliver(line, [draft for one in group for draft in one.drafts])
        except Exception as error:
            if len(group) > 1 and isinstance(error, TypeError):  # one of them cannot be encoded: find out which
                for one in group:
                    await self._settle(line, [one])
                return
            for one in group:
                if not one.done.done():
                    one.done.set_exception(type(error)(*error.args) if len(group) > 1 else error)
            return
        for one in group:
            if not one.done.done():
                if one.expected is None or one.expected == first:
                    one.done.set_result(first)
                else:
                    one.done.set_exception(Conflict(f"{line.name} ends at {first}, not at {one.expected}"))
            first += len(one.drafts)

    async def _deliver(self, line: _Line, drafts: Sequence[Draft]) -> int:
        """The offset of the first draft, once all replicas have them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DELIVERY_SECONDS
        line.timestamp = max(line.timestamp, to_ms(self._clock.now()))
        doubt = False
        for number in count():
            seen = self._cluster.version
            attempt = await self._attempt(line, drafts)
            if attempt.offset is not None:
                line.sequence += len(drafts)
                if line.sequence > SEQUENCE_MAX:
                    self._forget(line)
                return attempt.offset
            doubt |= attempt.doubt
            if attempt.renew:
                self._forget(line)
            refused = attempt.refused and number > 0
            if attempt.last or refused or (attempt.renew and doubt) or loop.time() >= until:
                self._forget(line)
                kind = Doubt if doubt else Broken if attempt.last or attempt.lasting else Unavailable
                raise kind(f"append to {line.name}: {attempt.reason}")
            await asyncio.sleep(RETRY_SECONDS[min(number, len(RETRY_SECONDS) - 1)])
            with suppress(Unavailable):
                await self._cluster.refresh(seen)
        raise AssertionError("unreachable")

    async def _attempt(self, line: _Line, drafts: Sequence[Draft]) -> _Attempt:
        """Try once. Every attempt of one append sends the same bytes, or has a new identity."""
        where = f"{line.place[0]}/{line.place[1]}"
        try:
            if line.identity is None:
                line.identity, line.sequence = await self._identify(), 0
            batch = encode(drafts, line.timestamp, line.identity, line.sequence, self._compression)
            written = await self._outbox(line.place).send(line.place, batch)
        except Unanswered as error:
            return _Attempt(doubt=True, reason=explain(error.cause, topic=where, server=error.server))
        except Unsent as error:
            return _Attempt(
                refused=isinstance(error.cause, kafka.TopicAuthorizationFailedError),
                lasting=isinstance(error.cause, kafka.UnknownTopicOrPartitionError),
                reason=explain(error.cause, topic=where, server=error.server),
            )
        except (Unavailable, Broken) as error:  # of asking for an identity
            return _Attempt(last=isinstance(error, Broken), reason=str(error))
        code, offset = written
        if code == 0 and offset >= 0:
            return _Attempt(offset)
        reason = explain(code, topic=where)
        if code in _UNKNOWN:
            return _Attempt(doubt=True, last=True, reason=reason)
        if code in _LOST_TRACK:
            return _Attempt(renew=True, reason=reason)
        if code in _REFUSED:
            return _Attempt(refused=True, reason=reason)
        passes = code in _PASSING
        return _Attempt(doubt=passes, last=not passes and code not in _UNWRITTEN, reason=reason)

    def _outbox(self, place: Place) -> Outbox:
        address = self._cluster.leader(*place)
        outbox = self._outboxes.get(address)
        if outbox is None:
            outbox = self._outboxes[address] = Outbox(self._cluster, address)
        return outbox

    async def _identify(self) -> Identity:
        """The identity for partitions that have none; from a broker when the last one has been forgotten.

        Raises:
            Unavailable, Broken.
        """
        async with self._asking:
            if self._identity is None:
                answer = await self._cluster.ask_any("metadata", InitProducerIdRequest(None, 0))
                if answer.error_code:
                    kind = Broken if answer.error_code == _NO_IDENTITY else Unavailable
                    raise kind(explain(answer.error_code, server=self._cluster.servers))
                self._identity = Identity(answer.producer_id, answer.producer_epoch)
            return self._identity

    def _forget(self, line: _Line) -> None:
        """`line`, and every line that has no identity yet, gets a new one; the others keep theirs."""
        if line.identity is not None and line.identity == self._identity:
            self._identity = None
        line.identity = None


def _together(waiting: deque[_Append]) -> list[_Append]:
    """Take from `waiting` what may go as one batch: one that expects an offset goes alone."""
    group: list[_Append] = []
    size = 0
    while waiting:
        one = waiting[0]
        if one.done.done():  # its caller has gone away before it was sent
            waiting.popleft()
            continue
        size += one.size
        if group and (one.expected is not None or size > BATCH_BYTES_MAX):
            break
        group.append(waiting.popleft())
        if one.expected is not None:
            break
    return group
