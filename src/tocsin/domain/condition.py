"""Whether a condition holds for an incident: its fields AND its expression.

In: a `Matcher`, an incident header, the instant of the question (for times of day and ages). Out: yes or no.
Invariant: the answer depends on nothing else.
"""

from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules.condition import Matcher


def holds(matcher: Matcher, header: IncidentHeader, now: Instant) -> bool:
    """Whether `matcher` holds for the incident as `header` shows it at `now`."""
    return matcher.holds(
        severity=header.severity,
        status=header.status,
        category=header.category,
        service=header.service,
        labels=header.labels,
    )
