"""Compiles a checked tree into closures.

In: a tree, its vocabulary. Out: a test (subject, now) -> bool. Invariants: what does not depend on subject and instant
is computed here, once; an order of words is a set of words; nothing is evaluated as code.
"""

from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from tocsin.domain.expression.clock import seconds_of
from tocsin.domain.expression.glob import pattern_of
from tocsin.domain.expression.tree import And, Call, Compare, In, Literal, Name, Node, Not, Operand, Or
from tocsin.domain.expression.vocabulary import CLOCK, LABELS, WEEKDAY, Type, Vocabulary
from tocsin.domain.expression.zone import zone_of
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.pattern import part_test, whole_test

Test = Callable[[Any, Instant], bool]
Get = Callable[[Any], Any]
TimedGet = Callable[[Any, Instant], Any]

_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compile_tree(tree: Node, vocabulary: Vocabulary) -> Test:
    """The test that `tree` stands for."""
    found = _Compiler(vocabulary).node(tree)
    return _always(found) if isinstance(found, bool) else found


def turned(node: Compare) -> Compare:
    """`node` with a literal on the right where one is on the left and the sign can be turned."""
    if isinstance(node.left, Literal) and not isinstance(node.right, Literal) and node.sign in _FLIPPED:
        return Compare(_FLIPPED[node.sign], node.right, node.left)
    return node


def words_in_order(kind: Type, sign: str, word: str) -> frozenset[str]:
    """The words of an ordered type for which `<value> <sign> word` holds."""
    place, order = kind.words.index(word), _ORDERS[sign]
    return frozenset(one for nth, one in enumerate(kind.words) if order(nth, place))


def _always(answer: bool) -> Test:
    return lambda subject, now: answer


