"""Why a server cannot be used: name, port, TLS and login tried one after the other.

In: a `Connection`. Out: for each server what was reached, or the `Meaning` of the first thing that failed. aiokafka's
own clients say only that they could not start. Every step has its time limit; nothing is changed in the cluster.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from aiokafka import errors as kafka
from aiokafka.conn import create_conn

from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.errors import Meaning, meaning
from tocsin.runtime.kafka.requests import FeaturesRequest, finalized_features

__all__ = ["Reached", "reach", "split_server", "unusable"]

STEP_SECONDS: Final = 4.0
"""For name, port, and TLS with login each. Brokers answer within milliseconds, and delay a refused login by 100 ms."""

METADATA: Final = 3
"""Key of the request that every broker takes and no controller."""

Step = Literal["name", "port", "tls", "login"]
T = TypeVar("T")

_LASTING: Final = (
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    ssl.SSLError,
)


@dataclass(frozen=True)
class Reached:
    """How far one server was reached."""

    server: str
    failed: Step | None = None
    problem: Meaning | None = None
    lasting: bool = False
    """Whether waiting does not cure it."""
    metadata_level: int | None = None
    """Level of the cluster's feature `metadata.version`; None when it has none."""
    apis: frozenset[int] = frozenset()
    """Keys of the requests that it takes."""


async def reach(connection: Connection, server: str) -> Reached:
    """Try `server` step by step. Never raises what the network or the broker does; takes 3 × `STEP_SECONDS` at most."""
    host, port = split_server(server)
    loop = asyncio.get_running_loop()
    step: Step = "name"
    try:
        await _within(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        step = "port"
        _, writer = await _within(asyncio.open_connection(host, port))
        writer.close()
        step = "tls" if connection.ssl_context is not None else "login"
        return await _within(_spoken_to(connection, server))
    except (OSError, kafka.KafkaError, TimeoutError) as error:
        if isinstance(error, kafka.KafkaError):
            step = "login"
        problem = _after_connecting(error, connection, server) if step in ("tls", "login") else None
        lasting = isinstance(error, _LASTING)
        return Reached(server, step, problem or meaning(error, server=server), lasting)


async def _within(step: Awaitable[T]) -> T:
    async with asyncio.timeout(STEP_SECONDS):
        return await step


async def _spoken_to(connection: Connection, server: str) -> Reached:
    host, port = split_server(server)
    options = connection.client("doctor")
    del options["bootstrap_servers"]
    opened = await create_conn(host, port, **options)
    try:
        answer = await opened.send(FeaturesRequest())
    finally:
        opened.close()
    apis = frozenset(key for key, *_ in answer.api_versions)
    if METADATA not in apis:
        problem = Meaning("this is a controller and no broker", f"server {server}", "correct the port in broker")
        return Reached(server, "login", problem, lasting=True)
    return Reached(server, metadata_level=finalized_features(answer.tags).get("metadata.version"), apis=apis)


def _after_connecting(error: BaseException, connection: Connection, server: str) -> Meaning | None:
    """The port is open, yet the first words get no answer: most often both sides mean another protocol."""
    mute = (kafka.KafkaConnectionError, ConnectionResetError, TimeoutError, kafka.CorrelationIdError)
    if not isinstance(error, mute) or _cause_says_more(error):
        return None
    if connection.ssl_context is not None and isinstance(error, kafka.KafkaConnectionError):
        return Meaning(
            "the broker closed the connection after the TLS handshake",
            f"server {server}",
            "set kafka.security.cert_file and key_file to a certificate that the broker accepts",
        )
    return Meaning(
        f"something listens there and does not answer {connection.protocol}",
        f"server {server}",
        "set kafka.security.protocol to that of the port, or correct the port in broker",
    )


def _cause_says_more(error: BaseException) -> bool:
    cause = error.__cause__ or error.__context__
    return isinstance(cause, kafka.KafkaError) and not isinstance(cause, kafka.KafkaConnectionError)


async def unusable(connection: Connection) -> Unavailable | Broken:
    """The error to raise when no server can be used, with every server's reason and remedy.

    Broken when waiting cures none of them (a refused login, TLS), else Unavailable.
    """
    found = await asyncio.gather(*(reach(connection, server) for server in connection.servers))
    failed = [one for one in found if one.problem is not None]
    if not failed:
        return Unavailable(f"{', '.join(connection.servers)}: did not answer before, and answers now; try again")
    kind = Broken if all(one.lasting for one in failed) and len(failed) == len(found) else Unavailable
    return kind("\n".join(dict.fromkeys(str(one.problem) for one in failed)))


def split_server(server: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`."""
    host, _, port = server.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
