"""What is wrong with an expression, and where."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

SHOWN_MAX: Final = 100
"""Characters of a line that are shown with the caret."""


class ExpressionError(ValueError):
    """The text is no expression of its vocabulary. `line` and `column` count from 1; `plain` is the bare message.

    The whole message shows the line with a caret below the place.
    """

    def __init__(self, plain: str, text: str, at: int) -> None:
        before = text[:at]
        self.plain = plain
        self.line = before.count("\n") + 1
        begin = before.rfind("\n") + 1
        self.column = at - begin + 1
        source = text[begin:].split("\n", 1)[0].replace("\t", " ")
        cut = max(0, self.column - 1 - SHOWN_MAX // 2)
        shown = source[cut : cut + SHOWN_MAX]
        self.caret = f"{shown}\n{' ' * (self.column - 1 - cut)}^"
        super().__init__(f"{self.line}:{self.column}: {plain}\n{self.caret}")


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` when a known word is near, else nothing."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6) or get_close_matches(word.lower(), list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
