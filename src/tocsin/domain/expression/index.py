"""Which value of which name an expression needs to hold, so that of a thousand only few have to be asked.

In: a tree and its vocabulary. Out: name -> values, one of which the name must have. Invariant: where the expression
holds, each of these holds; the other way round nothing is promised.
"""

from collections.abc import Mapping

from tocsin.domain.expression.compile import turned, words_in_order
from tocsin.domain.expression.tree import And, Compare, In, Literal, Name, Node, Not, Operand, Or
from tocsin.domain.expression.vocabulary import LABELS, TEXT, Vocabulary

Key = tuple[str, str | None]
"""A name, and the entry of a map."""
Needs = Mapping[Key, frozenset[str]]

NOTHING: Needs = {}


def needs(node: Node, vocabulary: Vocabulary) -> Needs:
    """What `node` needs. A name whose values may be missing (the empty text) is left out."""
    if isinstance(node, And):
        return _all([needs(part, vocabulary) for part in node.parts])
    if isinstance(node, Or):
        return _any([needs(part, vocabulary) for part in node.parts])
    if isinstance(node, In):
        return _of(
            node.left, frozenset(value.value for value in node.values if isinstance(value.value, str)), vocabulary
        )
    if isinstance(node, Not) or not isinstance(node, Compare):
        return NOTHING
    node = turned(node)
    if not isinstance(node.right, Literal) or not isinstance(node.right.value, str):
        return NOTHING
    if node.sign == "==":
        return _of(node.left, frozenset((node.right.value,)), vocabulary)
    if node.sign in ("<", "<=", ">", ">=") and isinstance(node.left, Name):
        kind = vocabulary.fields[node.left.name].type
        return _of(node.left, words_in_order(kind, node.sign, node.right.value), vocabulary) if kind.words else NOTHING
    return NOTHING


def _of(operand: Operand, values: frozenset[str], vocabulary: Vocabulary) -> Needs:
    if not isinstance(operand, Name) or "" in values:
        return NOTHING
    field = vocabulary.fields[operand.name]
    if field.timed or not (field.type in (TEXT, LABELS) or field.type.words):
        return NOTHING
    return {(operand.name, operand.key): values}


def _all(parts: list[Needs]) -> Needs:
    found: dict[Key, frozenset[str]] = {}
    for part in parts:
        for key, values in part.items():
            found[key] = found[key] & values if key in found else values
    return found


def _any(parts: list[Needs]) -> Needs:
    shared = set(parts[0]).intersection(*parts[1:])
    return {key: frozenset().union(*(part[key] for part in parts)) for key in sorted(shared, key=str)}
