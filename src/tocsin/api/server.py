"""Listen: uvicorn on the loop that is there, without its signal handlers, with limits on slow clients.

In: an application and an address. Out: a running server and the address it got (port 0 = a free one).
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tocsin.domain.errors import TocsinError

__all__ = ["ListenError", "Server"]

CONNECTIONS_MAX: Final = 1024
"""Open at once, idle ones included: below the usual limit of 1,024 file descriptors would be too few for storms, so the
process asks for more; each costs some 20 KB."""
HEADER_SECONDS_MAX: Final = 10.0
"""From the first byte of a connection to the end of a request's headers."""
IDLE_SECONDS_MAX: Final = 75
"""Between two requests of one connection; Prometheus and Alertmanager send every 15 to 60 s."""
HEADER_BYTES_MAX: Final = 32 * 1024
"""Address and headers of one request; the parser has no limit of its own. A single header that does not end is let go
when more than this follows its first read."""
STOP_SECONDS_MAX: Final = 2
"""What running requests get at the end; longer waits are cut and answered again later by their command id."""


class ListenError(TocsinError):
    """The address cannot be listened on."""


class _Protocol(HttpToolsProtocol):
    """Closes connections whose request headers do not come, or do not end."""

    header_seconds = HEADER_SECONDS_MAX
    _patience: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(self.header_seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        goes_on = self._in_head
        super().data_received(data)
        if goes_on and self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEADER_BYTES_MAX:
                self.send_400_response("The headers are too long.")
        waits = self._waits()
        if not waits and self._patience is not None:
            self._patience.cancel()
            self._patience = None
        elif waits and self._patience is None and self.timeout_keep_alive_task is None:
            self._patience = self.loop.call_later(self.header_seconds, self._give_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def _count(self, *parts: bytes) -> None:
        """What the parser calls refuses a request by raising."""
        self._head_bytes += sum(map(len, parts))
        if self._head_bytes > HEADER_BYTES_MAX:
            raise ValueError(f"more than {HEADER_BYTES_MAX} bytes of headers")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        self._patience = None
        if self._waits():
            self.transport.close()

    def _waits(self) -> bool:
        """Whether no request is running."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)


class _Quiet(uvicorn.Server):
    """Leaves the signals to the caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """One listening server."""

    def __init__(self, app: ASGIApp, address: tuple[str, int], *, header_seconds: float = HEADER_SECONDS_MAX) -> None:
        """
        Args:
            header_seconds: what a client has for the headers of a request.

        Raises:
            ListenError: the address is taken or not this machine's.
        """
        self._socket = _bind(address)
        options: dict[str, Any] = {
            "http": type("_Patient", (_Protocol,), {"header_seconds": header_seconds}),
            "ws": "none",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "proxy_headers": False,
            "server_header": False,
            "limit_concurrency": CONNECTIONS_MAX,
            "timeout_keep_alive": IDLE_SECONDS_MAX,
            "timeout_graceful_shutdown": STOP_SECONDS_MAX,
        }
        self._server = _Quiet(uvicorn.Config(app, **options))
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        self._task: asyncio.Task[None] | None = None
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Serve from now on; the socket has been accepting since it was made."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve([self._socket]), name="http")

    async def ended(self) -> None:
        """Wait for the end; raises what ended it."""
        assert self._task is not None
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Take no more requests, finish the running ones, at most `STOP_SECONDS_MAX`. Idempotent."""
        self._server.should_exit = True
        if self._task is None:
            self._socket.close()
        else:
            await asyncio.wait([self._task])


def _bind(address: tuple[str, int]) -> socket.socket:
    host, port = address
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(where)
            bound.listen(2048)
            bound.setblocking(False)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return bound
