"""Many expressions asked at once of one subject.

In: expressions of one vocabulary, in order. Out: the numbers (from 0) of those that hold. Invariant: the answer is
that of asking each; those that need a value which the subject does not have are not asked.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tocsin.domain.expression.expression import Expression
from tocsin.domain.expression.index import Key
from tocsin.domain.expression.vocabulary import Vocabulary
from tocsin.domain.instant import Instant

_NONE: Final[dict[str, list[int]]] = {}


class Ruleset:
    """Expressions in their order. Asking costs the names that are indexed plus the expressions that may hold."""

    __slots__ = ("_always", "_fields", "_maps", "_tests")

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._tests = [expression.holds for expression in expressions]
        self._always: list[int] = []
        """Those that need no value."""
        indexed: dict[Key, dict[str, list[int]]] = {}
        rarest = _spread(expressions)
        for number, expression in enumerate(expressions):
            if not expression.needs:
                self._always.append(number)
                continue
            key = min(expression.needs, key=lambda key: (-rarest[key], len(expression.needs[key]), str(key)))
            for value in sorted(expression.needs[key]):
                indexed.setdefault(key, {}).setdefault(value, []).append(number)
        vocabulary = _one_vocabulary(expressions)
        fields = vocabulary.fields if vocabulary else {}
        self._fields = [(fields[name].get, by) for (name, entry), by in indexed.items() if entry is None]
        maps: dict[str, dict[str, dict[str, list[int]]]] = {}
        for (name, entry), by in indexed.items():
            if entry is not None:
                maps.setdefault(name, {})[entry] = by
        self._maps = [(fields[name].get, by) for name, by in maps.items()]

    def all(self, subject: Any, now: Instant) -> tuple[int, ...]:
        """The numbers of the expressions that hold, in order."""
        tests = self._tests
        return tuple(number for number in self._candidates(subject) if tests[number](subject, now))

    def first(self, subject: Any, now: Instant) -> int | None:
        """The number of the first expression that holds."""
        tests = self._tests
        for number in self._candidates(subject):
            if tests[number](subject, now):
                return number
        return None

    def _candidates(self, subject: Any) -> Iterable[int]:
        """The numbers of the expressions that may hold, in order."""
        found = [self._always] if self._always else []
        for get, by in self._fields:
            if (numbers := by.get(get(subject))) is not None:
                found.append(numbers)
        for get, names in self._maps:
            for name, value in get(subject).items():
                if (numbers := names.get(name, _NONE).get(value)) is not None:
                    found.append(numbers)
        if len(found) <= 1:
            return found[0] if found else ()
        return sorted(number for numbers in found for number in numbers)


def _spread(expressions: Sequence[Expression]) -> Counter[Key]:
    """How many values each name is compared with: the more, the fewer expressions one value leaves."""
    values: set[tuple[Key, str]] = set()
    for expression in expressions:
        values.update((key, value) for key, wanted in expression.needs.items() for value in wanted)
    return Counter(key for key, _ in values)


def _one_vocabulary(expressions: Sequence[Expression]) -> Vocabulary | None:
    found = {expression.vocabulary for expression in expressions}
    if len(found) > 1:
        raise ValueError("the expressions of a ruleset have one vocabulary")
    return next(iter(found), None)
