"""What is wrong with the settings, where, and what it was probably meant to be."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from tocsin.domain.errors import TocsinError


class Place(NamedTuple):
    """Where a value stands: in a file (line and column count from 1) or in a variable (both 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Problem(NamedTuple):
    """One thing that is wrong."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SettingsError(TocsinError):
    """The settings cannot be used. `problems` has everything that is wrong, files first, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: (problem.place.line == 0, problem))
        super().__init__("\n".join(map(str, self.problems)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` when a known word is near, else nothing."""
    near = get_close_matches(word, [str(one) for one in known], n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""
