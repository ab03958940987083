"""What the local servers of PagerDuty, Teams and Twilio have in common: real HTTP on loopback, moods, a journal.

The rules stand with each vendor, written from WIRE.md and the vendors' pages, not from the product's code.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web


@dataclass
class VendorServer:
    """By `mode`, it works (`ok`), or fails (`failing`), refuses (`refusing`), never answers (`hang`) or resets
    (`reset`) every call."""

    mode: str = "ok"
    port: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    """Every body that it took, as it read it."""
    refusals: list[str] = field(default_factory=list)
    """What was wrong with those it did not take."""
    scripted: deque[web.Response] = field(default_factory=deque)
    """Answers that are used up before it works."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.AppRunner | None = None

    path = "/"

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The vendor's own rules."""
        raise NotImplementedError

    def unwell(self) -> web.Response:
        """The answer of a vendor that fails."""
        return web.Response(status=500, text="Internal Server Error")

    def refusing(self) -> web.Response:
        """The answer of a vendor that refuses whatever it is."""
        return web.Response(status=403, text="Forbidden")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.mode == "hang":
            with contextlib.suppress(asyncio.CancelledError):
                await self.stopping.wait()
            return web.Response(status=503)
        if self.mode == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=503)
        if self.scripted:
            return self.scripted.popleft()
        if self.mode == "failing":
            return self.unwell()
        return self.refusing() if self.mode == "refusing" else await self.take(request)

    async def stop(self) -> None:
        """Nobody listens any more."""
        self.stopping.set()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


One = TypeVar("One", bound=VendorServer)


@contextlib.asynccontextmanager
async def serving(server: One) -> AsyncIterator[One]:
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", server.serve)
    server.runner = web.AppRunner(app, shutdown_timeout=1.0)
    await server.runner.setup()
    site = web.TCPSite(server.runner, "127.0.0.1", 0)
    await site.start()
    server.port = server.runner.addresses[0][1]
    try:
        yield server
    finally:
        await server.stop()
