"""Patterns over short texts, in the syntax of RE2, which Prometheus, Alertmanager and CEL use.

In: the text of a pattern. Out: a test on texts. Invariants: a test takes time in proportion to the text, whatever the
pattern is; it depends on nothing but pattern and text. There are no groups to read out, no look-around and no
back-references: those have no such bound.

`tree` is what a pattern says, `read` reads it, `machine` runs it, `quick` does without the machine where a
comparison is enough.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tocsin.domain.pattern.machine import TEXT_MAX, Machine
from tocsin.domain.pattern.quick import quick
from tocsin.domain.pattern.read import PATTERN_MAX, read
from tocsin.domain.pattern.tree import PROGRAM_MAX, PatternError

__all__ = ["PATTERN_MAX", "PROGRAM_MAX", "TEXT_MAX", "PatternError", "part_test", "whole_test"]

KEPT_MAX: Final = 8192
"""Patterns that are kept ready: more than the silences and rules of a large installation have."""


@lru_cache(maxsize=KEPT_MAX)
def whole_test(pattern: str) -> Callable[[str], bool]:
    """A test whether all of a text is what `pattern` describes. Texts are read up to `TEXT_MAX` characters.

    Raises:
        PatternError: it is not a pattern, or too large.
    """
    node = read(pattern)
    return quick(node, whole=True) or Machine(node, whole=True).matches


@lru_cache(maxsize=KEPT_MAX)
def part_test(pattern: str) -> Callable[[str], bool]:
    """A test whether some part of a text is what `pattern` describes. Texts are read up to `TEXT_MAX` characters.

    Raises:
        PatternError: it is not a pattern, or too large.
    """
    node = read(pattern)
    return quick(node, whole=False) or Machine(node, whole=False).matches
