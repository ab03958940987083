"""The outbound heartbeat: an address outside is called as long as tocsin is well.

In: the health of the node. Out: a POST every so often. Invariants: it is silent while anything is wrong, so that who
waits for it (a monitor of another house) tells somebody; the address, which is a secret, is in no error.
"""

import asyncio
import logging
from typing import Final

import aiohttp
import orjson

from tocsin import __version__
from tocsin.notify.channels.session import Session
from tocsin.runtime.vigil import Ward

__all__ = ["Beacon"]

log: Final = logging.getLogger("tocsin.beacon")

TIMEOUT: Final = 10.0
"""Seconds for one call."""
RETRY: Final = 5.0
"""Seconds until a call that failed is made again: its receiver counts the minutes."""


class Beacon:
    """One address.

    Raises:
        ValueError: it cannot be called; the message does not repeat it.
    """

    name = "heartbeat"

    def __init__(self, url: str, every: float) -> None:
        self._session = Session(url, connections=1, user_agent=f"tocsin/{__version__}")
        self._every = every

    async def run(self, ward: Ward, stop: asyncio.Event) -> None:
        """Call until `stop` is set."""
        outcome = ""
        try:
            while not await ward.world.clock.wait(stop, self._every if outcome == "sent" else min(RETRY, self._every)):
                outcome = "withheld" if ward.problems() else await self._call(ward.world.instance)
                ward.world.metrics.add("tocsin_outbound_heartbeats_total", 1, outcome)
        finally:
            await self._session.close()

    async def _call(self, instance: str) -> str:
        body = orjson.dumps({"instance": instance, "version": __version__})
        headers = {"content-type": "application/json"}
        try:
            async with asyncio.timeout(TIMEOUT), self._session.post(body, headers) as response:
                if 200 <= response.status < 300:
                    return "sent"
                log.warning("the outbound heartbeat was answered with HTTP %d", response.status)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.warning("the outbound heartbeat failed with %s", type(error).__name__)
        return "failed"
