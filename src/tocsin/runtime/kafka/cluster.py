"""The connections to a cluster's brokers, and who leads which partition.

In: requests, each for a broker, with the purpose it serves. Out: answers; or `Unsent`, when the request has certainly
had no effect, or `Unanswered`, when nobody knows. A connection belongs to one purpose, as a broker takes one request of
a connection after the other: an append that waits for replicas must not delay a read.

Every call ends within its time. It retries nothing; whoever asks knows whether that is safe. Topics go by their
names in the cluster.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import errors as kafka
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn, get_ip_port_afi

from tocsin.domain.errors import TocsinError
from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.metadata import TopicsRequest

__all__ = ["Address", "Cluster", "Unanswered", "Unsent", "lasting"]

CONNECT_SECONDS: Final = 5.0
"""TCP, TLS and login. A broker that needs longer is as good as away; the others of the cluster are tried."""
ANSWER_SECONDS: Final = 5.0
"""For everything but long polls. Then the connection is closed, so a paused broker holds nobody longer."""
GOODBYE_SECONDS: Final = 1.0
"""For closing connections; TLS may want to say goodbye to a broker that is away."""

Address = tuple[str, int]

_LASTING: Final = (
    kafka.SaslAuthenticationFailed,
    kafka.AuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
    kafka.AuthenticationMethodNotSupported,
    kafka.IllegalSaslStateError,
    kafka.IncompatibleBrokerVersion,
    kafka.UnsupportedVersionError,
    ssl.SSLError,
)


class _Failed(TocsinError):
    """One request, for one broker."""

    def __init__(self, server: str, cause: BaseException) -> None:
        super().__init__(explain(cause, server=server))
        self.server = server
        self.cause = cause


class Unsent(_Failed):
    """The request has certainly had no effect."""


class Unanswered(_Failed):
    """The request may have had its effect."""


class Topic(NamedTuple):
    """One topic as the cluster knows it now."""

    error: int
    """Kafka's error code; 0 = none."""
    id: str
    leaders: tuple[int, ...]
    """The leader's node of each partition, -1 for none."""
    offline: tuple[tuple[int, ...], ...] = ()
    """Of each partition the nodes that cannot serve it: they are away, or the disk on which they keep it is."""


def lasting(error: BaseException) -> bool:
    """Whether waiting does not cure it: a refused login, a certificate, a broker that is too old."""
    return isinstance(error, _LASTING)


