"""Expressions and incidents for properties, and two independent readings of them: CEL's, and a plain one.

In: nothing of `domain.expression` but the tree and its text. `common` trees are what both languages can say; `any_tree`
has severities in their order, times of day, weekdays and globs besides.
"""

import json
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tocsin.domain.expression.tree import And, Call, Compare, In, Literal, Name, Node, Not, Operand, Or
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity

NOW = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
TEXTS = st.text("ab-*'\"\\\né", max_size=4)
NAMES = [Name("title"), Name("category"), Name("service"), Name("labels", "team"), Name("labels", "a-b")]
NUMBERS = [Name("alerts"), Name("firing"), Name("occurrences")]
ORDERS = ["==", "!=", "<", "<=", ">", ">="]
PATTERNS = ["", "a", "^a", "b$", "a.*b", "[^a]+", "(?:ab)+|-", r"\*", "(?i)A", r"^\w*$"]
GLOBS = ["", "*", "a*", "*b", "?", "?b*", "[ab]*", "[!a]*", "a[b", "[]]", "*-*"]
ZONES = ["UTC", "Europe/London", "Asia/Kathmandu", "America/Sao_Paulo", "Australia/Lord_Howe"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

literals = TEXTS.map(Literal)
names = st.sampled_from(NAMES)
seconds = st.integers(0, 300_000).map(lambda number: Literal(timedelta(seconds=number)))
integers = st.integers(-3, 9).map(Literal)


def _sides(left: st.SearchStrategy[Operand], right: st.SearchStrategy[Operand], signs: list[str]) -> Any:
    """Comparisons of one with the other, either on the left."""
    return st.one_of(
        st.builds(Compare, st.sampled_from(signs), left, right), st.builds(Compare, st.sampled_from(signs), right, left)
    )


def _lists(values: st.SearchStrategy[Literal]) -> st.SearchStrategy[tuple[Literal, ...]]:
    return st.lists(values, min_size=1, max_size=3).map(tuple)


severities = st.sampled_from([Literal(severity.value) for severity in Severity])
statuses = st.sampled_from([Literal(status.value) for status in Status])
common_terms = st.one_of(
    _sides(names, st.one_of(names, literals), ["==", "!=", "contains", "startsWith", "endsWith"]),
    st.builds(Compare, st.just("matches"), names, st.sampled_from(PATTERNS).map(Literal)),
    _sides(st.sampled_from(NUMBERS), st.one_of(st.sampled_from(NUMBERS), integers), ORDERS),
    _sides(st.just(Name("open_for")), seconds, ORDERS),
    _sides(st.just(Name("severity")), severities, ["==", "!="]),
    _sides(st.just(Name("status")), statuses, ["==", "!="]),
    st.builds(In, names, _lists(literals)),
    st.builds(In, st.just(Name("severity")), _lists(severities)),
    st.builds(In, st.sampled_from(NUMBERS), _lists(integers)),
    _sides(st.just(Name("acknowledged")), st.booleans().map(Literal), ["==", "!="]),
    st.sampled_from([Name("acknowledged"), Name("suppressed"), Literal(True), Literal(False)]),
    _sides(integers, integers, ORDERS),
)
clocks = st.times().map(lambda time: Literal(f"{time:%H:%M}")) | st.sampled_from(
    [Literal("24:00"), Literal("23:30:00")]
)
other_terms = st.one_of(
    _sides(st.just(Name("severity")), severities, ORDERS),
    _sides(st.just(Name("severity")), st.just(Name("labels", "team")), ["==", "!="]),
    st.builds(Compare, st.just("glob"), names, st.sampled_from(GLOBS).map(Literal)),
    _sides(st.sampled_from(ZONES).map(lambda zone: Call("time", zone)), clocks, ORDERS),
    st.builds(
        In, st.sampled_from(ZONES).map(lambda zone: Call("weekday", zone)), _lists(st.sampled_from(DAYS).map(Literal))
    ),
)


def _more(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=6).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, inner))


common = st.recursive(common_terms, _more, max_leaves=12)
any_tree = st.recursive(st.one_of(common_terms, other_terms), _more, max_leaves=12)

