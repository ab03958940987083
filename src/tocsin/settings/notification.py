"""The settings of how much a place is told one by one, and of where a message goes that a channel gives up.

In: what the file says. Out: `domain.rules` structs by channel. Invariant: a channel that people read has a limit unless
the file takes it away; one that a machine reads has none unless the file gives it one: a digest would keep an incident
open at PagerDuty for ever.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tocsin.domain import rules as domain
from tocsin.domain.rules.notification import COUNTED_FOR, COUNTED_MAX
from tocsin.settings.part import Part
from tocsin.settings.problem import suggestion
from tocsin.settings.references import CONSOLE
from tocsin.settings.values import Duration, PositiveDuration, duration_text

MACHINES: Final = frozenset({"console", "webhook", "pagerduty", "servicenow"})
"""Types of channels that each message counts for: a log, or a system with a record of its own for each incident."""
CURRENT: Final = frozenset({"slack", "pagerduty", "servicenow"})
"""Types of channels that keep one thing an incident, and change it."""
ECHOES: Final = frozenset({"slack"})
"""Of those, the ones that people read: a button is answered by what the message says then."""
BUNDLE_MAX: Final = timedelta(hours=1)
"""What waits longer for company is a report, not a notification."""

_DEFAULT: Final = domain.Limit()


def _per(value: timedelta) -> timedelta:
    if value > COUNTED_FOR:
        raise ValueError(f"at most {duration_text(COUNTED_FOR)}")
    return value


def short(value: timedelta) -> timedelta:
    if value > BUNDLE_MAX:
        raise ValueError(f"at most {duration_text(BUNDLE_MAX)}")
    return value


BundleDuration = Annotated[Duration, AfterValidator(short)]


class LimitPart(Part):
    messages: int = Field(
        default=_DEFAULT.messages, ge=0, le=COUNTED_MAX, description="Messages but pages within `per`; 0 = no limit."
    )
    pages: int = Field(
        default=_DEFAULT.pages,
        ge=0,
        le=COUNTED_MAX,
        description="Pages within `per`, one by one; those beyond are paged in one message. 0 = no limit.",
    )
    per: Annotated[PositiveDuration, AfterValidator(_per)] = Field(
        default=_DEFAULT.per, description="The stretch of time that both count in, at most 1h."
    )
    digest_every: Annotated[PositiveDuration, AfterValidator(short)] = Field(
        default=_DEFAULT.digest_every, description="How long a digest waits for more."
    )
    page_digest_every: Annotated[PositiveDuration, AfterValidator(short)] = Field(
        default=_DEFAULT.page_digest_every, description="How long a digest of pages waits for more."
    )
    bundle: BundleDuration | None = Field(default=None, description="Here instead of notify.bundle.")


def limits_of(types: Mapping[str, str], own: Mapping[str, LimitPart], bundle: timedelta) -> dict[str, domain.Limit]:
    """The limits in force by channel: `own`, else for channels that people read the default.

    Args:
        types: channel -> its type.
    """
    named = {name: LimitPart() for name, kind in types.items() if kind not in MACHINES} | dict(own)
    return {
        name: domain.Limit(
            messages=part.messages,
            pages=part.pages,
            per=part.per,
            digest_every=part.digest_every,
            page_digest_every=part.page_digest_every,
            bundle=bundle if part.bundle is None else part.bundle,
        )
        for name, part in named.items()
    }


def unknown_in(field: str, names: Mapping[str, object], channels: Mapping[str, object]) -> str:
    """What is wrong with the channels that `field` names as keys; empty = nothing."""
    known = {*channels, CONSOLE}
    wrong = next((name for name in names if name not in known), None)
    return "" if wrong is None else f"{field}: no channel {wrong!r} in notify.channels{suggestion(wrong, known)}"
