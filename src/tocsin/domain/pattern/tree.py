"""What a pattern says, as a tree. Invariant: no tree is larger than `PROGRAM_MAX` once its repeats are written out."""

from dataclasses import dataclass
from typing import Final

PROGRAM_MAX: Final = 1000
"""Steps of a pattern with its repeats written out; each letter of a text costs at most that many."""


class PatternError(ValueError):
    """The text is no pattern. `at` is the index of the letter where it went wrong."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(f"{message} at character {at + 1}")
        self.plain = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Letters:
    """One letter out of the ranges of code points, or with `negated` one that is not; `fold`: case does not matter."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False
    fold: bool = False

    @property
    def size(self) -> int:
        return 1

    def holds(self, letter: str) -> bool:
        found = self._has(letter)
        if not found and self.fold:
            found = any(len(other) == 1 and self._has(other) for other in (letter.lower(), letter.upper()))
        return found is not self.negated

    def _has(self, letter: str) -> bool:
        code = ord(letter)
        return any(low <= code <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between letters: `begin` and `end` of the text, `word` boundary, `inside` = no word boundary."""

    kind: str

    @property
    def size(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: "tuple[Node, ...]"
    size: int


@dataclass(frozen=True, slots=True)
class Choice:
    branches: "tuple[Node, ...]"
    size: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; `most` None = without end."""

    part: "Node"
    least: int
    most: int | None
    size: int


Node = Letters | Edge | Sequence | Choice | Repeat

ANY: Final = Letters(((10, 10),), negated=True)
"""What a dot stands for: any letter but a line feed."""
ANY_AT_ALL: Final = Letters((), negated=True)
