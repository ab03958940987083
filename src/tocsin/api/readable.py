"""Rules as people read them: conditions as one line, durations in minutes, the field names of the settings.

In: domain rules. Out: JSON-ready values. Nothing is decided here.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tocsin.domain.rules import Level, Matcher, Policy, Rules


def condition_text(condition: Matcher) -> str:
    """The condition as an expression: `severity == 'critical' AND status == 'open'`; empty = it always holds."""
    parts = [
        _among("severity", [one.value for one in condition.severity]),
        _among("status", [one.value for one in condition.status]),
        _among("category", condition.category),
        _among("service", condition.service),
        *(_among(f"labels[{_quoted(name)}]", [value]) for name, value in condition.labels.items()),
    ]
    said = [part for part in parts if part]
    if condition.expression:
        said.append(f"({condition.expression})" if said else condition.expression)
    return " AND ".join(said)


def _among(name: str, values: Iterable[str]) -> str:
    quoted = [_quoted(value) for value in values]
    if len(quoted) == 1:
        return f"{name} == {quoted[0]}"
    return f"{name} in [{', '.join(quoted)}]" if quoted else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def escalation_rules(rules: Rules) -> dict[str, Any]:
    """The rows of the rules and the named policies."""
    return {
        "version": rules.version,
        "items": [
            {
                "condition": condition_text(rule.condition),
                "escalation_level": rule.escalation_level,
                "escalate_to": rule.escalate_to,
                "escalate_after_minutes": rule.escalate_after_minutes,
                "notification_channels": list(rule.notification_channels),
                "repeat_minutes": rule.repeat_minutes,
                "repeat_times": rule.repeat_times,
            }
            for rule in rules.escalation
        ],
        "policies": [_policy(name, policy) for name, policy in sorted(rules.policies.items())],
    }


def _policy(name: str, policy: Policy) -> dict[str, Any]:
    after = timedelta(0)
    levels = []
    for number, level in enumerate(policy.levels, 1):
        after += level.after
        levels.append(_level(number, level, after))
    return {
        "name": name,
        "description": policy.description,
        "condition": condition_text(policy.condition),
        "levels": levels,
        "loops": policy.loops,
        "fallback": policy.fallback,
    }


def _level(number: int, level: Level, after: timedelta) -> dict[str, Any]:
    return {
        "condition": condition_text(level.condition),
        "escalation_level": number,
        "escalate_to": [f"{target.kind}:{target.name}" if target.name else target.kind for target in level.targets],
        "escalate_after_minutes": after.total_seconds() / 60,
        "notification_channels": list(level.notification_channels),
        "repeat_minutes": level.repeat_every.total_seconds() / 60,
        "repeat_times": level.repeat_times,
        "only_in_hours": level.only_in_hours,
        "every_target": level.every_target,
    }
