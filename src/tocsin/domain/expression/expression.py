"""An expression, read, checked and compiled: what is kept of a condition."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from tocsin.domain.expression.check import check
from tocsin.domain.expression.compile import compile_tree
from tocsin.domain.expression.index import Needs, needs
from tocsin.domain.expression.parse import read
from tocsin.domain.expression.tree import Node
from tocsin.domain.expression.vocabulary import INCIDENT, Vocabulary
from tocsin.domain.instant import Instant

KEPT_MAX: Final = 8192
"""Compiled expressions, a few kilobytes each: all rules of a large installation."""


class Expression:
    """`holds(subject, now)` answers; it never fails and depends on nothing else."""

    __slots__ = ("holds", "needs", "text", "tree", "vocabulary")

    def __init__(self, text: str, tree: Node, vocabulary: Vocabulary) -> None:
        self.text = text
        self.tree = tree
        self.vocabulary = vocabulary
        self.holds: Callable[[Any, Instant], bool] = compile_tree(tree, vocabulary)
        self.needs: Needs = needs(tree, vocabulary)
        """What must be so where it holds; see `index`."""


@lru_cache(maxsize=KEPT_MAX)
def compile_expression(text: str, vocabulary: Vocabulary = INCIDENT) -> Expression:
    """The expression that `text` stands for.

    Raises:
        ExpressionError: it is none, or makes no sense for the vocabulary; with line, column and a caret.
    """
    tree = read(text)
    check(tree, text, vocabulary)
    return Expression(text, tree, vocabulary)
