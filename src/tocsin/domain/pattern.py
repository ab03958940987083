"""Patterns over short texts: those of RE2, which Prometheus, Alertmanager and CEL use, run by RE2 itself.

In: the text of a pattern. Out: a test on texts. Invariants: a test takes time in proportion to the text, whatever the
pattern is, and bounded memory; it depends on nothing but pattern and text. There are no look-arounds and no
back-references: those have no such bound.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

__all__ = ["PATTERN_MAX", "PatternError", "part_test", "whole_test"]

PATTERN_MAX: Final = 1000
"""Letters of a pattern: a list of a hundred host names is still one."""
MEMORY_MAX: Final = 256 * 1024
"""Bytes of one pattern at work. RE2 refuses what needs more to be written out, and forgets states beyond it."""
KEPT_MAX: Final = 1024
"""Patterns that are kept ready: as many as the silences and rules of a large installation have."""


class PatternError(ValueError):
    """It is not a pattern, or it is too large; the message says what is wrong."""


def _compiled(pattern: str) -> Any:
    import re2  # here: who only reads events, as subscribers do, asks for no pattern

    if len(pattern) > PATTERN_MAX:
        raise PatternError(f"it has {len(pattern)} characters, at most {PATTERN_MAX} are taken")
    options = re2.Options()
    options.max_mem = MEMORY_MAX
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise PatternError(error.args[0].decode("utf-8", "replace")) from None


@lru_cache(maxsize=KEPT_MAX)
def whole_test(pattern: str) -> Callable[[str], bool]:
    """A test whether all of a text is what `pattern` describes.

    Raises:
        PatternError: it is not a pattern, or too large.
    """
    match = _compiled(pattern).fullmatch
    # Bytes: for texts the binding counts letters, which nobody asks for.
    return lambda text: match(text.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=KEPT_MAX)
def part_test(pattern: str) -> Callable[[str], bool]:
    """A test whether some part of a text is what `pattern` describes.

    Raises:
        PatternError: it is not a pattern, or too large.
    """
    search = _compiled(pattern).search
    return lambda text: search(text.encode("utf-8", "replace")) is not None
