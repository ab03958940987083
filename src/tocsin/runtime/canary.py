"""The canary: test alerts, and now and then a test page, over the very way of real ones, with the time they took.

In: nothing. Out: alerts in the raw topic that say of something unknown that it is resolved, so that they open nothing
and are nevertheless read, mapped, decided, written and shown; metrics, and a problem of the process when one does not
come through. Invariants: each canary is another alert, so that all partitions get some in turn; one is under way at a
time.
"""

import asyncio
from collections.abc import Coroutine
from secrets import token_hex
from typing import Any, Final, NamedTuple

import orjson

from tocsin import topology
from tocsin.domain.errors import TocsinError
from tocsin.domain.events.delivery import FINISHED
from tocsin.runtime.expecting import native_headers
from tocsin.runtime.routing import test_page
from tocsin.runtime.vigil import Ward
from tocsin.stage import RawRecord
from tocsin.topics import COMMANDS, INCIDENTS, RAW
from tocsin.wire.command import command_draft
from tocsin.wire.normalized import decode_batch
from tocsin.wire.record import Draft

__all__ = ["Canary"]

TIMEOUT: Final = 30.0
"""Seconds: thirty times what is promised for an alert."""
PAGE_TIMEOUT: Final = 60.0
LOOK: Final = 0.02
"""Seconds between two looks at the views."""
PROBLEM: Final = "canary"
DONE: Final = "delivered"


class Late(TocsinError):
    """A canary did not come through in time."""


class _Bird(NamedTuple):
    """One canary on its way."""

    value: bytes
    fingerprint: bytes
    partition: int


class Canary:
    """All canaries of one process."""

    name = "canary"

    def __init__(self, every: float, target: str = "", page_every: float = 0.0, *, timeout: float = TIMEOUT) -> None:
        """All in seconds; `target` gets the test pages, empty = there are none."""
        self._timeout = timeout
        self._every = every
        self._target = target
        self._page_every = page_every

    async def run(self, ward: Ward, stop: asyncio.Event) -> None:
        """Send canaries until `stop` is set."""
        clock, page_at = ward.world.clock, ward.world.clock.monotonic() + self._every
        while not await clock.wait(stop, self._every):
            await self._sent(ward, "alert", self._alert(ward))
            if self._target and ward.event_log is not None and clock.monotonic() >= page_at:
                page_at = clock.monotonic() + self._page_every
                await self._sent(ward, "page", self._page(ward))

    async def _sent(self, ward: Ward, kind: str, flight: Coroutine[Any, Any, None]) -> None:
        problem = f"{PROBLEM} {kind}"
        try:
            await flight
        except TocsinError as error:
            ward.world.metrics.add("tocsin_canary_failures_total", 1, kind)
            ward.world.problems.put(problem, f"a test {kind} did not come through: {error}")
        else:
            ward.world.problems.drop(problem)

    async def _alert(self, ward: Ward) -> None:
        clock, broker = ward.world.clock, ward.world.broker
        bird = _bird(ward)
        began, ends = clock.monotonic(), clock.monotonic() + self._timeout
        offset = await broker.end(INCIDENTS.name, bird.partition)
        await ward.publish(RAW.name, bird.partition % broker.partitions(RAW.name), [_draft(bird.value)])
        while True:
            records = await broker.read(INCIDENTS.name, bird.partition, offset)
            found = next((one.offset for one in records if one.value and bird.fingerprint in one.value), None)
            if found is not None:
                break
            offset = records[-1].offset + 1 if records else offset
            if (left := ends - clock.monotonic()) <= 0:
                where = f"partition {bird.partition} of the journal of incidents"
                raise Late(f"{where} did not have it within {self._timeout:g} s")
            await broker.wait({(INCIDENTS.name, bird.partition): offset}, min(left, 1.0))
        ward.world.metrics.observe("tocsin_canary_seconds", clock.monotonic() - began, "journal")
        if ward.event_log is None:
            return
        while await ward.event_log.position(INCIDENTS.name, bird.partition) <= found:
            if clock.monotonic() > ends:
                raise Late(f"the event log did not have it within {self._timeout:g} s")
            await clock.wait(asyncio.Event(), LOOK)
        ward.world.metrics.observe("tocsin_canary_seconds", clock.monotonic() - began, "event_log")

    async def _page(self, ward: Ward) -> None:
        assert ward.event_log is not None
        clock = ward.world.clock
        began, ends = clock.monotonic(), clock.monotonic() + PAGE_TIMEOUT
        partition, command = test_page(self._target, "canary", ward.partitions)
        await ward.publish(COMMANDS.name, partition, [command_draft(command)])
        outcome = await ward.event_log.wait_outcome(command.command_id, PAGE_TIMEOUT)
        if outcome is None or outcome["outcome"] != "applied":
            raise Late(f"the command was {outcome['outcome'] if outcome else 'not answered'}")
        statuses: set[str] = set()
        while DONE not in statuses:
            if clock.monotonic() > ends or (statuses and statuses <= FINISHED):
                became = ", ".join(sorted(statuses)) or "none planned"
                raise Late(f"{self._target} got none within {PAGE_TIMEOUT:.0f} s: {became}")
            await clock.wait(asyncio.Event(), LOOK)
            found = await asyncio.to_thread(ward.event_log.queries.deliveries, outcome["incident"])
            statuses = {one["status"] for one in found}
        ward.world.metrics.observe("tocsin_canary_seconds", clock.monotonic() - began, "delivery")


def _draft(value: bytes) -> Draft:
    return Draft(None, value, native_headers())


def _bird(ward: Ward) -> _Bird:
    """A canary that no other resembles, and where ingest will put it."""
    title = f"canary of {ward.world.instance} {token_hex(8)}"
    value = orjson.dumps(
        {
            "title": "tocsin canary",
            "status": "resolved",
            "severity": "info",
            "source": "tocsin",
            "labels": {"alertname": "TocsinCanary", "tocsin_canary": title},
        }
    )
    made = RawRecord(RAW.name, 0, "", 0, ward.world.now(), value, native_headers())
    ((partition, batches),) = topology.mapper(ward.partitions).map([made], ward.rules()).batches.items()
    (sighting,) = decode_batch(batches[0])
    return _Bird(value, sighting.fingerprint.encode(), partition)
