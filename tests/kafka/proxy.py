"""A place between clients and one broker where answers get lost.

    async with Proxy(node.ports["PLAINTEXT"]) as proxy: ...

What clients send always arrives. `swallow` keeps the broker's answers, `cut` ends a connection when the broker answers
on it: so the request has had its effect and the client does not know. Clients are led here when the broker advertises
the proxy's port (`Cluster(properties={"advertised.listeners": ...})`).
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

PRODUCE = 0
"""Kafka's key of the append request."""


class Proxy:
    """Forwards `port` to the broker at `target`."""

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.port = port
        self.cut = 0
        """How many answers to appends are replaced by the end of their connection."""
        self.swallow = False
        """Whether answers to appends are kept."""
        self.appends = 0
        """Requests that have gone through."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(OSError, EOFError, asyncio.CancelledError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
            keys: list[int] = []
            try:
                pumps = [
                    self._forward(reader, ours, self._request(keys)),
                    self._forward(theirs, writer, self._answer(keys)),
                ]
                done, rest = await asyncio.wait(map(asyncio.ensure_future, pumps), return_when=asyncio.FIRST_COMPLETED)
                for pump in rest:
                    pump.cancel()
                await asyncio.gather(*done, *rest, return_exceptions=True)
            finally:
                ours.close()
                writer.close()
        self._tasks.discard(task)

    def _request(self, keys: list[int]) -> Callable[[bytes], Awaitable[bool]]:
        async def see(frame: bytes) -> bool:
            keys.append(struct.unpack_from(">h", frame)[0])
            self.appends += keys[-1] == PRODUCE
            return True

        return see

    def _answer(self, keys: list[int]) -> Callable[[bytes], Awaitable[bool]]:
        async def see(_: bytes) -> bool:
            if keys.pop(0) != PRODUCE:
                return True
            if self.cut:
                self.cut -= 1
                raise EOFError
            return not self.swallow

        return see

    @staticmethod
    async def _forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: Callable[[bytes], Awaitable[bool]]
    ) -> None:
        """Frame by frame: four bytes of length, then the frame."""
        while True:
            length = await reader.readexactly(4)
            frame = await reader.readexactly(struct.unpack(">i", length)[0])
            if await see(frame):
                writer.write(length + frame)
                await writer.drain()
