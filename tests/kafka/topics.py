"""Topics of tests: made under a prefix of their own, deleted afterwards."""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from tocsin.topics import RAW, TOPICS, Topic

TIMEOUT_MS = 30_000


def settings_of(topic: Topic, replicas: int) -> dict[str, str]:
    """What the protocol needs of `topic` (PROTOCOL §1, RECORDS §3); nothing is deleted by age, so that a virtual
    clock may stamp any time."""
    return {
        "retention.ms": "-1",
        "max.message.bytes": str(1024 * 1024),
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": "2" if replicas > 1 else "1",
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "message.timestamp.type": "LogAppendTime" if topic is RAW else "CreateTime",
        "message.timestamp.after.max.ms": str(2**63 - 1),
    }


async def create(
    servers: str,
    prefix: str,
    *,
    partitions: int = 1,
    replicas: int = 1,
    topics: Mapping[str, Topic] = TOPICS,
    settings: Mapping[str, str] | None = None,
) -> list[str]:
    """Make all `topics` under `prefix`, with `settings` on top; returns their names in the cluster."""
    new = [
        NewTopic(
            prefix + topic.name,
            topic.partitions or partitions,
            replicas,
            topic_configs=settings_of(topic, replicas) | dict(settings or {}),
        )
        for topic in topics.values()
        if not topic.foreign
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        answer = await admin.create_topics(new, timeout_ms=TIMEOUT_MS)
        for name, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(name)
    finally:
        await admin.close()
    return [topic.name for topic in new]


async def delete(servers: str, names: Iterable[str]) -> None:
    """Delete topics by their names in the cluster and wait until they are gone; what is not there is no error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        await _delete(admin, list(names))
    finally:
        await admin.close()


async def delete_prefix(servers: str, prefix: str) -> None:
    """Delete every topic whose name begins with `prefix`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        await _delete(admin, [name for name in await admin.list_topics() if name.startswith(prefix)])
    finally:
        await admin.close()


async def _delete(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    if not names:
        return
    await admin.delete_topics(names, timeout_ms=TIMEOUT_MS)
    async with asyncio.timeout(TIMEOUT_MS / 1000):
        while set(names) & set(await admin.list_topics()):  # noqa: ASYNC110 - the cluster sets no event of ours
            await asyncio.sleep(0.02)
