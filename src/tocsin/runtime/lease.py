"""Whether this process may still act for the partitions it was given.

A process that was stopped or cut off is the last to learn that others work in its place. What it writes does not
count (PROTOCOL §1); what it sends cannot be taken back, so it asks here immediately before each send (PROTOCOL §6).
"""

from typing import Protocol

__all__ = ["Forever", "Lease"]


class Lease(Protocol):
    """The right to act, as far as this process can know it."""

    def holds(self, seconds: float) -> bool:
        """Whether something that takes `seconds` may begin now."""

    async def renewed(self) -> None:
        """Return when the right has been confirmed after this call."""


class Forever:
    """One process on a log that nobody else can open."""

    def holds(self, seconds: float) -> bool:
        """Always."""
        return True

    async def renewed(self) -> None:
        """At once."""