class _Compiler:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.fields = vocabulary.fields

    def node(self, node: Node) -> bool | Test:
        """A test, or the answer where it is always the same."""
        if isinstance(node, And | Or):
            return self.joined(node)
        if isinstance(node, Not):
            part = self.node(node.part)
            return not part if isinstance(part, bool) else _not(part)
        if isinstance(node, Literal):
            return bool(node.value)
        if isinstance(node, Name):
            return self.test(node, bool)
        test = self.membership(node) if isinstance(node, In) else self.comparison(turned(node))
        operands = (node.left,) if isinstance(node, In) else (node.left, node.right)
        return test(None, EPOCH) if all(isinstance(operand, Literal) for operand in operands) else test

    def joined(self, node: And | Or) -> bool | Test:
        ends = isinstance(node, Or)
        tests: list[Test] = []
        for part in node.parts:
            found = self.node(part)
            if not isinstance(found, bool):
                tests.append(found)
            elif found is ends:
                return ends
        if not tests:
            return not ends
        return _any(tests) if ends else _all(tests)

    def kind(self, operand: Operand) -> Type | None:
        if isinstance(operand, Name):
            return self.fields[operand.name].type
        if isinstance(operand, Call):
            return CLOCK if operand.name == "time" else WEEKDAY
        return None

    def membership(self, node: In) -> Test:
        clock = self.kind(node.left) is CLOCK
        values = frozenset(seconds_of(str(value.value)) if clock else value.value for value in node.values)
        return self.one_of(node.left, values)

    def one_of(self, operand: Operand, values: frozenset[Any]) -> Test:
        if len(values) == 1:
            return self.equal(operand, next(iter(values)))
        if isinstance(operand, Name) and operand.key is not None:
            labels, key = self.fields[operand.name].get, operand.key
            return lambda subject, now: labels(subject).get(key, "") in values
        return self.test(operand, values.__contains__)

    def equal(self, operand: Operand, value: Any) -> Test:
        get = self.get(operand)
        if get is None:
            timed = self.timed(operand)
            return lambda subject, now: bool(timed(subject, now) == value)
        if isinstance(operand, Name) and operand.key is not None:
            labels, key = self.fields[operand.name].get, operand.key
            return lambda subject, now: labels(subject).get(key, "") == value
        return lambda subject, now: get(subject) == value

    def comparison(self, node: Compare) -> Test:
        sign, kind = node.sign, self.kind(node.left)
        if not isinstance(node.right, Literal):
            return self.two_sided(node)
        value: Any = node.right.value
        if kind is CLOCK:
            value = seconds_of(value)
        if sign == "==":
            return self.equal(node.left, value)
        if sign == "!=":
            return _not(self.equal(node.left, value))
        if sign in _ORDERS:
            if kind is not None and kind.words:
                return self.one_of(node.left, words_in_order(kind, sign, value))
            return self.ordered(node.left, sign, value)
        return self.test(node.left, _text_test(sign, value))

    def ordered(self, operand: Operand, sign: str, value: Any) -> Test:
        get = self.get(operand)
        if get is None:
            timed, order = self.timed(operand), _ORDERS[sign]
            return lambda subject, now: order(timed(subject, now), value)
        if sign == "<":
            return lambda subject, now: bool(get(subject) < value)
        if sign == "<=":
            return lambda subject, now: bool(get(subject) <= value)
        if sign == ">":
            return lambda subject, now: bool(get(subject) > value)
        return lambda subject, now: bool(get(subject) >= value)

    def two_sided(self, node: Compare) -> Test:
        left, right = self.timed(node.left), self.timed(node.right)
        test = _ORDERS.get(node.sign) or {"==": eq, "!=": ne, **_TEXTS}[node.sign]
        return lambda subject, now: bool(test(left(subject, now), right(subject, now)))

    def test(self, operand: Operand, test: Callable[[Any], bool]) -> Test:
        """`test` of the operand's value."""
        get = self.get(operand)
        if get is None:
            timed = self.timed(operand)
            return lambda subject, now: test(timed(subject, now))
        return lambda subject, now: test(get(subject))

    def get(self, operand: Operand) -> Get | None:
        """How the value is read from a subject; None = it needs the instant."""
        if isinstance(operand, Literal):
            value = operand.value
            return lambda subject: value
        if isinstance(operand, Call) or self.fields[operand.name].timed:
            return None
        field, key = self.fields[operand.name], operand.key
        if field.type is not LABELS or key is None:
            return field.get
        labels = field.get
        return lambda subject: labels(subject).get(key, "")

    def timed(self, operand: Operand) -> TimedGet:
        """How the value is read from a subject at an instant."""
        get = self.get(operand)
        if get is not None:
            return lambda subject, now: get(subject)
        if isinstance(operand, Name):
            return self.fields[operand.name].get
        assert isinstance(operand, Call)
        return _time_of(operand.argument) if operand.name == "time" else _weekday_of(operand.argument)


def _time_of(name: str) -> TimedGet:
    zone = zone_of(name)

    def time(subject: Any, now: Instant) -> int:
        local = now.astimezone(zone)
        return local.hour * 3600 + local.minute * 60 + local.second

    return time


def _weekday_of(name: str) -> TimedGet:
    zone, words = zone_of(name), WEEKDAY.words
    return lambda subject, now: words[now.astimezone(zone).weekday()]


_TEXTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": str.__contains__,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _text_test(sign: str, value: str) -> Callable[[str], bool]:
    if sign == "matches":
        return part_test(value)
    if sign == "glob":
        return whole_test(pattern_of(value))
    test = _TEXTS[sign]
    return lambda text: test(text, value)


def _not(part: Test) -> Test:
    return lambda subject, now: not part(subject, now)


def _all(tests: list[Test]) -> Test:
    """Whether each of `tests` holds; four at once, since a loop costs more than they do."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        a, b = tests
        return lambda subject, now: a(subject, now) and b(subject, now)
    if len(tests) == 3:
        a, b, c = tests
        return lambda subject, now: a(subject, now) and b(subject, now) and c(subject, now)
    a, b, c, d = *tests[:3], _all(tests[3:])
    return lambda subject, now: a(subject, now) and b(subject, now) and c(subject, now) and d(subject, now)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        a, b = tests
        return lambda subject, now: a(subject, now) or b(subject, now)
    if len(tests) == 3:
        a, b, c = tests
        return lambda subject, now: a(subject, now) or b(subject, now) or c(subject, now)
    a, b, c, d = *tests[:3], _any(tests[3:])
    return lambda subject, now: a(subject, now) or b(subject, now) or c(subject, now) or d(subject, now)
