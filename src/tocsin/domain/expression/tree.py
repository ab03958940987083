"""An expression as a tree, and its text.

Invariants: `read(written(tree)) == tree` for every tree that `parse.read` gives; places (`at`) do not count when trees
are compared.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

Value = str | int | float | bool | timedelta

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A field: `severity`; with `key` an entry of a map: `labels.team`."""

    name: str
    key: str | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`time` or `weekday` in a zone."""

    name: str
    argument: str
    at: int = field(default=0, compare=False)


Operand = Literal | Name | Call


@dataclass(frozen=True, slots=True)
class Compare:
    """Two operands and one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `contains`, `startsWith`, `endsWith`, `glob`,
    `matches`."""

    sign: str
    left: Operand
    right: Operand
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class In:
    left: Operand
    values: tuple[Literal, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    part: "Node"


@dataclass(frozen=True, slots=True)
class And:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    parts: "tuple[Node, ...]"


Node = Compare | In | Not | And | Or | Literal | Name
"""A literal or a name alone is one that is yes or no."""


def written(node: Node) -> str:
    """The text of `node`."""
    if isinstance(node, Or):
        return " OR ".join(_inner(part) for part in node.parts)
    if isinstance(node, And):
        return " AND ".join(_inner(part) for part in node.parts)
    if isinstance(node, Not):
        return f"NOT {_inner(node.part)}"
    if isinstance(node, In):
        return f"{operand_text(node.left)} in [{', '.join(map(operand_text, node.values))}]"
    if isinstance(node, Compare):
        return f"{operand_text(node.left)} {node.sign} {operand_text(node.right)}"
    return operand_text(node)


def _inner(node: Node) -> str:
    return f"({written(node)})" if isinstance(node, And | Or) else written(node)


def operand_text(operand: Operand) -> str:
    """The text of one operand."""
    if isinstance(operand, Call):
        return f"{operand.name}({_quoted(operand.argument)})"
    if isinstance(operand, Name):
        if operand.key is None:
            return operand.name
        plain = operand.key.isascii() and operand.key.isidentifier()
        return f"{operand.name}.{operand.key}" if plain else f"{operand.name}[{_quoted(operand.key)}]"
    value = operand.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, str):
        return _quoted(value)
    return _decimal(value) if isinstance(value, float) else str(value)


def _decimal(value: float) -> str:
    """Without an exponent, exactly what is read back."""
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"


def duration_text(duration: timedelta) -> str:
    """`2h30m`; zero is `0s`."""
    left, found = duration // timedelta(milliseconds=1), ""
    for unit, size in _UNITS:
        if count := left // size:
            found, left = f"{found}{count}{unit}", left % size
    return found or "0s"


def _quoted(text: str) -> str:
    return "'" + "".join(_ESCAPES.get(letter, letter) for letter in text) + "'"
