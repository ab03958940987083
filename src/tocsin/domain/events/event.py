"""What all events carry."""

from typing import ClassVar, Final

import msgspec

from tocsin.domain.instant import Instant

SYSTEM: Final = "tocsin"
"""Actor of what nobody asked for."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What all events carry."""

    TYPE: ClassVar[str] = ""
    recorded_at: Instant
    reason: str = ""
    actor: str = SYSTEM
    cause: str = ""
    rules_version: int = -1
