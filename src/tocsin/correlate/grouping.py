"""Which rule applies to an alert, and which group it falls into. Pure functions of alert and rules."""

from typing import Final, NamedTuple

from tocsin.domain.alert import AlertBody
from tocsin.domain.header import TITLE_MAX, cut_text
from tocsin.domain.ids import short_hash
from tocsin.domain.rules import CorrelationRule, Rules
from tocsin.domain.window import Window

DEFAULT_GROUP_BY: Final = ("cluster", "service", "alertname")
DEFAULT_CATEGORY: Final = "system"
_DEFAULT_RULE: Final = CorrelationRule()


class Placement(NamedTuple):
    """Where an alert belongs."""

    group: str
    """Id of the group: partition key and group key together."""
    group_key: str
    labels: dict[str, str]
    """The labels the group was made by."""
    rule: CorrelationRule


def rule_for(labels: dict[str, str], rules: Rules) -> CorrelationRule:
    """The first rule whose `when` labels the alert has; the last resort is the built-in default."""
    for rule in rules.correlation:
        if not rule.when or all(labels.get(name, "") == value for name, value in rule.when.items()):
            return rule
    return _DEFAULT_RULE


def rule_named(name: str, rules: Rules) -> CorrelationRule:
    """The rule of that name; the built-in default when it is gone."""
    for rule in rules.correlation:
        if rule.name == name:
            return rule
    return _DEFAULT_RULE


def window_of(rule: CorrelationRule) -> Window:
    return Window(rule.gap, rule.length_max, rule.reopen_within)


def placement(body: AlertBody, partition_key: str, correlation_id: str, rules: Rules) -> Placement:
    """Group of an alert: its correlation id, else the rule's labels, else the source's group labels, else the
    default.
    """
    rule = rule_for(body.labels, rules)
    if correlation_id:
        labels: dict[str, str] = {}
        key = f"correlation_id={correlation_id}"
    else:
        if rule.group_by:
            labels = {name: body.labels[name] for name in rule.group_by if body.labels.get(name)}
        elif body.group_labels:
            labels = body.group_labels
        else:
            labels = {name: body.labels[name] for name in DEFAULT_GROUP_BY if body.labels.get(name)}
        key = ",".join([f"{name}={labels[name]!r}" for name in sorted(labels)]) or f"title={body.title!r}"
    return Placement(short_hash("group", partition_key, rule.name, key), cut_text(key, TITLE_MAX), labels, rule)


def category_of(body: AlertBody, rule: CorrelationRule) -> str:
    return body.category or rule.category or DEFAULT_CATEGORY
