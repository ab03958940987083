"""Choices in requests: one of the known words, else an error that names the nearest."""

from collections.abc import Iterable

from tocsin.api.answer import Failure
from tocsin.domain.severity import WORDS
from tocsin.settings.problem import suggestion

WORDS_MAX = 20
"""Values of one filter; there are never more kinds."""


def chosen(name: str, given: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The words in `given` (comma lists are split), all of them known.

    Raises:
        Failure: 422 that names the nearest right word.
    """
    allowed = list(known)
    words = tuple(word.strip() for text in given for word in text.split(",") if word.strip())
    if len(words) > WORDS_MAX:
        raise Failure(422, "invalid", f"{name}: at most {WORDS_MAX} values")
    for word in words:
        if word not in allowed:
            means = WORDS.get(word.lower())
            hint = (
                f", did you mean {means.value!r}?"
                if means is not None and means in allowed
                else suggestion(word, allowed)
            )
            raise Failure(422, "invalid", f"{name}: {word!r} is not one of {', '.join(allowed)}{hint}")
    return words
