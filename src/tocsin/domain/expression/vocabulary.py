"""What an expression may speak of: names, their types, and how the value is read from a subject.

Two vocabularies: `INCIDENT` over an `IncidentHeader`, `ALERT` over a `SeenAlert`. Invariant: a value depends on the
subject and on the instant of the question only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

from tocsin.domain.alert import AlertBody, AlertStatus
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity


@dataclass(frozen=True, slots=True)
class Type:
    """What kind of value a name has. `words`: the only ones there are; `ordered`: `<` and `>` make sense, words then
    stand from the least to the most."""

    name: str
    words: tuple[str, ...] = ()
    ordered: bool = False


TEXT: Final = Type("a text")
NUMBER: Final = Type("a number", ordered=True)
BOOL: Final = Type("true or false")
DURATION: Final = Type("a duration", ordered=True)
CLOCK: Final = Type("a time of day", ordered=True)
LABELS: Final = Type("a map of texts")
SEVERITY: Final = Type("a severity", tuple(reversed([severity.value for severity in Severity])), ordered=True)
STATUS: Final = Type("a status", tuple(status.value for status in Status))
ALERT_STATUS: Final = Type("a status", tuple(status.value for status in AlertStatus))
WEEKDAY: Final = Type("a weekday", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


@dataclass(frozen=True, slots=True)
class Field:
    """One name. `get` takes the subject, with `timed` the subject and the instant of the question."""

    type: Type
    help: str
    get: Callable[..., Any]
    timed: bool = False


class Vocabulary:
    """The names that a kind of subject has. Compared and hashed by identity: there is one of each."""

    def __init__(self, name: str, fields: Mapping[str, Field]) -> None:
        self.name = name
        self.fields = fields


class SeenAlert(NamedTuple):
    """An alert as expressions see it."""

    body: AlertBody
    status: AlertStatus


def _open_for(header: IncidentHeader, now: Instant) -> object:
    return now - header.opened_at


def _is_acknowledged(header: IncidentHeader) -> bool:
    return header.acknowledged_at is not None


def _is_suppressed(header: IncidentHeader) -> bool:
    return bool(header.suppressed_by)


INCIDENT: Final = Vocabulary(
    "an incident",
    {
        "severity": Field(
            SEVERITY, "How urgent it is; >= 'high' is high, critical or emergency.", attrgetter("severity")
        ),
        "status": Field(STATUS, "Where it stands.", attrgetter("status")),
        "category": Field(TEXT, "Its category.", attrgetter("category")),
        "service": Field(TEXT, "The service it is about.", attrgetter("service")),
        "team": Field(TEXT, "The team it belongs to.", attrgetter("team")),
        "assignee": Field(TEXT, "Who works on it.", attrgetter("assignee")),
        "source": Field(TEXT, "What reported it.", attrgetter("source")),
        "title": Field(TEXT, "Its title.", attrgetter("title")),
        "number": Field(TEXT, "Its number.", attrgetter("number")),
        "correlation_id": Field(TEXT, "The correlation id its alerts came with.", attrgetter("correlation_id")),
        "labels": Field(LABELS, "The labels its alerts are grouped by.", attrgetter("labels")),
        "alerts": Field(NUMBER, "How many different alerts it has.", attrgetter("alerts")),
        "firing": Field(NUMBER, "How many of them fire.", attrgetter("firing")),
        "occurrences": Field(NUMBER, "How often they were seen.", attrgetter("occurrences")),
        "acknowledged": Field(BOOL, "Whether somebody has answered.", _is_acknowledged),
        "suppressed": Field(BOOL, "Whether something keeps it quiet.", _is_suppressed),
        "open_for": Field(DURATION, "How long ago it was opened.", _open_for, timed=True),
    },
)

ALERT: Final = Vocabulary(
    "an alert",
    {
        "severity": Field(SEVERITY, "How urgent it is.", attrgetter("body.severity")),
        "status": Field(ALERT_STATUS, "Whether it fires.", attrgetter("status")),
        "category": Field(TEXT, "Its category.", attrgetter("body.category")),
        "service": Field(TEXT, "The service it is about.", attrgetter("body.service")),
        "source": Field(TEXT, "What sent it.", attrgetter("body.source")),
        "title": Field(TEXT, "Its title.", attrgetter("body.title")),
        "correlation_id": Field(TEXT, "The correlation id it came with.", attrgetter("body.correlation_id")),
        "labels": Field(LABELS, "What identifies it.", attrgetter("body.labels")),
        "annotations": Field(LABELS, "What it says besides.", attrgetter("body.annotations")),
    },
)
