"""How long a delivery waits after an attempt that failed. Pure: chance comes with the result."""

import math
from datetime import timedelta
from typing import Final

from tocsin.domain.rules import NotifyRules
from tocsin.stage import DeliveryResult

RETRY_AFTER_MAX: Final = timedelta(hours=1)
"""A receiver may ask for patience, but not put off a page for a day."""


def pause(attempt: int, result: DeliveryResult, rules: NotifyRules) -> timedelta:
    """How long to wait after the failed `attempt`: exponential with full jitter (so that a thousand failures of one
    moment do not come back in one moment), at least as long as the receiver asked for."""
    longest = rules.retry_longest.total_seconds()
    ceiling = min(longest, rules.retry_first.total_seconds() * 2.0 ** min(attempt - 1, 60))
    seconds = ceiling * min(1.0, max(0.0, result.jitter))
    asked = result.retry_after_seconds
    if asked is not None and math.isfinite(asked):
        seconds = max(seconds, min(asked, RETRY_AFTER_MAX.total_seconds()))
    return timedelta(seconds=seconds)
