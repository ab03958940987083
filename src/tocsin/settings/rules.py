"""The rules branch of the settings: what is published in the log. Each part gives its `domain.rules` struct.

A list or table that is given replaces the default one whole; single fields keep their defaults.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from tocsin.domain import rules as domain
from tocsin.domain.command.verb import AUDIENCES
from tocsin.domain.events import BY_TYPE
from tocsin.domain.expression import compile_expression
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules.notification import TEAM
from tocsin.domain.severity import Severity
from tocsin.settings.assignment import AssignmentPart
from tocsin.settings.kafka import TopicName
from tocsin.settings.part import Part
from tocsin.settings.part import struct_of as struct_of
from tocsin.settings.problem import suggestion
from tocsin.settings.pulse import FlappingPart, ThresholdPart
from tocsin.settings.values import Duration, Name, OneOrMore, PositiveDuration

DEFAULT: Final = domain.Rules()

_QUIET: Final = {"incident.alerts_left", "incident.retired", "incident.suppressed"}
ANNOUNCED: Final = (
    *(name for name in BY_TYPE if name.startswith("incident.") and name not in _QUIET),
    "escalation.fired",
    "sla.at_risk",
    "sla.breached",
)
"""Event types that can notify somebody."""
WORDED: Final = (*ANNOUNCED, "digest")
"""What templates can be for."""

Label = Annotated[str, Field(min_length=1, max_length=256)]
Minutes = Annotated[float, Field(ge=0, le=366 * 24 * 60, allow_inf_nan=False)]


def _event(value: Any) -> Any:
    if isinstance(value, str) and value not in ANNOUNCED:
        raise ValueError(f"{value!r} is not an event that notifies{suggestion(value, ANNOUNCED)}")
    return value


def _worded(value: Any) -> Any:
    if isinstance(value, str) and value not in WORDED:
        raise ValueError(f"{value!r} is not an event that notifies{suggestion(value, WORDED)}")
    return value


def _audience(value: Any) -> Any:
    if isinstance(value, str) and value not in AUDIENCES:
        raise ValueError(f"no audience {value!r}{suggestion(value, AUDIENCES)}; there are {', '.join(AUDIENCES)}")
    return value


Event = Annotated[str, BeforeValidator(_event)]
Worded = Annotated[str, BeforeValidator(_worded)]
Audience = Annotated[str, BeforeValidator(_audience)]


def _fields(value: Any) -> Any:
    """A condition that is one text is an expression."""
    return {"expression": value} if isinstance(value, str) else value


def _expression(value: str) -> str:
    if value:
        compile_expression(value)
    return value


class ConditionPart(Part):
    severity: OneOrMore[Severity] = Field(default=(), description="Severities that match; empty = all.")
    status: OneOrMore[Status] = Field(default=(), description="Statuses that match; empty = all.")
    category: OneOrMore[str] = Field(default=(), description="Categories that match; empty = all.")
    service: OneOrMore[str] = Field(default=(), description="Services that match; empty = all.")
    labels: dict[Label, str] = Field(default={}, description="Labels of the group that must have these values.")
    expression: Annotated[str, AfterValidator(_expression)] = Field(
        default="",
        description="What else must hold: severity >= 'high' AND alerts > 10. A condition that is nothing but an "
        "expression can be written in place of the fields.",
    )

    def struct(self) -> domain.Matcher:
        return struct_of(domain.Matcher, self)


Condition = Annotated[ConditionPart, BeforeValidator(_fields)]


class IngestPart(Part):
    partition_by: OneOrMore[Label] = Field(
        default=(),
        description="Labels that choose the partition of an alert; fixed for the life of the topics. "
        "Empty = correlation_id, else cluster + service, else cluster + namespace + job, else alertname.",
    )
    ignore_labels: OneOrMore[Label] = Field(
        default=DEFAULT.ingest.ignore_labels,
        description="Labels that do not identify an alert: a pair of Prometheus servers is one source.",
    )
    severities: dict[Annotated[str, Field(min_length=1)], Severity] = Field(
        default={}, description="Severity words of your sources, before the built-in table: {sev-a: critical}."
    )
    topics: OneOrMore[TopicName] = Field(
        default=(), max_length=64, description="Further Kafka topics to read alerts from, in any format; whole names."
    )

    def struct(self) -> domain.IngestRules:
        severities = {word.strip().lower(): severity for word, severity in self.severities.items()}
        return domain.IngestRules(
            ignore_labels=self.ignore_labels, severities=severities, partition_by=self.partition_by
        )


class CorrelationRulePart(Part):
    name: Name = Field(description="Name of the rule, for people.")
    when: dict[Label, str] = Field(
        default={}, description="Labels an alert must have for this rule; empty = every alert."
    )
    group_by: OneOrMore[Label] = Field(
        default=(),
        description="Labels of the group key; empty = the source's group labels, else cluster + service + alertname.",
    )
    category: str = Field(default="", description="Category of incidents whose alerts name none.")
    gap: PositiveDuration = Field(
        default=timedelta(minutes=10), description="The window ends this long after the last sighting."
    )
    length_max: PositiveDuration = Field(
        default=timedelta(hours=24), description="The longest window, repeats included."
    )
    resolve_delay: Duration = Field(
        default=timedelta(minutes=1), description="How long all alerts must be resolved before the incident is."
    )
    reopen_within: Duration = Field(
        default=timedelta(minutes=30),
        description="Firing again within this time after the resolve reopens the incident.",
    )
    acknowledgement_expires_after: PositiveDuration = Field(
        default=timedelta(hours=4),
        description="An acknowledgement older than this counts no more; escalation starts again.",
    )
    close_after: PositiveDuration = Field(
        default=timedelta(hours=24), description="Resolved incidents close after this time."
    )
    retire_after: PositiveDuration = Field(
        default=timedelta(days=7),
        description="Closed incidents leave the working memory after this time; the log keeps them.",
    )
    threshold: ThresholdPart | None = Field(
        default=None, description="Nobody is called for an incident before it was seen so often; none = at once."
    )
    flapping: FlappingPart | None = Field(
        default=None, description="Nobody is called for an incident that keeps coming back until it is calm."
    )

    def struct(self) -> domain.CorrelationRule:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("threshold", "flapping"):
            values[name] = values[name].struct() if values[name] is not None else None
        return domain.CorrelationRule(**values)


class CorrelatePart(Part):
    rules: tuple[CorrelationRulePart, ...] = Field(
        default=(),
        description="How alerts are grouped; the first rule that matches counts, a default rule comes last.",
    )
    assignment: AssignmentPart = Field(default=AssignmentPart(), description="Which team an incident belongs to.")

    def struct(self) -> tuple[domain.CorrelationRule, ...]:
        found = tuple(rule.struct() for rule in self.rules)
        return found if found and not found[-1].when else (*found, *DEFAULT.correlation)


class RoutePart(Part):
    when: Condition = Field(default=ConditionPart(), description="Which incidents take this route.")
    channels: OneOrMore[Name] = Field(
        min_length=1, description="Channels the incident goes to. All routes that match count."
    )
    audience: Audience = Field(
        default=TEAM, description="Who reads there; all but the team hear only updates addressed to them."
    )
    events: OneOrMore[Event] = Field(
        default=(), description="Event types it carries; empty = notify.events for the team, none for others."
    )

    def struct(self) -> domain.Route:
        return domain.Route(when=self.when.struct(), channels=self.channels, audience=self.audience, events=self.events)
