"""Topics, rights and groups of a cluster: asked for, created, changed.

In: a `Connection`. Out: what the cluster says as plain values, and the errors of the broker port with their remedy.
Only `create` and `change` change anything. Every call is bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from aiokafka import AIOKafkaClient
from aiokafka import errors as kafka
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.reach import unusable
from tocsin.runtime.kafka.requests import BROKER, TOPIC, AlterTopicRequest, RightsRequest
from tocsin.runtime.kafka.topics import Found, Plan, Wanted, blocking, plan, wanted

__all__ = ["Admin", "admin_of", "check", "planned"]

CALL_SECONDS: Final = 15.0
"""One request with its reconnects: above the 10 s after which the client gives a request up."""
CREATE_MS: Final = 10_000
"""How long the broker waits for a new topic to be known everywhere."""
COORDINATOR_SECONDS: Final = 5.0
"""How long a new cluster may take until the groups are kept somewhere."""
SETTLED_SECONDS: Final = 15.0
"""How long a change may take until every broker tells it."""
LOOK_SECONDS: Final = 0.1

OK: Final = 0
UNKNOWN_TOPIC: Final = 3
LEADER_NOT_AVAILABLE: Final = 5
TOPIC_REFUSED: Final = 29
TOPIC_EXISTS: Final = 36
"""Error codes of the protocol."""
LASTING: Final = frozenset({29, 30, 31, 37, 38, 39, 40, 42, 44})
"""Codes that waiting does not cure: rights, invalid requests, policies."""


class Admin:
    """One client of the cluster for questions and changes. Made by `open`, given back by `close`."""

    def __init__(self, connection: Connection, client: AIOKafkaClient) -> None:
        self._connection, self._client = connection, client

    @classmethod
    async def open(cls, connection: Connection) -> Self:
        """Connect.

        Raises:
            Unavailable, Broken: no server can be used; each is named with the reason and the remedy.
        """
        client = AIOKafkaClient(**connection.client("admin"))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await client.bootstrap()
        except (kafka.KafkaError, OSError, TimeoutError):
            await client.close()
            raise await unusable(connection) from None
        return cls(connection, client)

    async def close(self) -> None:
        """Give the connections back. Bounded."""
        try:
            async with asyncio.timeout(2.0):
                await self._client.close()
        except TimeoutError:
            pass

    @property
    def brokers(self) -> int:
        """How many brokers the cluster has, as known now."""
        return len(self._client.cluster.brokers())

    @property
    def addresses(self) -> list[str]:
        """`host:port` of each broker, as the cluster tells its clients (`advertised.listeners`)."""
        brokers = [(one.host, one.port) for one in self._client.cluster.brokers()]
        return sorted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in brokers)

    async def ask(self, request: Any, node: int | None = None) -> Any:
        """The answer to `request` from `node`, or from any.

        Raises:
            Unavailable: no answer came. Broken: the cluster does not know such a request.
        """
        return await self._bounded(self._client.send(self._node() if node is None else node, request))

    async def coordinator(self, group: str) -> int:
        """The node that keeps `group`, named as in the cluster.

        The first question ever makes the cluster create the topic of all groups' offsets, which takes a moment.
        """
        ends = asyncio.get_running_loop().time() + COORDINATOR_SECONDS
        while True:
            try:
                found: int = await self._bounded(self._client.coordinator_lookup(0, group), group=group)
            except Unavailable:
                if asyncio.get_running_loop().time() > ends:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return found

    async def _bounded(self, call: Awaitable[Any], *, group: str | None = None) -> Any:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call
        except (kafka.IncompatibleBrokerVersion, NotImplementedError) as error:
            raise Broken(explain(kafka.IncompatibleBrokerVersion(str(error)), server=self._server)) from error
        except kafka.BrokerResponseError as error:
            kind = Broken if error.errno in LASTING else Unavailable
            raise kind(explain(error, group=group, server=self._server)) from error
        except (kafka.KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(explain(error, server=self._server)) from error

    @property
    def _server(self) -> str:
        return ",".join(self._connection.servers)

    def _node(self) -> int | str:
        node: int | None = self._client.get_random_node()
        return "bootstrap" if node is None else node

    async def described(self, names: Iterable[str]) -> dict[str, Any]:
        """The answer to `RightsRequest`: brokers, topics with partitions, and what the user may do."""
        answer: dict[str, Any] = (await self.ask(RightsRequest(list(names)))).to_object()
        return answer

    async def found(self, names: Iterable[str]) -> dict[str, Found]:
        """The topics that there are among `names` (as in the cluster).

        Raises:
            Broken: the user may not see one of them.
        """
        names = list(names)
        topics = (await self.described(names))["topics"]
        for topic in topics:
            if topic["error_code"] not in (OK, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE):
                kind = Broken if topic["error_code"] in LASTING else Unavailable
                raise kind(explain(topic["error_code"], topic=topic["name"]))
        there = {topic["name"]: topic["partitions"] for topic in topics if topic["error_code"] != UNKNOWN_TOPIC}
        configs = await self._configs(list(there))
        return {
            name: Found(
                partitions=len(partitions),
                replication=min((len(one["replicas"]) for one in partitions), default=0),
                configs=configs.get(name),
            )
            for name, partitions in there.items()
        }

    async def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Every setting of each topic; a topic whose settings the user may not see is left out."""
        if not names:
            return {}
        answer = await self.ask(DescribeConfigsRequest([(TOPIC, name, None) for name in names]))
        return {
            name: {entry[0]: entry[1] for entry in entries if entry[1] is not None}
            for code, _, _, name, entries in answer.resources
            if code == OK
        }

    async def broker_settings(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the named settings of one broker that the user may see."""
        node = self._node()
        if isinstance(node, str):
            return {}
        answer = await self.ask(DescribeConfigsRequest([(BROKER, str(node), list(names))]), node)
        return {
            entry[0]: entry[1] for code, *_, entries in answer.resources if code == OK for entry in entries if entry[1]
        }

    async def create(self, topic: Wanted, configs: Mapping[str, str]) -> None:
        """Create `topic`. That it is there already is fine; the next look tells how.

        Raises:
            Broken: it is refused. Unavailable: try again.
        """
        spec: tuple[Any, ...] = (topic.topic, topic.partitions, topic.replication, [], list(configs.items()))
        request = CreateTopicsRequest(create_topic_requests=[spec], timeout=CREATE_MS, validate_only=False)
        for name, code, message in (await self.ask(request)).topic_errors:
            if code != TOPIC_EXISTS:
                _raise_for(code, message, name)

    async def change(self, topic: str, configs: Mapping[str, str]) -> None:
        """Set `configs` of `topic` (as in the cluster); its other settings stay.

        Raises:
            Broken: it is refused. Unavailable: try again.
        """
        answer = await self.ask(AlterTopicRequest(topic, configs))
        for code, message, _, name in answer.responses:
            _raise_for(code, message, name)

    async def settled(self, topics: Sequence[Wanted]) -> Plan:
        """The plan when the cluster tells what was done, at the latest after `SETTLED_SECONDS`."""
        ends = asyncio.get_running_loop().time() + SETTLED_SECONDS
        while True:
            left = plan(topics, await self.found(topic.topic for topic in topics))
            if not left.todo or asyncio.get_running_loop().time() > ends:
                return left
            await asyncio.sleep(LOOK_SECONDS)


def _raise_for(code: int, message: str | None, topic: str) -> None:
    if code == OK:
        return
    kind = Broken if code in LASTING else Unavailable
    error: Any = kafka.for_code(code)
    raise kind(explain(code if error is kafka.UnknownError else error(message), topic=topic))


@asynccontextmanager
async def admin_of(connection: Connection) -> AsyncIterator[Admin]:
    """An `Admin` that is closed at the end of the block."""
    admin = await Admin.open(connection)
    try:
        yield admin
    finally:
        await admin.close()


async def planned(
    admin: Admin, connection: Connection, *, partitions: int, replication: int | None, min_insync: int | None
) -> tuple[tuple[Wanted, ...], Plan]:
    """The topics of the installation, and what is to be done until they are so."""
    topics = wanted(
        prefix=connection.prefix,
        partitions=partitions,
        brokers=admin.brokers,
        replication=replication,
        min_insync=min_insync,
    )
    return topics, plan(topics, await admin.found(topic.topic for topic in topics))


async def check(
    connection: Connection, *, partitions: int, replication: int | None = None, min_insync: int | None = None
) -> list[str]:
    """Why tocsin must not start on the topics as they are, each with the command that cures it; empty: it may.

    Raises:
        Unavailable, Broken: the cluster cannot be asked.
    """
    async with admin_of(connection) as admin:
        _, found = await planned(
            admin, connection, partitions=partitions, replication=replication, min_insync=min_insync
        )
        return blocking(found)
