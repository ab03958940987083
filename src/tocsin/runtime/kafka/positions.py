"""What consumer groups have committed, commits for groups, and who has a static name in one.

In: positions of partitions, by their names in the cluster. Out: the same, kept by the cluster. A group with live
members takes commits of theirs only; then it is the member of this process that commits (`KafkaBroker.attach`).
Positions of a group without members are forgotten by the cluster some days after the last commit
(`offsets.retention.minutes`, a week unless it is set).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest

from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.cluster import Address, Cluster, Unanswered, Unsent
from tocsin.runtime.kafka.errors import explain
from tocsin.runtime.kafka.requests import GroupsRequest

__all__ = ["Positions"]

COMMIT_SECONDS: Final = 10.0
"""New attempts of one call; a coordinator is elected within seconds."""
RETRY_SECONDS: Final = 0.1
GROUP: Final = 0
"""The kind of coordinator (Kafka's FindCoordinator)."""
_PASSING: Final = frozenset({-1, 3, 5, 7, 13, 14, 15, 16, 27})
"""No coordinator yet, one that loads or moves, a rebalance."""
_REFUSED: Final = 30
"""No right to the group: it goes on as soon as somebody grants it."""
_MEMBERS: Final = frozenset({22, 25})
"""Generation or member unknown: the group has members, and this is none of them."""

Place = tuple[str, int]


class Positions:
    """Commits of one broker port."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._coordinators: dict[str, Address] = {}

    async def commit(self, group: str, positions: Mapping[Place, tuple[int, str]]) -> None:
        """Store (next offset, metadata) per partition for `group`, all or none: it is one record batch.

        Raises:
            Unavailable, Broken.
        """
        topics: dict[str, list[tuple[int, int, str]]] = {}
        for (topic, partition), (offset, metadata) in positions.items():
            topics.setdefault(topic, []).append((partition, offset, metadata))

        async def ask(address: Address) -> tuple[int, None]:
            request = OffsetCommitRequest(group, -1, "", -1, list(topics.items()))
            answer = await self._cluster.ask(address, "group", request)
            codes = [code for _, partitions in answer.topics for _, code in partitions]
            return next((code for code in codes if code), 0), None

        await self._at_coordinator(group, ask)

    async def committed(self, group: str, topic: str, partition: int) -> tuple[int, str] | None:
        """What was stored last, or None.

        Raises:
            Unavailable, Broken.
        """

        async def ask(address: Address) -> tuple[int, tuple[int, str] | None]:
            request = OffsetFetchRequest(group, [(topic, [partition])])
            answer = await self._cluster.ask(address, "group", request)
            _, offset, metadata, code = answer.topics[0][1][0] if answer.topics else (0, -1, "", 0)
            return answer.error_code or code, (offset, metadata or "") if offset >= 0 else None

        found: tuple[int, str] | None = await self._at_coordinator(group, ask)
        return found

    async def holder(self, group: str, name: str) -> tuple[str, bytes] | None:
        """Who is in `group` under the static name `name`: its member id, and what it said of itself when it joined,
        which Kafka tells only while the group does not rebalance. None when nobody is.

        Raises:
            Unavailable, Broken.
        """

        async def ask(address: Address) -> tuple[int, tuple[str, bytes] | None]:
            answer = await self._cluster.ask(address, "group", GroupsRequest([group]))
            told = answer.to_object()["groups"][0]
            named = (member for member in told["members"] if member["instance_id"] == name)
            found = next(((member["member_id"], bytes(member["metadata"] or b"")) for member in named), None)
            return told["error_code"], found

        found: tuple[str, bytes] | None = await self._at_coordinator(group, ask)
        return found

    async def _at_coordinator(self, group: str, ask: Callable[[Address], Awaitable[tuple[int, Any]]]) -> Any:
        """What `ask` gets from the coordinator of `group`: (Kafka's error code, result)."""
        loop = asyncio.get_running_loop()
        until = loop.time() + COMMIT_SECONDS
        while True:
            try:
                code, result = await ask(await self._coordinator(group))
            except (Unsent, Unanswered) as error:
                reason = explain(error.cause, group=group, server=error.server)
            except Unavailable as error:
                reason = str(error)
            else:
                if code == 0:
                    return result
                if code in _MEMBERS:
                    raise Unavailable(f"group {group}: it has live members, and this process is none of them")
                reason = explain(code, group=group)
                if code == _REFUSED:
                    raise Unavailable(reason)
                if code not in _PASSING:
                    raise Broken(reason)
            self._coordinators.pop(group, None)
            if loop.time() >= until:
                raise Unavailable(reason)
            await asyncio.sleep(RETRY_SECONDS)

    async def _coordinator(self, group: str) -> Address:
        """The broker that keeps the positions of `group`.

        Raises:
            Unavailable, Broken.
        """
        known = self._coordinators.get(group)
        if known is not None:
            return known
        answer = await self._cluster.ask_any("metadata", FindCoordinatorRequest(group, GROUP))
        if answer.error_code:
            kind = Unavailable if answer.error_code in _PASSING or answer.error_code == _REFUSED else Broken
            raise kind(explain(answer.error_code, group=group))
        self._coordinators[group] = answer.host, answer.port
        return self._coordinators[group]
