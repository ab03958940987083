"""Whether a condition holds for an incident: its fields AND its expression.

In: a `Matcher`, an incident header, the instant of the question (for times of day and ages). Out: yes or no.
Invariant: the answer depends on nothing else.
"""

from tocsin.domain.expression import compile_expression
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules.condition import Matcher


def holds(matcher: Matcher, header: IncidentHeader, now: Instant) -> bool:
    """Whether `matcher` holds for the incident as `header` shows it at `now`. A missing label is the empty text."""
    return (
        (not matcher.severity or header.severity in matcher.severity)
        and (not matcher.status or header.status in matcher.status)
        and (not matcher.category or header.category in matcher.category)
        and (not matcher.service or header.service in matcher.service)
        and all(header.labels.get(name, "") == value for name, value in matcher.labels.items())
        and (not matcher.expression or compile_expression(matcher.expression).holds(header, now))
    )
