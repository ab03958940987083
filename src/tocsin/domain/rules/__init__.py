"""The rules: everything that decisions depend on besides state and input. Published in the log, given to `decide`.

A record of `settings.events.v1` is one whole document: `DOCUMENTS` maps the keys that are always there to the fields
of `Rules`, `KINDS` the kinds of which there can be many (`<kind>/<name>`, one document each). Durations are timedelta
(ISO 8601 in JSON).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.domain.rules.condition import LabelMatch, Matcher
from tocsin.domain.rules.correlation import CorrelationRule, Flapping, IngestRules, Threshold
from tocsin.domain.rules.directory import Assignment, People, PersonalRule, QuietHours, Service, Team, User
from tocsin.domain.rules.escalation import DEFAULT_ESCALATION, EscalateRules, EscalationRule, Level, Policy, Target
from tocsin.domain.rules.expected import Expected
from tocsin.domain.rules.notification import Limit, NotifyRules, Route
from tocsin.domain.rules.playbook import Playbook, PlaybookStep
from tocsin.domain.rules.schedule import Calendar, Layer, Override, Restriction, Schedule
from tocsin.domain.rules.severity import Scheme, SchemeLevel, SeverityRules
from tocsin.domain.rules.silence import Inhibition, Maintenance, Silence
from tocsin.domain.rules.sla import DEFAULT_SLA, SlaRule, SlaTarget
from tocsin.domain.rules.template import Template
from tocsin.domain.severity import Severity

__all__ = [
    "DOCUMENTS",
    "KINDS",
    "Assignment",
    "Calendar",
    "CorrelationRule",
    "EscalateRules",
    "EscalationRule",
    "Expected",
    "Flapping",
    "IngestRules",
    "Inhibition",
    "LabelMatch",
    "Layer",
    "Level",
    "Limit",
    "Maintenance",
    "Matcher",
    "NotifyRules",
    "Override",
    "People",
    "PersonalRule",
    "Playbook",
    "PlaybookStep",
    "Policy",
    "QuietHours",
    "Restriction",
    "Route",
    "Rules",
    "Schedule",
    "Scheme",
    "SchemeLevel",
    "Service",
    "SeverityRules",
    "Silence",
    "SlaRule",
    "SlaTarget",
    "Target",
    "Team",
    "Template",
    "Threshold",
    "User",
    "documents_of",
    "rules_with",
]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tree. `version` = offset of the last settings record applied; -1 before the first."""

    version: int = -1
    ingest: IngestRules = IngestRules()
    correlation: tuple[CorrelationRule, ...] = (CorrelationRule(),)
    assignment: Assignment = msgspec.field(default_factory=Assignment)
    severity: SeverityRules = SeverityRules()
    escalation: tuple[EscalationRule, ...] = DEFAULT_ESCALATION
    """The policy of what names no other."""
    escalate: EscalateRules = EscalateRules()
    sla: dict[Severity, SlaTarget] = msgspec.field(default_factory=lambda: dict(DEFAULT_SLA))
    sla_rules: tuple[SlaRule, ...] = ()
    """Targets of a service or team, before those of the severity; the first that matches counts."""
    inhibitions: tuple[Inhibition, ...] = ()
    notify: NotifyRules = NotifyRules()
    people: People = People()
    users: dict[str, User] = {}
    teams: dict[str, Team] = {}
    services: dict[str, Service] = {}
    policies: dict[str, Policy] = {}
    calendars: dict[str, Calendar] = {}
    schedules: dict[str, Schedule] = {}
    overrides: dict[str, Override] = {}
    silences: dict[str, Silence] = {}
    maintenance: dict[str, Maintenance] = {}
    playbooks: dict[str, Playbook] = {}
    expected: dict[str, Expected] = {}
    templates: dict[str, Template] = {}

    def team_of(self, target: str) -> tuple[str, Team]:
        """The team a target stands for; the catch-all team where there is none of that name."""
        if target in self.teams:
            return target, self.teams[target]
        return self.people.catch_all, self.teams.get(self.people.catch_all, Team())


DOCUMENTS: Final[dict[str, tuple[str, Any]]] = {
    "ingest/settings": ("ingest", IngestRules),
    "correlate/rules": ("correlation", tuple[CorrelationRule, ...]),
    "correlate/assignment": ("assignment", Assignment),
    "severity/settings": ("severity", SeverityRules),
    "escalate/rules": ("escalation", tuple[EscalationRule, ...]),
    "escalate/settings": ("escalate", EscalateRules),
    "sla/targets": ("sla", dict[Severity, SlaTarget]),
    "sla/rules": ("sla_rules", tuple[SlaRule, ...]),
    "inhibit/rules": ("inhibitions", tuple[Inhibition, ...]),
    "notify/settings": ("notify", NotifyRules),
    "people/directory": ("people", People),
}
"""Record key -> (field of `Rules`, its type): ordered lists and single settings, one document each."""

KINDS: Final[dict[str, tuple[str, Any]]] = {
    "user": ("users", User),
    "team": ("teams", Team),
    "service": ("services", Service),
    "policy": ("policies", Policy),
    "calendar": ("calendars", Calendar),
    "schedule": ("schedules", Schedule),
    "override": ("overrides", Override),
    "silence": ("silences", Silence),
    "maintenance": ("maintenance", Maintenance),
    "playbook": ("playbooks", Playbook),
    "expected": ("expected", Expected),
    "template": ("templates", Template),
}
"""Kind -> (field of `Rules`, type of one): a record `<kind>/<name>` each, null when it was deleted."""


def documents_of(rules: Rules) -> dict[str, Any]:
    """The documents that publish `rules`, as JSON-ready values by record key."""
    found = {key: msgspec.to_builtins(getattr(rules, field), str_keys=True) for key, (field, _) in DOCUMENTS.items()}
    for kind, (field, _) in KINDS.items():
        for name, one in getattr(rules, field).items():
            found[f"{kind}/{name}"] = msgspec.to_builtins(one, str_keys=True)
    return found


def rules_with(rules: Rules, key: str, document: Any, version: int) -> Rules:
    """`rules` after one settings record. Unknown keys change nothing but the version (a newer tocsin wrote them).

    Raises:
        msgspec.ValidationError: the document does not fit its type.
    """
    kind, _, name = key.partition("/")
    if key in DOCUMENTS:
        field, shape = DOCUMENTS[key]
        default: Callable[[], Any] = lambda: getattr(Rules(), field)  # noqa: E731
        value = default() if document is None else msgspec.convert(document, shape, str_keys=True)
    elif kind in KINDS and name:
        field, shape = KINDS[kind]
        value = dict(getattr(rules, field))
        value.pop(name, None)
        if document is not None:
            value[name] = msgspec.convert(document, shape, str_keys=True)
    else:
        return msgspec.structs.replace(rules, version=version)
    return msgspec.structs.replace(rules, version=version, **{field: value})
