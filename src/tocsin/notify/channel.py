"""The port to the outside: one channel sends one message. One contract suite runs over every implementation."""

from typing import Protocol

import msgspec

from tocsin.stage import Effect


class Sent(msgspec.Struct, frozen=True):
    """What became of one send."""

    outcome: str
    """`delivered`, `failed` (worth another attempt) or `refused` (will never work)."""
    detail: str = ""
    """The receiver's answer or the error, at most 300 characters, without secrets."""
    retry_after_seconds: float | None = None


class Channel(Protocol):
    """One configured way out. `send` never raises for what the outside does, and ends within `timeout_seconds`."""

    name: str
    kind: str
    in_flight_max: int
    """How many sends may run at once."""
    timeout_seconds: float

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Send one message. The delivery id is its idempotency key; a possible duplicate says so."""

    async def close(self) -> None: ...
