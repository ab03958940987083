"""Small mistakes that somebody could make in `tocsin.domain`: where each could be made, and the module with it.

In: the source of a module. Out: its mutants by number, and the tree with one of them. A mutant changes one thing: a
comparison, an operator, `and`/`or`, a `not`, a condition, a number, a truth value, or what is returned. Texts are left
alone (they are messages and words of the format, which other tests hold), and so are annotations and limits named by
a constant, whose exact value nobody can test.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

DOMAIN: Final = Path(__file__).parents[2] / "src" / "tocsin" / "domain"
COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
CALCULATED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}


class Mutant(NamedTuple):
    """One mistake: the dotted module, its number there, and what is wrong for people."""

    module: str
    number: int
    line: int
    what: str


class _Mutator(ast.NodeTransformer):
    """Walks over a tree, counts the places where something can be changed, and changes the one with `wanted`."""

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted = wanted
        self.found: list[tuple[int, str]] = []

    def _here(self, node: ast.AST, what: str) -> bool:
        self.found.append((getattr(node, "lineno", 0), what))
        return len(self.found) - 1 == self.wanted

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None and not (isinstance(node.target, ast.Name) and node.target.id.isupper()):
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [self.visit(one) for one in node.body]
        node.args.defaults = [self.visit(one) for one in node.args.defaults]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            other = COMPARED[type(operator)]
            if self._here(node, f"{type(operator).__name__} -> {other.__name__}"):
                node.ops[place] = other()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        other = CALCULATED.get(type(node.op))
        texts = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right))
        if other is not None and not texts and self._here(node, f"{type(node.op).__name__} -> {other.__name__}"):
            node.op = other()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        if self._here(node, f"{type(node.op).__name__} -> {other.__name__}"):
            node.op = other()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self._here(node, "not dropped"):
            return node.operand
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if self._here(node, "condition turned round"):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if self._here(node, "condition turned round"):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            if self._here(node, f"{node.value} -> {not node.value}"):
                return ast.Constant(not node.value)
        elif isinstance(node.value, int) and self._here(node, f"{node.value} -> {node.value + 1}"):
            return ast.Constant(node.value + 1)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        nothing = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        if not nothing and self._here(node, "returns None"):
            node.value = ast.Constant(None)
        return node


def modules() -> dict[str, Path]:
    """Every module of the domain that has something to go wrong, by its dotted name."""
    found = {}
    for path in sorted(DOMAIN.rglob("*.py")):
        parts = path.relative_to(DOMAIN.parents[1]).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """All mutants of one module."""
    mutator = _Mutator()
    mutator.visit(ast.parse(source))
    for number, (line, what) in enumerate(mutator.found):
        yield Mutant(module, number, line, what)


def mutated(source: str, number: int) -> ast.Module:
    """The tree of a module with its mutant of that `number`.

    Raises:
        LookupError: there is none.
    """
    mutator = _Mutator(number)
    tree = mutator.visit(ast.parse(source))
    if number >= len(mutator.found):
        raise LookupError(f"there are {len(mutator.found)} mutants; {number} is none of them")
    fixed: ast.Module = ast.fix_missing_locations(tree)
    return fixed
