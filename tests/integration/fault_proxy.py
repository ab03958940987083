"""A line between a channel and its receiver that can be made to misbehave: in twelve ways, for HTTP and for SMTP.

In: connections of a channel. Out: the receiver's own answers, or by `mode` something else. It knows no vendor.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

MODES = (
    "error",
    "patience",
    "hang",
    "reset",
    "slow",
    "tls",
    "refused",
    "dns",
    "half_open",
    "garbage",
    "html",
    "drip",
)
"""5xx; 429 with Retry-After; no answer; a reset; a late answer; no TLS where TLS is spoken; nobody listens; no such
host; a connection that nobody reads; no HTTP at all; 200 with a page; an answer without an end. `tls` and `dns` need
the channel's settings, too."""
PAGE = b"<!doctype html><html><body>Your instance is hibernating</body></html>"
HTTP_ANSWERS = {
    "error": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy",
    "patience": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy",
    "garbage": b"\x00\x01 no HTTP at all\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%s" % (len(PAGE), PAGE),
    "drip": b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nand so on",
}
SMTP_ANSWERS = {
    "error": b"451 4.3.0 mail system is not well\r\n",
    "patience": b"421 4.3.2 too busy\r\n",
    "garbage": b"\x00\x01 no SMTP at all\r\n",
    "html": HTTP_ANSWERS["html"],
    "drip": b"220-and so on\r\n" * 50,
}
LATE_SECONDS = 0.5
BODY_MAX = 4 * 1024 * 1024


@dataclass
class FaultProxy:
    """Forwards to `target` on loopback while `mode` is `ok`; misbehaves otherwise."""

    target: int
    smtp: bool = False
    mode: str = "ok"
    port: int = 0
    server: asyncio.Server | None = None
    lines: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.lines.add(task)
        task.add_done_callback(self.lines.discard)
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
            ):
                await self._one(reader, writer)
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode in ("ok", "slow"):
            if self.mode == "slow":
                await asyncio.sleep(LATE_SECONDS)
            await self._forward(reader, writer)
        elif self.mode == "half_open":
            await asyncio.Event().wait()
        elif self.mode == "tls":
            writer.write(b"this is no TLS\r\n" * 20)
            await writer.drain()
            await reader.read()
        else:
            if not self.smtp:
                await self._request(reader)
            if self.mode == "reset":
                return
            writer.write((SMTP_ANSWERS if self.smtp else HTTP_ANSWERS).get(self.mode, b""))
            await writer.drain()
            if self.mode in ("hang", "drip"):
                await reader.read()

    async def _request(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length:" in head:
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(min(length, BODY_MAX))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while chunk := await source.read(65536):
                    sink.write(chunk)
                    await sink.drain()
                sink.write_eof()

        try:
            await asyncio.gather(pipe(reader, back), pipe(there, writer))
        finally:
            back.transport.abort()

    async def turn(self, mode: str) -> None:
        """From now on it is `mode`, for lines that stand, too."""
        self.mode = mode
        if mode == "refused" and self.server is not None:
            self.server.close()
        for line in list(self.lines):
            line.cancel()
        await asyncio.gather(*self.lines, return_exceptions=True)

    async def stop(self) -> None:
        """Nobody listens any more, and every line is cut."""
        await self.turn("refused")


@contextlib.asynccontextmanager
async def in_front_of(target: int, *, mode: str = "ok", smtp: bool = False) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(target, smtp=smtp, mode=mode)
    proxy.server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = proxy.server.sockets[0].getsockname()[1]
    if mode == "refused":
        await proxy.turn(mode)
    try:
        yield proxy
    finally:
        await proxy.stop()
