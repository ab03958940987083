"""Short ways to talk to a running tocsin, and to wait for what outside programs do."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from integration.running import Tocsin

Found = TypeVar("Found")


async def until(look: Callable[[], Awaitable[Found]], what: str, seconds: float = 30.0) -> Found:
    """The first true answer of `look`, asked again and again.

    Raises:
        AssertionError: there was none in time; with the last one.
    """
    ends = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < ends, f"{what}: not within {seconds:g} s; last seen: {found!r}"
        await asyncio.sleep(0.05)


async def post(tocsin: Tocsin, document: Any, path: str = "/api/v1/alerts") -> httpx.Response:
    """Send a body as clients do."""
    async with httpx.AsyncClient(timeout=20) as client:
        if isinstance(document, bytes):
            return await client.post(tocsin.url + path, content=document)
        return await client.post(tocsin.url + path, json=document)


async def shown(tocsin: Tocsin, *words: str) -> Any:
    """What a command prints as JSON."""
    result = await asyncio.to_thread(tocsin.command, *words, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


async def incidents(tocsin: Tocsin) -> list[dict[str, Any]]:
    """Every incident, oldest first."""
    async with httpx.AsyncClient(timeout=20) as client:
        page = (await client.get(f"{tocsin.url}/api/incident_response", params={"limit": 500})).json()
    return list(reversed(page["items"]))


async def only_incident(tocsin: Tocsin) -> dict[str, Any]:
    """The one that there is, as soon as it can be read: who is paged may know of it earlier."""
    (one,) = await until(lambda: incidents(tocsin), "an incident to be read")
    return one


async def incident(tocsin: Tocsin, number: str) -> dict[str, Any]:
    """Everything about one incident."""
    async with httpx.AsyncClient(timeout=20) as client:
        found: dict[str, Any] = (await client.get(f"{tocsin.url}/api/incident_response/{number}")).json()
    return found
