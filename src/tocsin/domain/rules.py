"""The rules: everything that decisions depend on besides state and input. Published in the log, given to `decide`.

`DOCUMENTS` maps the record keys of `settings.events.v1` to the fields here; a record is one whole document.
Durations are timedelta (ISO 8601 in JSON).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity


class Matcher(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition over an incident: every field that is given must hold; a list holds when it names the value."""

    severity: tuple[Severity, ...] = ()
    status: tuple[Status, ...] = ()
    category: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    labels: dict[str, str] = {}

    def holds(
        self, *, severity: Severity, status: Status, category: str, service: str, labels: Mapping[str, str]
    ) -> bool:
        return (
            (not self.severity or severity in self.severity)
            and (not self.status or status in self.status)
            and (not self.category or category in self.category)
            and (not self.service or service in self.service)
            and all(labels.get(name, "") == value for name, value in self.labels.items())
        )


class IngestRules(msgspec.Struct, frozen=True, kw_only=True):
    ignore_labels: tuple[str, ...] = ("replica", "prometheus_replica", "receive_replica")
    """Labels that do not identify an alert, so that a pair of Prometheus servers is one source."""
    severities: dict[str, Severity] = {}
    """Own source words, before the built-in table."""
    partition_by: tuple[str, ...] = ()
    """Labels that choose the partition; empty = the built-in order. Fixed for the life of the topics."""


class CorrelationRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the alerts that match are grouped and for how long. The first rule that matches counts."""

    name: str = "default"
    when: dict[str, str] = {}
    """Labels an alert must have."""
    group_by: tuple[str, ...] = ()
    """Labels of the group key; empty = the source's group labels, else cluster + service + alertname."""
    category: str = ""
    gap: timedelta = timedelta(minutes=10)
    length_max: timedelta = timedelta(hours=24)
    resolve_delay: timedelta = timedelta(minutes=1)
    reopen_within: timedelta = timedelta(minutes=30)
    acknowledgement_expires_after: timedelta = timedelta(hours=4)
    close_after: timedelta = timedelta(hours=24)
    retire_after: timedelta = timedelta(days=7)


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Team by category, responder by severity (REQUIREMENTS A2)."""

    by_category: dict[str, str] = msgspec.field(
        default_factory=lambda: {
            "security": "security_team",
            "performance": "performance_team",
            "database": "database_team",
            "network": "network_team",
            "system": "platform_team",
        }
    )
    by_severity: dict[Severity, str] = msgspec.field(
        default_factory=lambda: {
            Severity.EMERGENCY: "emergency_team",
            Severity.CRITICAL: "emergency_team",
            Severity.HIGH: "on_call_engineer",
        }
    )


class EscalationRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One row of the escalation policy. `repeat_minutes` 0 = fires once; else `repeat_times` more times."""

    condition: Matcher = Matcher()
    escalation_level: int = 1
    escalate_to: str = ""
    escalate_after_minutes: float = 0
    notification_channels: tuple[str, ...] = ()
    """Empty = the channels that the routes name for the incident."""
    repeat_minutes: float = 0
    repeat_times: int = 0


def _default_escalation() -> tuple[EscalationRule, ...]:
    rows = (
        (Severity.EMERGENCY, "emergency_team", 0),
        (Severity.CRITICAL, "senior_engineers", 5),
        (Severity.HIGH, "on_call_engineer", 15),
        (Severity.MEDIUM, "support_team", 60),
    )
    return tuple(
        EscalationRule(
            condition=Matcher(severity=(severity,), status=(Status.OPEN,)),
            escalate_to=target,
            escalate_after_minutes=minutes,
        )
        for severity, target, minutes in rows
    )


class SlaTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    acknowledge: timedelta
    resolve: timedelta


def _default_sla() -> dict[Severity, SlaTarget]:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    return {
        Severity.EMERGENCY: SlaTarget(acknowledge=5 * minute, resolve=10 * minute),
        Severity.CRITICAL: SlaTarget(acknowledge=5 * minute, resolve=30 * minute),
        Severity.HIGH: SlaTarget(acknowledge=15 * minute, resolve=2 * hour),
        Severity.MEDIUM: SlaTarget(acknowledge=hour, resolve=8 * hour),
    }


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channels an incident goes to. All routes that match count."""

    when: Matcher = Matcher()
    channels: tuple[str, ...]


class NotifyRules(msgspec.Struct, frozen=True, kw_only=True):
    routes: tuple[Route, ...] = ()
    catch_all: tuple[str, ...] = ("console",)
    """Channels of an incident that no route matches."""
    events: tuple[str, ...] = (
        "incident.opened",
        "incident.reopened",
        "incident.severity_raised",
        "incident.reannounced",
        "incident.resolved",
        "escalation.fired",
    )
    hold: dict[Severity, timedelta] = {}
    """How long the first page of an incident waits, for lower severities."""
    attempts_max: int = 20
    """With the waits below half an hour on average: a mail server's restart must not cost a page."""
    retry_first: timedelta = timedelta(seconds=2)
    retry_longest: timedelta = timedelta(minutes=5)


class Team(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contacts: dict[str, tuple[str, ...]] = {}
    """Kind of address (`email`, …) to addresses."""


class People(msgspec.Struct, frozen=True, kw_only=True):
    teams: dict[str, Team] = {}
    catch_all: str = "everyone"
    """The team that is paged when a target names nobody."""

    def team_of(self, target: str) -> tuple[str, Team]:
        """The team a target stands for; the catch-all team where there is none of that name."""
        if target in self.teams:
            return target, self.teams[target]
        return self.catch_all, self.teams.get(self.catch_all, Team())


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tree. `version` = offset of the last settings record applied; -1 before the first."""

    version: int = -1
    ingest: IngestRules = IngestRules()
    correlation: tuple[CorrelationRule, ...] = (CorrelationRule(),)
    assignment: Assignment = msgspec.field(default_factory=Assignment)
    escalation: tuple[EscalationRule, ...] = msgspec.field(default_factory=_default_escalation)
    sla: dict[Severity, SlaTarget] = msgspec.field(default_factory=_default_sla)
    notify: NotifyRules = NotifyRules()
    people: People = msgspec.field(default_factory=People)


DOCUMENTS: Final[dict[str, tuple[str, Any]]] = {
    "ingest/settings": ("ingest", IngestRules),
    "correlate/rules": ("correlation", tuple[CorrelationRule, ...]),
    "correlate/assignment": ("assignment", Assignment),
    "escalate/rules": ("escalation", tuple[EscalationRule, ...]),
    "sla/targets": ("sla", dict[Severity, SlaTarget]),
    "notify/settings": ("notify", NotifyRules),
    "people/directory": ("people", People),
}
"""Record key -> (field of `Rules`, its type)."""


def documents_of(rules: Rules) -> dict[str, Any]:
    """The documents that publish `rules`, as JSON-ready values by record key."""
    return {key: msgspec.to_builtins(getattr(rules, field), str_keys=True) for key, (field, _) in DOCUMENTS.items()}


def rules_with(rules: Rules, key: str, document: Any, version: int) -> Rules:
    """`rules` after one settings record. Unknown keys change nothing but the version (a newer tocsin wrote them).

    Raises:
        msgspec.ValidationError: the document does not fit its type.
    """
    if key not in DOCUMENTS:
        return msgspec.structs.replace(rules, version=version)
    field, kind = DOCUMENTS[key]
    default: Callable[[], Any] = lambda: getattr(Rules(), field)  # noqa: E731
    value = default() if document is None else msgspec.convert(document, kind, str_keys=True)
    return msgspec.structs.replace(rules, version=version, **{field: value})
