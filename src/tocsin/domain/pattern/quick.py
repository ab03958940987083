"""Comparisons for the patterns that most people write: a word, some words, a beginning, an end, something inside.

In: a tree. Out: a test that gives the machine's answers, or None where only the machine can.
"""

from collections.abc import Callable

from tocsin.domain.pattern.machine import TEXT_MAX
from tocsin.domain.pattern.tree import ANY, Choice, Letters, Node, Repeat, Sequence

_LINE_FEED = "\n"


def quick(node: Node, *, whole: bool) -> Callable[[str], bool] | None:
    """A test by comparison, of the whole text or any part of it; None = the pattern says more than that."""
    words = _words(node)
    if words is not None:
        return _is_one_of(words) if whole else _has_one_of(words)
    return _around(node) if whole else None


def _word(node: Node) -> str | None:
    """The one text that `node` stands for."""
    if isinstance(node, Letters) and len(node.ranges) == 1 and not node.negated:
        (low, high), letter = node.ranges[0], chr(node.ranges[0][0])
        folds = node.fold and (letter.lower() != letter or letter.upper() != letter)
        return letter if low == high and not folds else None
    if isinstance(node, Sequence):
        words = [_word(part) for part in node.parts]
        return None if None in words else "".join(word or "" for word in words)
    return None


def _words(node: Node) -> tuple[str, ...] | None:
    if isinstance(node, Choice):
        words = [_word(branch) for branch in node.branches]
        return None if None in words else tuple(word or "" for word in words)
    word = _word(node)
    return None if word is None else (word,)


def _is_one_of(words: tuple[str, ...]) -> Callable[[str], bool]:
    return frozenset(words).__contains__


def _has_one_of(words: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda text: any(word in text[:TEXT_MAX] for word in words)


def _around(node: Node) -> Callable[[str], bool] | None:
    """`word.*`, `.*word`, `.*word.*`, `.*`, `.+`. A dot is no line feed."""
    parts = node.parts if isinstance(node, Sequence) else (node,)
    if len(parts) == 1 and isinstance(node, Repeat) and node.part == ANY and node.least <= 1 and node.most is None:
        least = node.least
        return lambda text: len(text) >= least and _LINE_FEED not in text[:TEXT_MAX]
    before, after = len(parts) > 1 and _is_anything(parts[0]), len(parts) > 1 and _is_anything(parts[-1])
    inner = parts[1 if before else 0 : -1 if after else None]
    word = _word(Sequence(tuple(inner), 0)) if inner else None
    if not word or _LINE_FEED in word or not (before or after):
        return None

    def test(text: str) -> bool:
        text = text[:TEXT_MAX]
        found = word in text if before and after else text.endswith(word) if before else text.startswith(word)
        return found and _LINE_FEED not in text

    return test


def _is_anything(node: Node) -> bool:
    return isinstance(node, Repeat) and node.part == ANY and node.least == 0 and node.most is None
