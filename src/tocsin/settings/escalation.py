"""The settings of escalation and of promises: rows, named policies, what follows a broken promise.

Each part gives its `domain.rules` struct. Names of targets are checked by `settings.references`.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.directory import KINDS
from tocsin.domain.severity import Severity
from tocsin.settings.part import Part, struct_of
from tocsin.settings.problem import suggestion
from tocsin.settings.rules import DEFAULT, Condition, ConditionPart, Minutes
from tocsin.settings.values import Duration, Name, OneOrMore, PositiveDuration

LEVELS_MAX: Final = 20
"""Levels of a policy: all of them stand in the event that plans an escalation."""
TARGETS_MAX: Final = 20
"""Targets of a level: one call each."""
BARE: Final = ("management", "vendor")
"""Kinds that stand for those of the incident's team and service when no name is given."""


def _target(value: Any) -> Any:
    """`{user: ana}` and `{kind: user, name: ana}` are `user:ana`."""
    if not isinstance(value, dict):
        return value
    if "kind" in value and value.keys() <= {"kind", "name"}:
        kind, name = value["kind"], value.get("name", "")
    elif len(value) == 1:
        kind, name = next(iter(value.items()))
    else:
        raise ValueError("a target is one of " + ", ".join(f"{kind}:…" for kind in KINDS))
    return f"{kind}:{name}" if name else kind


def _word(value: str) -> str:
    kind, colon, name = value.partition(":")
    if colon and kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of target{suggestion(kind, KINDS)}; there are {', '.join(KINDS)}")
    if colon and not name and kind not in BARE:
        raise ValueError(f"{value!r} names no {kind}")
    return value


