"""What rendering one template may cost, counted while it runs: a rendering cannot be interrupted from outside.

In: costs as they arise. Out: nothing, or `OverBudget`. Invariants: whatever makes a text or repeats something spends
before it does, so that work and memory are bounded by the limits and not by the template; each rendering has its own
budget.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

STEPS_MAX: Final = 50_000
"""Nodes of the template's tree that are worked on, a loop's body once for each item: below a tenth of a second."""
LETTERS_MAX: Final = 250_000
"""Of all texts that are made on the way, four times the longest result: so that no single one is long enough to make a
step slow."""


class OverBudget(Exception):
    """The template costs too much."""


class _Spent:
    __slots__ = ("json", "letters", "steps")

    def __init__(self, json: bool) -> None:
        self.json = json
        self.steps = 0
        self.letters = 0


_spent: Final[ContextVar[_Spent]] = ContextVar("spent")


class Ready(str):
    """A text that is escaped for JSON already."""

    __slots__ = ()


@contextmanager
def budget(*, json: bool = False) -> Iterator[None]:
    """A budget of its own for what happens within. `json`: what is printed stands in a JSON text."""
    token = _spent.set(_Spent(json))
    try:
        yield
    finally:
        _spent.reset(token)


def in_json() -> bool:
    """Whether what is printed stands in a JSON text."""
    return _spent.get().json


def spend(*, steps: int = 0, letters: int = 0) -> None:
    """Count what is about to be done.

    Raises:
        OverBudget: it would be too much.
        LookupError: outside of `budget`.
    """
    spent = _spent.get()
    spent.steps += steps
    spent.letters += letters
    if spent.steps > STEPS_MAX:
        raise OverBudget(f"it takes more than {STEPS_MAX} steps")
    if spent.letters > LETTERS_MAX:
        raise OverBudget(f"it makes texts of more than {LETTERS_MAX} letters on the way")
