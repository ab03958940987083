"""Policies that no incident takes, and severities for which nobody is called.

In: the rules of the settings. Out: warnings. Of a condition only what it says of the severity is looked at: where it
asks for more than that, it is taken to hold for some incident, so that nothing is called uncovered that may be covered.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from tocsin.domain.condition import expression_of
from tocsin.domain.escalation import DEFAULT_POLICY
from tocsin.domain.expression import INCIDENT, Expression
from tocsin.domain.expression.tree import And, Compare, In, Literal, Name, Node, Not, Operand, Or
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Matcher, Policy, Rules
from tocsin.domain.severity import Severity
from tocsin.settings.problem import suggestion

PRESSING: Final = (Severity.EMERGENCY, Severity.CRITICAL, Severity.HIGH)
"""Severities for which somebody is expected to be called."""
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Of no consequence: nothing that depends on the time is asked."""


def warnings(rules: Rules) -> Iterator[str]:
    """What is allowed and is probably not meant: see the module."""
    named = {service.policy for service in rules.services.values()}
    for name, policy in sorted(rules.policies.items()):
        if name not in named and policy.condition == Matcher() and name != DEFAULT_POLICY:
            hint = suggestion(name, [DEFAULT_POLICY])
            yield (
                f"no incident takes the policy {name!r}: no service names it, it has no condition and is not called "
                f"{DEFAULT_POLICY!r}{hint}; write services.<name>.policy: {name}, or give it a condition"
            )
    for name in sorted(named & rules.policies.keys()):
        if silent := [one for one in PRESSING if not _policy_calls(rules.policies[name], one)]:
            what = f"the policy {name!r} calls nobody for {_listed(silent)}"
            yield f"{what}, though services name it; add a level for them"
    if silent := [one for one in PRESSING if not _called(rules, one)]:
        yield (
            f"incidents of severity {_listed(silent)} call nobody unless their service names a policy: "
            f"no row of escalate.rules and no policy is for them; name a policy {DEFAULT_POLICY!r}, or add a row"
        )


def _called(rules: Rules, severity: Severity) -> bool:
    """Whether somebody may be called for an incident of `severity` whose service names no policy."""
    for policy in rules.policies.values():
        if policy.condition != Matcher() and _may(policy.condition, severity) and _policy_calls(policy, severity):
            return True
    if DEFAULT_POLICY in rules.policies:  # it takes what is left, so that no row is ever looked at
        return _policy_calls(rules.policies[DEFAULT_POLICY], severity)
    return any(_may(rule.condition, severity) for rule in rules.escalation)


def _policy_calls(policy: Policy, severity: Severity) -> bool:
    return any(_may(level.condition, severity) for level in policy.levels)


def _may(matcher: Matcher, severity: Severity) -> bool:
    """Whether `matcher` holds for some open incident of `severity`, as far as one can tell."""
    return _truth(expression_of(matcher).tree, severity) is not False


def _truth(node: Node, severity: Severity) -> bool | None:
    """What `node` is for every open incident of `severity`; None = it depends on more than that."""
    if isinstance(node, And | Or):
        decides = isinstance(node, Or)
        parts = [_truth(part, severity) for part in node.parts]
        return decides if decides in parts else None if None in parts else not decides
    if isinstance(node, Not):
        inner = _truth(node.part, severity)
        return None if inner is None else not inner
    if isinstance(node, Literal):
        return bool(node.value)
    if not isinstance(node, Compare | In) or not all(_known(operand) for operand in _operands(node)):
        return None
    header = IncidentHeader(id="", number="", version=0, title="", severity=severity, status=Status.OPEN, opened_at=_AT)
    return bool(Expression("", node, INCIDENT).holds(header, _AT))


def _operands(node: Compare | In) -> tuple[Operand, ...]:
    return (node.left,) if isinstance(node, In) else (node.left, node.right)


def _known(operand: Operand) -> bool:
    return isinstance(operand, Literal) or operand == Name("severity")


def _listed(severities: list[Severity]) -> str:
    *first, last = severities
    return f"{', '.join(first)} or {last}" if first else last.value