class Cluster:
    """The brokers behind one `Connection`. For one event loop, from the first `refresh` to `close`."""

    def __init__(self, connection: Connection, topics: Sequence[str], part: str = "log") -> None:
        """`topics`: whose leaders are looked up. `part`: what the broker's logs call these connections."""
        self._options = connection.client(part)
        self._bootstrap: list[Address] = [
            get_ip_port_afi(server)[:2] for server in self._options.pop("bootstrap_servers")
        ]
        self._names = list(topics)
        self._links: dict[tuple[Address, str], AIOKafkaConnection] = {}
        self._linking: dict[tuple[Address, str], asyncio.Lock] = {}
        self._nodes: dict[int, Address] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False
        self.topics: dict[str, Topic] = {}
        self.version = 0
        """Rises with every refresh: who fails with what an older one said asks for a newer one."""

    @property
    def servers(self) -> str:
        """The configured servers, for people."""
        return ",".join(map(_text, self._bootstrap))

    def leader(self, topic: str, partition: int) -> Address:
        """Where `topic`/`partition` is led, as far as known.

        Raises:
            Unsent: it has no leader, or is not known.
        """
        known = self.topics.get(topic)
        if known is None or known.error:
            raise Unsent(self.servers, kafka.for_code(known.error if known else 3)())
        node = known.leaders[partition] if partition < len(known.leaders) else -1
        if node not in self._nodes:
            offline = known.offline[partition] if partition < len(known.offline) else ()
            if present := [number for number in offline if number in self._nodes]:
                raise Unsent(self.servers, kafka.KafkaStorageError(f"node {present[0]}"))
            raise Unsent(self.servers, kafka.LeaderNotAvailableError())
        return self._nodes[node]

    def node(self, number: int) -> Address | None:
        """The address of node `number`."""
        return self._nodes.get(number)

    async def refresh(self, seen: int | None = None) -> None:
        """Ask the cluster for its brokers, topics and leaders; not when that was done since version `seen`.

        Raises:
            Unavailable, Broken: no broker answers; with the reason and the remedy.
        """
        if seen is not None and self.version > seen:
            return
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())
            self._refreshing.add_done_callback(_retrieve)
        await asyncio.shield(self._refreshing)

    async def ask(self, address: Address, purpose: str, request: Any, seconds: float = ANSWER_SECONDS) -> Any:
        """The answer of the broker at `address`.

        Raises:
            Unsent, Unanswered. Broken: the broker does not know this kind of request.
        """
        link = await self._link(address, purpose)
        try:
            answer: Awaitable[Any] = link.send(request)
        except (kafka.IncompatibleBrokerVersion, NotImplementedError) as error:
            raise Broken(explain(kafka.IncompatibleBrokerVersion(), server=_text(address))) from error
        except (kafka.KafkaError, OSError) as error:
            raise Unsent(_text(address), error) from error
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError as error:
            link.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise Unanswered(_text(address), error) from error
        except (kafka.KafkaError, OSError) as error:
            raise Unanswered(_text(address), error) from error

    async def ask_any(self, purpose: str, request: Any) -> Any:
        """The answer of any broker that gives one.

        Raises:
            Unavailable, Broken: none does; with the reason and the remedy.
        """
        failures: list[Unsent | Unanswered] = []
        for address in self._by_likelihood():
            try:
                return await self.ask(address, purpose, request)
            except (Unsent, Unanswered) as error:
                failures.append(error)
        telling = next((failure for failure in failures if lasting(failure.cause)), failures[0])
        raise (Broken if lasting(telling.cause) else Unavailable)(str(telling)) from telling

    async def close(self) -> None:
        """Close all connections, in a bounded time."""
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
        ends = [link.close(reason=CloseReason.SHUTDOWN) for link in self._links.values()]
        self._links.clear()
        waits = [end for end in ends if end is not None]
        if waits:
            await asyncio.wait(waits, timeout=GOODBYE_SECONDS)

    async def _refresh(self) -> None:
        try:
            answer = await self.ask_any("metadata", TopicsRequest(self._names))
        finally:
            self._refreshing = None
        self._nodes = {node: (host, port) for node, host, port, *_ in answer.brokers}
        for error, name, topic_id, _, partitions, *_ in answer.topics:
            known = {number: (leader, tuple(offline)) for _, number, leader, _, _, _, offline, *_ in partitions}
            each = [known.get(number, (-1, ())) for number in range(len(known))]
            self.topics[name] = Topic(
                error, topic_id.hex, tuple(leader for leader, _ in each), tuple(offline for _, offline in each)
            )
        self.version += 1

    def _by_likelihood(self) -> list[Address]:
        """Every known address once: those that are connected, then the brokers, then the configured servers."""
        connected = [address for (address, _), link in self._links.items() if link.connected()]
        return list(dict.fromkeys([*connected, *self._nodes.values(), *self._bootstrap]))

    async def _link(self, address: Address, purpose: str) -> AIOKafkaConnection:
        """A connection for `purpose` alone; a new one when there is none or it has ended."""
        key = (address, purpose)
        link = self._links.get(key)
        if link is not None and link.connected():
            return link
        async with self._linking.setdefault(key, asyncio.Lock()):
            link = self._links.get(key)
            if link is not None and link.connected():
                return link
            if link is not None:
                link.close()
            self._refuse_when_closed(address)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    link = await create_conn(*address, **self._options)
                    if self._options.get("sasl_mechanism") == "OAUTHBEARER":
                        await _accepted(link)
            except (OSError, kafka.KafkaError, TimeoutError) as error:
                raise Unsent(_text(address), error) from error
            try:
                self._refuse_when_closed(address)
            except Unsent:
                link.close()
                raise
            self._links[key] = link
            return link

    def _refuse_when_closed(self, address: Address) -> None:
        if self._closed:
            raise Unsent(_text(address), kafka.KafkaConnectionError("closed"))


async def _accepted(link: AIOKafkaConnection) -> None:
    """A refused token is told in a way that aiokafka passes over (RFC 7628 section 3.2.3): everything that is asked
    afterwards comes back empty.

    Raises:
        SaslAuthenticationFailed: that has happened. The connection is closed.
    """
    try:
        answer = await link.send(TopicsRequest([]))
        if answer.brokers:
            return
    except (kafka.KafkaError, OSError):
        pass
    except BaseException:
        link.close()
        raise
    link.close(reason=CloseReason.AUTH_FAILURE)
    raise kafka.SaslAuthenticationFailed("the token was refused")


def _text(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _retrieve(task: asyncio.Task[None]) -> None:
    """Nobody may be waiting any more: then its error is not missed."""
    with suppress(asyncio.CancelledError):
        task.exception()
