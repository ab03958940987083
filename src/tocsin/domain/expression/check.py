"""Whether an expression makes sense for a vocabulary: names exist, types fit, words, zones and patterns are known.

In: a tree, the text it was read from, a vocabulary. Out: nothing, or an error with the place. Invariant: a tree that
is checked is compiled and evaluated without an error, whatever the subject.
"""

from typing import Final

from tocsin.domain.expression.clock import seconds_of
from tocsin.domain.expression.error import ExpressionError, nearest
from tocsin.domain.expression.glob import pattern_of
from tocsin.domain.expression.tree import And, Call, Compare, In, Literal, Name, Node, Not, Operand, Or, operand_text
from tocsin.domain.expression.vocabulary import (
    BOOL,
    CLOCK,
    DURATION,
    LABELS,
    NUMBER,
    TEXT,
    WEEKDAY,
    Type,
    Vocabulary,
)
from tocsin.domain.expression.zone import zone_of
from tocsin.domain.pattern import PatternError, part_test, whole_test

TERMS_MAX: Final = 500
"""Comparisons of an expression; each costs about 0.1 us."""
VALUES_MAX: Final = 1000
"""Values of one list."""
CALLS: Final = {"time": CLOCK, "weekday": WEEKDAY}
TEXT_SIGNS: Final = ("contains", "startsWith", "endsWith", "glob", "matches")


def check(tree: Node, text: str, vocabulary: Vocabulary) -> None:
    """Refuse a tree that makes no sense.

    Raises:
        ExpressionError: with the place in `text`.
    """
    checker = _Checker(text, vocabulary)
    checker.node(tree)


class _Checker:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.text = text
        self.vocabulary = vocabulary
        self.terms = 0

    def wrong(self, message: str, at: int) -> ExpressionError:
        return ExpressionError(message, self.text, at)

    def node(self, node: Node) -> None:
        if isinstance(node, And | Or):
            for part in node.parts:
                self.node(part)
            return
        if isinstance(node, Not):
            return self.node(node.part)
        self.terms += 1
        if self.terms > TERMS_MAX:
            raise self.wrong(f"more than {TERMS_MAX} comparisons", getattr(node, "at", 0))
        if isinstance(node, Compare):
            self.comparison(node)
        elif isinstance(node, In):
            self.membership(node)
        elif (kind := self.type_of(node)) is not BOOL:
            raise self.wrong(f"{operand_text(node)} is {kind.name}, not true or false; compare it", node.at)

    def comparison(self, node: Compare) -> None:
        if node.sign in TEXT_SIGNS:
            return self.text_comparison(node)
        kind = self.same(node.left, node.right, node.at)
        if node.sign in ("==", "!="):
            return
        if not kind.ordered:
            raise self.wrong(f"{kind.name} has no order; {node.sign} cannot compare it", node.at)
        if kind.words and not isinstance(node.left, Literal) and not isinstance(node.right, Literal):
            raise self.wrong(f"{node.sign} needs {kind.name} in quotes on one side", node.at)

    def text_comparison(self, node: Compare) -> None:
        for side in (node.left, node.right):
            if (kind := self.type_of(side)) is not TEXT:
                raise self.wrong(f"{node.sign} compares texts; {operand_text(side)} is {kind.name}", side.at)
        if node.sign not in ("glob", "matches"):
            return
        if not isinstance(node.right, Literal) or not isinstance(node.right.value, str):
            raise self.wrong(f"{node.sign} needs a pattern in quotes", node.right.at)
        try:
            if node.sign == "matches":
                part_test(node.right.value)
            else:
                whole_test(pattern_of(node.right.value))
        except PatternError as error:
            raise self.wrong(f"not a pattern: {error}", node.right.at) from None

    def membership(self, node: In) -> None:
        if len(node.values) > VALUES_MAX:
            raise self.wrong(f"more than {VALUES_MAX} values", node.at)
        for value in node.values:
            self.same(node.left, value, value.at)

    def same(self, left: Operand, right: Operand, at: int) -> Type:
        """The type that both operands have."""
        first, second = self.type_of(left), self.type_of(right)
        if isinstance(left, Literal) and not isinstance(right, Literal):
            left, right, first, second = right, left, second, first
        if first is second:
            return first
        if isinstance(right, Literal) and isinstance(right.value, str):
            if first.words:
                return self.word(right, right.value, first)
            if first is CLOCK:
                return self.clock(right, right.value)
        if first.words and second is TEXT and isinstance(right, Name):
            return TEXT
        if second.words and first is TEXT and isinstance(left, Name):
            return TEXT
        what = f"{operand_text(left)} is {first.name}, {operand_text(right)} is {second.name}"
        hint = f"; write '{operand_text(right)}'" if first is TEXT and isinstance(right, Literal) else ""
        raise self.wrong(what + hint, at)

    def word(self, literal: Literal, word: str, kind: Type) -> Type:
        if word not in kind.words:
            known = ", ".join(kind.words)
            raise self.wrong(f"{word!r} is not {kind.name}{nearest(word, kind.words)} ({known})", literal.at)
        return kind

    def clock(self, literal: Literal, text: str) -> Type:
        if seconds_of(text) is None:
            raise self.wrong(f"{text!r} is not a time of day; write '09:00' or '17:30:00'", literal.at)
        return CLOCK

    def type_of(self, operand: Operand) -> Type:
        if isinstance(operand, Name):
            return self.name(operand)
        if isinstance(operand, Call):
            return self.call(operand)
        if isinstance(operand.value, bool):
            return BOOL
        if isinstance(operand.value, str):
            return TEXT
        return NUMBER if isinstance(operand.value, int | float) else DURATION

    def name(self, name: Name) -> Type:
        known = self.vocabulary.fields
        if name.name not in known:
            hint = nearest(name.name, [*known, *CALLS]) or f"; {self.vocabulary.name} has {', '.join(known)}"
            if name.name in CALLS:
                hint = f"; write {name.name}('Europe/London')"
            raise self.wrong(f"unknown name {name.name!r}{hint}", name.at)
        kind = known[name.name].type
        if name.key is None:
            if kind is LABELS:
                raise self.wrong(f"which of the {name.name}? Write {name.name}.team or {name.name}['a-b']", name.at)
            return kind
        if kind is not LABELS:
            raise self.wrong(f"{name.name} is {kind.name}; it has no entries", name.at)
        return TEXT

    def call(self, call: Call) -> Type:
        if call.name not in CALLS:
            hint = nearest(call.name, CALLS) or "; there are time('zone') and weekday('zone')"
            raise self.wrong(f"unknown function {call.name!r}{hint}", call.at)
        if not call.argument:
            raise self.wrong(f"{call.name} needs a time zone: {call.name}('Europe/London')", call.at)
        try:
            zone_of(call.argument)
        except ValueError as error:
            raise self.wrong(str(error), call.at) from None
        return CALLS[call.name]
