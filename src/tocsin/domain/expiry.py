"""Which settings documents are long over, so that the rules do not grow for ever. The log keeps their history.

In: rules, an instant. Out: keys. It deletes nothing.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules

SILENCE_KEPT: Final = timedelta(days=5)
"""As Alertmanager keeps them (its default retention of 120 hours): people look up what they silenced yesterday."""
OVERRIDE_KEPT: Final = timedelta(days=400)
"""The report of who was on call looks back a year."""
MAINTENANCE_KEPT: Final = timedelta(days=30)


def expired(rules: Rules, now: Instant) -> Iterator[str]:
    """Keys of the documents that have been over for as long as their kind is kept."""
    for name, silence in rules.silences.items():
        if silence.ends_at + SILENCE_KEPT <= now:
            yield f"silence/{name}"
    for name, override in rules.overrides.items():
        if override.end + OVERRIDE_KEPT <= now:
            yield f"override/{name}"
    for name, window in rules.maintenance.items():
        if window.ends_at is not None and window.ends_at + MAINTENANCE_KEPT <= now:
            yield f"maintenance/{name}"
