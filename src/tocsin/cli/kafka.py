"""`tocsin run` on Kafka: a connection, checked topics, a broker, and membership in the consumer groups."""

import asyncio
import logging
import socket
from contextlib import AsyncExitStack
from typing import Final

from tocsin.cli.connecting import connection_of
from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.kafka.admin import check
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.member_name import MemberName
from tocsin.runtime.kafka.members import Members
from tocsin.runtime.share import Shared
from tocsin.settings import Settings
from tocsin.topics import TOPICS, Kind, Topic

__all__ = ["join_cluster"]

log: Final = logging.getLogger("tocsin.kafka")

PATIENCE: Final = 60.0
"""Seconds that a start waits for a cluster which does not answer: machines come up in any order."""
AGAIN: Final = 1.0


async def join_cluster(
    settings: Settings, clock: Clock, stack: AsyncExitStack, *, patience: float = PATIENCE
) -> tuple[KafkaBroker, Shared]:
    """Connect; everything made is given back by `stack`.

    Raises:
        Unavailable: no server answered within `patience` seconds. Broken: waiting would not help; with the remedy.
    """
    connection = connection_of(settings)
    topics = {**TOPICS, **{name: Topic(name, Kind.SHARED, foreign=True) for name in settings.ingest.topics}}
    began = asyncio.get_running_loop().time()
    said = ""
    while True:
        try:
            await _check_topics(settings, connection)
            broker = await KafkaBroker.open(connection, clock=clock, topics=topics)
            break
        except Unavailable as error:
            if asyncio.get_running_loop().time() - began > patience:
                raise
            if str(error) != said:
                said = str(error)
                log.warning("waiting for Kafka: %s", said)
            await asyncio.sleep(AGAIN)
    stack.push_async_callback(broker.close)
    name = settings.kafka.member
    if name is None:
        own = MemberName(settings.data_dir, settings.instance, socket.gethostname())
        stack.callback(own.release)
        name = own.name
    session = settings.kafka.session_timeout.total_seconds()
    members = Members(connection, broker, member=name, session=session)
    return broker, Shared(arrivals=members.arrivals, membership=members, lease=members.lease)


async def _check_topics(settings: Settings, connection: Connection) -> None:
    """Nothing is worked on while a topic is missing, has another number of partitions, or would lose records.

    Raises:
        Unavailable: the cluster cannot be asked now. Broken: every reason, each with the command that cures it.
    """
    problems = await check(
        connection,
        partitions=settings.partitions,
        replication=settings.kafka.replication,
        min_insync=settings.kafka.min_insync_replicas,
    )
    if problems:
        raise Broken("\n".join(problems))
