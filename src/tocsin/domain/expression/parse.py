"""Reads the text of an expression into a tree, by recursive descent.

    expression = conjunction { (OR | "||") conjunction }
    conjunction = negation { (AND | "&&") negation }
    negation = (NOT | "!") negation | "(" expression ")" | term
    term = operand [ sign operand | [NOT] in "[" literal { "," literal } "]" ]
    operand = literal | name [ "." name | "[" text "]" ] | name "(" text ")"

In: text. Out: a tree, not yet checked against a vocabulary. Keywords may be written in capitals or small letters.
"""

from typing import Final

from tocsin.domain.expression.error import ExpressionError
from tocsin.domain.expression.tokens import Token, tokens
from tocsin.domain.expression.tree import And, Call, Compare, In, Literal, Name, Node, Not, Operand, Or

DEPTH_MAX: Final = 50
"""Parentheses and negations in one another; stops recursion on hostile text."""
COMPARISONS: Final = (
    "==", "!=", "<=", ">=", "<", ">", "contains", "startsWith", "endsWith", "glob", "matches",
)  # fmt: skip


def read(text: str) -> Node:
    """The tree of `text`.

    Raises:
        ExpressionError: with place and what was expected.
    """
    reader = _Reader(text)
    node = reader.expression()
    if reader.next.kind != "end":
        if reader.next.text in COMPARISONS or reader.next.text == "in":
            raise reader.wrong("a comparison of a comparison; join them with AND")
        raise reader.wrong(f"AND, OR or the end expected, found {reader.found()}")
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def found(self) -> str:
        if self.next.kind == "end":
            return "the end"
        return self.next.text if self.next.kind == "literal" else repr(self.next.text)

    def wrong(self, message: str, at: int | None = None) -> ExpressionError:
        return ExpressionError(message, self.text, self.next.at if at is None else at)

    def take(self, *words: str) -> bool:
        if self.next.kind in ("word", "sign") and self.next.text in words:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.wrong(f"{sign!r} expected, found {self.found()}")

    def expression(self) -> Node:
        parts = [self.conjunction()]
        while self.take("OR", "||"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Node:
        parts = [self.negation()]
        while self.take("AND", "&&"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self) -> Node:
        begin = self.next.at
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self.wrong(f"more than {DEPTH_MAX} parentheses and negations in one another", begin)
        if self.take("NOT", "!"):
            node: Node = Not(self.negation())
        elif self.take("("):
            node = self.expression()
            if not self.take(")"):
                raise self.wrong(f"')' expected, found {self.found()}")
        else:
            node = self.term()
        self.depth -= 1
        return node

    def term(self) -> Node:
        left = self.operand()
        sign = self.next
        if sign.text == "NOT" and self.tokens[self.at + 1].text == "in":
            self.at += 1
            return Not(self.membership(left))
        if sign.text == "in" and sign.kind == "word":
            return self.membership(left)
        if self.take(*COMPARISONS):
            return Compare(sign.text, left, self.operand(), at=sign.at)
        if isinstance(left, Call):
            raise self.wrong(f"a comparison expected after {left.name}(…), found {self.found()}")
        return left

    def membership(self, left: Operand) -> In:
        begin = self.next.at
        self.expect("in")
        self.expect("[")
        values = [self.literal()]
        while self.take(","):
            if self.next.text == "]":
                break
            values.append(self.literal())
        self.expect("]")
        return In(left, tuple(values), at=begin)

    def literal(self) -> Literal:
        token = self.next
        if token.kind == "literal":
            self.at += 1
            return Literal(token.value, at=token.at)
        if self.take("true", "false"):
            return Literal(token.text == "true", at=token.at)
        raise self.wrong(f"a text, number or duration expected, found {self.found()}")

    def operand(self) -> Operand:
        token = self.next
        if token.kind != "name":
            if token.kind == "literal" or token.text in ("true", "false"):
                return self.literal()
            raise self.wrong(f"a name or a value expected, found {self.found()}")
        self.at += 1
        if self.take("("):
            argument = "" if self.next.text == ")" else self.quoted("the name of a zone in quotes")
            self.expect(")")
            return Call(token.text, argument, at=token.at)
        if self.take("."):
            return Name(token.text, self.key(token), at=token.at)
        if self.take("["):
            key = self.quoted("the name of an entry in quotes")
            self.expect("]")
            return Name(token.text, key, at=token.at)
        return Name(token.text, at=token.at)

    def key(self, owner: Token) -> str:
        """What stands after the dot of `labels.team`; a keyword is as good a name as any."""
        key = self.next
        if key.kind not in ("name", "word"):
            raise self.wrong(f"a name expected after '{owner.text}.', found {self.found()}")
        self.at += 1
        if self.next.text == "." and self.next.kind == "sign":
            raise self.wrong(f"a name with other signs is written {owner.text}['…']")
        return self.text[key.at : key.at + len(key.text)]

    def quoted(self, what: str) -> str:
        token = self.next
        if token.kind != "literal" or not isinstance(token.value, str):
            raise self.wrong(f"{what} expected, found {self.found()}")
        self.at += 1
        return token.value