def _some(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Asked of what is right in itself: a wrong item is not reported as a missing one."""
    if not value:
        raise ValueError("must name at least one")
    return value


TargetWord = Annotated[
    str,
    BeforeValidator(_target),
    Field(pattern=r"^([a-z]+:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
    AfterValidator(_word),
]
"""`user:ana`, `team:dba`, `schedule:dba`, `channel:ops`, `management`, `vendor`; a bare name is a team, else a user,
else a schedule."""


def target_struct(word: str) -> domain.Target:
    """The target that a word names; of a bare name it is seen later what it is."""
    kind, colon, name = word.partition(":")
    if not colon:
        return domain.Target(kind=word) if word in BARE else domain.Target(kind="", name=word)
    return domain.Target(kind=kind, name=name)


class EscalationRulePart(Part):
    condition: Condition = Field(default=ConditionPart(), description="Which incidents this rule escalates.")
    escalation_level: int = Field(default=1, ge=1, le=100, description="Level, counted from 1.")
    escalate_to: TargetWord = Field(
        description="Who is paged: a team, a user or a schedule; the catch-all team when there is none of that name."
    )
    escalate_after_minutes: Minutes = Field(description="Minutes without acknowledgement until this level fires.")
    notification_channels: OneOrMore[Name] = Field(
        default=(), description="Channels of the page; empty = those that the routes name."
    )
    repeat_minutes: Minutes = Field(default=0, description="Minutes between repeats; 0 = none.")
    repeat_times: int = Field(default=0, ge=0, le=1000, description="How often it is repeated.")

    @model_validator(mode="after")
    def _repeats_have_a_distance(self) -> "EscalationRulePart":
        if self.repeat_times and not self.repeat_minutes:
            raise ValueError("repeat_times needs repeat_minutes above 0")
        return self

    def struct(self) -> domain.EscalationRule:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return domain.EscalationRule(**(values | {"condition": self.condition.struct()}))


class LevelPart(Part):
    targets: Annotated[OneOrMore[TargetWord], AfterValidator(_some)] = Field(
        max_length=TARGETS_MAX,
        description="Who is called: user:…, team:…, schedule:…, channel:…, management, vendor, or a bare name.",
    )
    after: Duration = Field(
        default=timedelta(0), description="Time after the level before, or after the opening for the first."
    )
    condition: Condition = Field(
        default=ConditionPart(), description="What must hold when the level is due; else it is passed over."
    )
    only_in_hours: bool = Field(default=False, description="Wait for the working hours of one of the targets.")
    every_target: bool = Field(default=False, description="Each target must acknowledge, not any of them.")
    notification_channels: OneOrMore[Name] = Field(
        default=(), description="Channels of the page; empty = those that the routes name."
    )
    repeat_every: Duration = Field(default=timedelta(0), description="Time between repeats; 0s = none.")
    repeat_times: int = Field(default=0, ge=0, le=1000, description="How often the level is repeated.")

    @model_validator(mode="after")
    def _repeats_have_a_distance(self) -> "LevelPart":
        if self.repeat_times and not self.repeat_every:
            raise ValueError("repeat_times needs repeat_every above 0s")
        return self

    def struct(self) -> domain.Level:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        targets = tuple(target_struct(word) for word in self.targets)
        return domain.Level(**(values | {"targets": targets, "condition": self.condition.struct()}))


class PolicyPart(Part):
    levels: Annotated[tuple[LevelPart, ...], AfterValidator(_some)] = Field(
        max_length=LEVELS_MAX, description="One after the other, until somebody acknowledges."
    )
    loops: int = Field(default=0, ge=0, le=100, description="How often it starts again from the first level.")
    condition: Condition = Field(
        default=ConditionPart(),
        description="Incidents that take it when their service names none. Without a condition it is for services "
        "that name it; but the policy called default takes what is left.",
    )
    fallback: str = Field(default="", description="Team that is called when a level reaches nobody.")
    description: str = Field(default="", max_length=1000, description="For people.")

    def struct(self) -> domain.Policy:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        levels = tuple(level.struct() for level in self.levels)
        return domain.Policy(**(values | {"levels": levels, "condition": self.condition.struct()}))


class EscalatePart(Part):
    rules: tuple[EscalationRulePart, ...] | None = Field(
        default=None,
        description="Rows for incidents that take no policy; "
        "default: emergency at once, critical 5, high 15, medium 60 minutes.",
    )
    policies: dict[Name, PolicyPart] = Field(
        default={}, description="Escalation policies by name. A service names its own; else the first that matches."
    )
    catch_up: Literal["all", "collapse", "skip"] = Field(
        default="collapse",
        description="Calls that came due while tocsin was down: each of them, one for the repeats of a level, or only "
        "the last level.",
    )
    late_after: Duration = Field(
        default=DEFAULT.escalate.late_after, description="From when on `catch_up: skip` holds a call to be too late."
    )
    breach_escalates: OneOrMore[Severity] = Field(
        default=DEFAULT.escalate.breach_escalates,
        description="Severities whose incidents escalate by themselves when they are not resolved as promised.",
    )
    breach_target: TargetWord | Literal[""] = Field(
        default="", description="Who is called then; empty = the next level, behind the last one the management."
    )
    sla_waits: bool = Field(default=False, description="Whether promises stand still while an incident is suppressed.")

    def struct(self) -> tuple[domain.EscalationRule, ...]:
        return DEFAULT.escalation if self.rules is None else tuple(rule.struct() for rule in self.rules)

    def settings(self) -> domain.EscalateRules:
        """What is no list of rules."""
        names = domain.EscalateRules.__struct_fields__
        return domain.EscalateRules(**{name: getattr(self, name) for name in names})


class SlaPart(Part):
    acknowledge: PositiveDuration | None = Field(default=None, description="Promised time to the acknowledgement.")
    resolve: PositiveDuration | None = Field(default=None, description="Promised time to the resolve.")
    update: PositiveDuration | None = Field(default=None, description="Promised time between two updates.")

    def struct(self) -> domain.SlaTarget:
        return struct_of(domain.SlaTarget, self)


Sla = dict[Severity, SlaPart]


class SlaRulePart(Part):
    name: Name = Field(description="Name of the rule, for people.")
    condition: Condition = Field(default=ConditionPart(), description="Which incidents it promises something for.")
    targets: Sla = Field(description="Promised times by severity; a severity that is not named is not promised here.")
    calendar: str = Field(
        default="", description="Calendar in whose hours the promises run; empty = that of the service, else always."
    )

    def struct(self) -> domain.SlaRule:
        return domain.SlaRule(
            name=self.name,
            condition=self.condition.struct(),
            targets={severity: target.struct() for severity, target in self.targets.items()},
            calendar=self.calendar,
        )
