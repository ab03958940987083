"""How a Kafka cluster is reached, as every client of this package uses it.

In: what the settings say, secrets included. Out: keyword arguments for aiokafka's clients. It connects to nothing.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider

from tocsin.topics import TOPICS

__all__ = ["Connection"]

REQUEST_MS: Final = 10_000
"""A broker that does not answer for so long is away; the caller tries again and says so."""


@dataclass(frozen=True)
class Connection:
    """One cluster. Immutable; every client made from it is of the same user."""

    servers: tuple[str, ...]
    """`host:port`, at least one; the others of the cluster are found by asking."""
    prefix: str = ""
    """In front of every topic name and group name of this installation."""
    protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    mechanism: str = "PLAIN"
    """PLAIN, SCRAM-SHA-512 or OAUTHBEARER; counts only with a SASL protocol."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token_provider: Callable[[], AbstractTokenProvider] | None = field(default=None, repr=False)
    client_name: str = "tocsin"

    def topic(self, name: str) -> str:
        """The name of logical topic `name` in this cluster; those of others (`ingest.topics`) have no prefix."""
        return self.prefix + name if name in TOPICS else name

    def group(self, name: str) -> str:
        """The name of consumer group `name` in this cluster."""
        return self.prefix + name

    def client(self, part: str) -> dict[str, Any]:
        """The arguments that all clients share; `part` says in the broker's logs which of them it is."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": f"{self.client_name}-{part}",
            "request_timeout_ms": REQUEST_MS,
            "security_protocol": self.protocol,
            "ssl_context": self.ssl_context,
        }
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
                "sasl_oauth_token_provider": self.token_provider() if self.token_provider else None,
            }
        return options
