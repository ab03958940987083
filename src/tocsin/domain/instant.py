"""Instants are aware datetimes in UTC; the broker counts milliseconds. The conversions live here only."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

Instant = datetime

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def from_ms(milliseconds: int) -> Instant:
    """The instant that lies `milliseconds` after the Unix epoch."""
    return EPOCH + _MILLISECOND * milliseconds


def to_ms(instant: Instant) -> int:
    """Whole milliseconds since the Unix epoch, rounded down."""
    return (instant - EPOCH) // _MILLISECOND


@lru_cache(maxsize=64)
def day_of(instant: Instant) -> str:
    """The UTC day of an instant, as ISO 8601 writes it. What is decided together has one instant."""
    return instant.astimezone(UTC).date().isoformat()


def as_utc(instant: datetime) -> Instant:
    """The same instant in UTC; a naive datetime is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def to_us(instant: Instant) -> int:
    """Whole microseconds since the Unix epoch: exact, and it sorts."""
    return (instant - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> Instant:
    """The instant that lies `microseconds` after the Unix epoch."""
    return EPOCH + timedelta(microseconds=microseconds)
