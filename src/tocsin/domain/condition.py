"""Whether a condition holds for an incident: its fields AND its expression. One at a time, or many at once.

In: `Matcher`s, an incident header, the instant of the question (for times of day and ages). Out: yes or no; which.
Invariant: the answer depends on nothing else, and is the same for one and for many.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from tocsin.domain.expression import INCIDENT, Expression, Ruleset, compile_expression
from tocsin.domain.expression.tree import And, Compare, In, Literal, Name, Node, written
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules.condition import Matcher

T = TypeVar("T")

LISTS_MAX: Final = 32
"""Lists of rules that are kept ready: each version of the rules has a handful."""
_ready: Final[dict[int, tuple[object, Ruleset]]] = {}
"""Identity of a list of rules -> the list (so that the identity stays its own) and its ruleset."""


def holds(matcher: Matcher, header: IncidentHeader, now: Instant) -> bool:
    """Whether `matcher` holds for the incident as `header` shows it at `now`. A missing label is the empty text."""
    return (
        (not matcher.severity or header.severity in matcher.severity)
        and (not matcher.status or header.status in matcher.status)
        and (not matcher.category or header.category in matcher.category)
        and (not matcher.service or header.service in matcher.service)
        and (not matcher.labels or all(header.labels.get(name, "") == one for name, one in matcher.labels.items()))
        and (not matcher.expression or compile_expression(matcher.expression).holds(header, now))
    )


def that_hold(
    rules: tuple[T, ...], condition: Callable[[T], Matcher], header: IncidentHeader, now: Instant
) -> tuple[T, ...]:
    """Those of `rules` whose `condition` holds, in order. For a list that is asked again and again: a thousand rules
    that name what they are about cost little more than one."""
    if not rules:
        return ()
    kept = _ready.get(id(rules))
    if kept is None or kept[0] is not rules:
        if len(_ready) >= LISTS_MAX:
            _ready.clear()
        kept = _ready[id(rules)] = (rules, ruleset_of([condition(rule) for rule in rules]))
    return tuple([rules[number] for number in kept[1].all(header, now)])


def ruleset_of(matchers: Sequence[Matcher]) -> Ruleset:
    """`matchers` as expressions that are asked at once."""
    return Ruleset([expression_of(matcher) for matcher in matchers])


def expression_of(matcher: Matcher) -> Expression:
    """The expression that says what `matcher` does."""
    fields: dict[str, Sequence[Any]] = {
        "severity": [severity.value for severity in matcher.severity],
        "status": [status.value for status in matcher.status],
        "category": matcher.category,
        "service": matcher.service,
    }
    parts: list[Node] = [In(Name(name), tuple(map(Literal, values))) for name, values in fields.items() if values]
    parts += [Compare("==", Name("labels", name), Literal(value)) for name, value in matcher.labels.items()]
    if matcher.expression:
        parts.append(compile_expression(matcher.expression).tree)
    tree: Node = And(tuple(parts)) if parts else Literal(True)
    return Expression(written(tree), tree, INCIDENT)