subjects = st.builds(
    IncidentHeader,
    id=st.just("i"),
    number=st.just("INC-2026-03-28-001"),
    version=st.just(1),
    title=TEXTS,
    category=TEXTS,
    service=TEXTS,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    opened_at=st.integers(0, 300_000).map(lambda number: NOW - timedelta(seconds=number)),
    acknowledged_at=st.sampled_from([None, NOW]),
    suppressed_by=st.sampled_from(["", "snooze"]),
    alerts=st.integers(0, 9),
    firing=st.integers(0, 9),
    occurrences=st.integers(0, 9),
    labels=st.dictionaries(st.sampled_from(["team", "a-b", "other"]), TEXTS | st.just("high"), max_size=3),
)


# ---- CEL -------------------------------------------------------------------------------------------------------------

CEL_METHODS = {"contains", "startsWith", "endsWith", "matches"}


def as_cel(node: Node) -> str:
    """A tree of `common` in CEL."""
    if isinstance(node, And | Or):
        return "(" + (" && " if isinstance(node, And) else " || ").join(map(as_cel, node.parts)) + ")"
    if isinstance(node, Not):
        return f"!({as_cel(node.part)})"
    if isinstance(node, In):
        return f"({_cel(node.left)} in [{', '.join(map(_cel, node.values))}])"
    if isinstance(node, Compare):
        left, right = _cel(node.left), _cel(node.right)
        return f"{left}.{node.sign}({right})" if node.sign in CEL_METHODS else f"({left} {node.sign} {right})"
    return _cel(node)


def _cel(operand: Operand) -> str:
    if isinstance(operand, Name):
        return operand.name if operand.key is None else f"labels[{json.dumps(operand.key)}]"
    assert isinstance(operand, Literal)
    if isinstance(operand.value, timedelta):
        return f"duration('{operand.value.total_seconds():.0f}s')"
    return json.dumps(operand.value, ensure_ascii=False)


def plain_subject(header: IncidentHeader) -> dict[str, Any]:
    """The values of an incident by name, missing labels as empty texts."""
    names = ("title", "category", "service", "alerts", "firing", "occurrences")
    return {
        **{name: getattr(header, name) for name in names},
        "severity": header.severity.value,
        "status": header.status.value,
        "acknowledged": header.acknowledged_at is not None,
        "suppressed": header.suppressed_by != "",
        "open_for": NOW - header.opened_at,
        "labels": {"team": "", "a-b": "", **header.labels},
    }


# ---- the plain reading -----------------------------------------------------------------------------------------------


def plainly(node: Node, header: IncidentHeader) -> bool:
    """What `node` says of an incident at `NOW`, read from the tree without a shortcut. `matches` is left to CEL."""
    if isinstance(node, And):
        return all(plainly(part, header) for part in node.parts)
    if isinstance(node, Or):
        return any(plainly(part, header) for part in node.parts)
    if isinstance(node, Not):
        return not plainly(node.part, header)
    if isinstance(node, In):
        return any(_value(node.left, header) == _value(value, header) for value in node.values)
    if not isinstance(node, Compare):
        return bool(_value(node, header))
    left, right, sign = _value(node.left, header), _value(node.right, header), node.sign
    if sign == "contains":
        return right in left
    if sign in ("startsWith", "endsWith"):
        return bool(left.startswith(right) if sign == "startsWith" else left.endswith(right))
    if sign == "glob":
        return fnmatchcase(left, right)
    urgency = [severity.value for severity in reversed(Severity)]
    if sign not in ("==", "!=") and left in urgency and right in urgency:
        left, right = urgency.index(left), urgency.index(right)
    order = (left > right) - (left < right)
    return {"==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[
        sign
    ]


def _value(operand: Operand, header: IncidentHeader) -> Any:
    if isinstance(operand, Call):
        local = NOW.astimezone(ZoneInfo(operand.argument))
        return f"{local:%H:%M:%S}" if operand.name == "time" else DAYS[local.weekday()]
    if isinstance(operand, Name):
        value = plain_subject(header)[operand.name]
        return value if operand.key is None else value.get(operand.key, "")
    is_clock = isinstance(operand.value, str) and len(operand.value) == 5 and operand.value[2] == ":"
    return f"{operand.value}:00" if is_clock else operand.value


def has_pattern(node: Node) -> bool:
    """Whether some part of `node` is a `matches`."""
    if isinstance(node, And | Or):
        return any(map(has_pattern, node.parts))
    return has_pattern(node.part) if isinstance(node, Not) else isinstance(node, Compare) and node.sign == "matches"
