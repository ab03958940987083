"""Rights on a cluster with ACLs, taken away and given back. Who asks comes over the plain listener and may do so."""

import asyncio

from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from kafka.security import USER
from tocsin.runtime.kafka.cluster import Cluster
from tocsin.runtime.kafka.connection import Connection

TOPIC, GROUP = 2, 3
"""Kinds of resources (org.apache.kafka.common.resource.ResourceType)."""
READ, WRITE, DESCRIBE = 3, 4, 8
"""Operations (org.apache.kafka.common.acl.AclOperation)."""
_LITERAL, _DENY = 3, 2


async def deny(servers: str, name: str, operation: int, *, kind: int = TOPIC, user: str = f"User:{USER}") -> None:
    """Take the right to `operation` on `name` from `user`; holds when it returns. With it go all rights on `name` that
    nobody has written down: the cluster allows everything only where it finds no rule at all."""
    await _write(servers, CreateAclsRequest, (kind, name, _LITERAL, user, "*", operation, _DENY))


async def allow_again(
    servers: str, name: str, operation: int, *, kind: int = TOPIC, user: str = f"User:{USER}"
) -> None:
    """Take the denial back."""
    await _write(servers, DeleteAclsRequest, (kind, name, _LITERAL, user, "*", operation, _DENY))


async def _write(servers: str, request: type, rule: tuple[int, str, int, str, str, int, int]) -> None:
    """Write `rule` and wait until every broker goes by it."""
    cluster = Cluster(Connection(tuple(servers.split(","))), [], "test-rights")
    try:
        await cluster.refresh()
        answer = await cluster.ask_any("metadata", request(*rule))
        results = answer.creation_responses if request is CreateAclsRequest else answer.filter_responses
        assert all(result[0] == 0 for result in results), results
        async with asyncio.timeout(10):
            for server in servers.split(","):
                host, port = server.split(":")
                while True:
                    answer = await cluster.ask((host, int(port)), "metadata", DescribeAclsRequest(*rule))
                    if bool(answer.resources) == (request is CreateAclsRequest):
                        break
                    await asyncio.sleep(0.02)
    finally:
        await cluster.close()
