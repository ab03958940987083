"""Time zones by their IANA names, for expressions."""

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from tocsin.domain.expression.error import nearest

NAME_MAX = 64
"""Letters of a zone's name; the longest has 30."""


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The zone `name`.

    Raises:
        ValueError: there is none of that name; with the nearest one.
    """
    try:
        if not name or len(name) > NAME_MAX:
            raise ValueError
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name[:NAME_MAX]!r} is no time zone{nearest(name, sorted(available_timezones()))}") from None
