"""Read a request's body with a limit that holds while it comes in, whatever its length header says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from tocsin.api.answer import Failure
from tocsin.api.serving import BODIES_BYTES_MAX, Serving


@asynccontextmanager
async def body_of(
    request: Request, serving: Serving, bytes_max: int, *, seconds_max: float | None = None
) -> AsyncIterator[bytes]:
    """The body; it counts against the common budget until the block ends.

    Args:
        seconds_max: how long it may take; as long as any other by default.

    Raises:
        Failure: 413 above `bytes_max`, 408 when it comes too slowly, 503 when all bodies together are too large.
    """
    claimed = request.headers.get("content-length", "0")
    if claimed.isascii() and claimed.isdigit() and int(claimed) > bytes_max:
        raise _too_large(bytes_max)
    size = 0
    seconds = serving.body_seconds if seconds_max is None else min(seconds_max, serving.body_seconds)
    try:
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    serving.bodies_bytes += len(chunk)
                    if size > bytes_max:
                        raise _too_large(bytes_max)
                    if serving.bodies_bytes > BODIES_BYTES_MAX:
                        raise Failure(503, "busy", "too many large bodies at once", retry_after=1)
                    chunks.append(chunk)
        except TimeoutError:
            raise Failure(408, "slow_body", f"the body took longer than {seconds:g} s") from None
        except ClientDisconnect:
            raise Failure(400, "incomplete_body", "the client went away") from None
        yield b"".join(chunks)
    finally:
        serving.bodies_bytes -= size


def _too_large(bytes_max: int) -> Failure:
    return Failure(413, "too_large", f"the body is larger than {bytes_max} bytes")
