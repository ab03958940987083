"""What a rule asks of an incident or of labels, as data. `domain.condition` decides whether it holds.

Invariant: what is here can be asked: expressions and patterns are read when the document is, and refused then.
"""

from collections.abc import Mapping

import msgspec

from tocsin.domain.expression import compile_expression
from tocsin.domain.lifecycle import Status
from tocsin.domain.pattern import PatternError, whole_test
from tocsin.domain.severity import Severity


class Matcher(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition over an incident: every field that is given must hold; a list holds when it names the value.

    Raises:
        ExpressionError: the expression is none (`msgspec.ValidationError` when it is decoded).
    """

    severity: tuple[Severity, ...] = ()
    status: tuple[Status, ...] = ()
    category: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    expression: str = ""
    """Of `domain.expression`, over an incident; empty = nothing more is asked."""

    def __post_init__(self) -> None:
        if self.expression:
            compile_expression(self.expression)


class LabelMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One label and what it must be, as Alertmanager means it: a missing label is the empty text, a pattern (RE2)
    matches whole values.

    Raises:
        ValueError: the name is empty, or the value is no pattern (`msgspec.ValidationError` when it is decoded).
    """

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a matcher needs the name of a label")
        if self.is_regex:
            try:
                whole_test(self.value)
            except PatternError as error:
                raise ValueError(f"the pattern for {self.name!r}: {error}") from None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it holds for `labels`."""
        value = labels.get(self.name, "")
        return (whole_test(self.value)(value) if self.is_regex else value == self.value) is self.is_equal
