"""The trees of templates: which nodes there may be, what they name, and what each repetition costs.

In: the tree of a template as Jinja2 parsed it. Out: `Found`; the tree is changed so that loops and joined texts count
what they cost. Invariants: a tree that passes has only nodes of `NODES`, calls nothing, names nothing that begins with
an underscore, and is at most `DEPTH_MAX` deep; what is wrong is told with its line, everything at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

DEPTH_MAX: Final = 40
"""Of the tree: Python compiles no deeper nesting of blocks than a hundred."""
SEARCH_WEIGHT: Final = 100
"""Of `in`: looking for a text in a long one takes longer than any other step."""
NODES_MAX: Final = 1500
"""Of one tree, some four hundred variables: compiling it takes a tenth of a second, once."""
PROBLEMS_MAX: Final = 20

NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr, nodes.And, nodes.Or,
    nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
METHODS: Final = frozenset({"items", "keys", "values", "upper", "lower", "title"})
"""Methods that people write by habit; each is the filter of its name."""
WORDS: Final = {
    "Pow": "**",
    "CallBlock": "call",
    "FilterBlock": "a filter block",
    "AssignBlock": "a set block",
    "FromImport": "import",
    "NSRef": "a namespace",
    "Dict": "a table {…}",
    "ScopedEvalContextModifier": "autoescape",
    "EvalContextModifier": "autoescape",
}
"""How people call what a node stands for, where that is not its name."""


class TreeProblem(ValueError):
    """A tree that must not be compiled; `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Used(NamedTuple):
    """A variable as a template names it: `incident.title`."""

    line: int
    path: tuple[str, ...]


class Found(NamedTuple):
    """What is known of a tree."""

    used: tuple[Used, ...]
    weight: int
    """How many nodes it has."""


def checked_tree(tree: nodes.Template, filters: Iterable[str], tests: Iterable[str]) -> Found:
    """Check `tree`, and have its loops and joined texts count.

    Raises:
        TreeProblem: it must not be compiled.
    """
    if problems := list(_too_large(tree)):
        raise TreeProblem(problems)
    _Plain().visit(tree)
    known_filters = [name for name in filters if not name.startswith(" ")]
    problems = [problem for node in _all(tree) for problem in _wrong(node, known_filters, list(tests))]
    if problems:
        raise TreeProblem(list(dict.fromkeys(problems))[:PROBLEMS_MAX])
    found = Found(tuple(_used(tree)), _weight(tree))
    _Counting().visit(tree)
    return found


def _too_large(tree: nodes.Node) -> Iterator[str]:
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > NODES_MAX:
            yield f"more than {NODES_MAX} variables, filters and other parts"
            return
        if depth > DEPTH_MAX:
            yield f"line {node.lineno}: nested too deeply"
            return
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _all(child)


def _wrong(node: nodes.Node, filters: list[str], tests: list[str]) -> Iterator[str]:
    where = f"line {node.lineno or 1}: "
    if isinstance(node, nodes.Call):
        yield f"{where}nothing can be called in a template; filters change values, such as {{{{ title|upper }}}}"
    elif not isinstance(node, NODES):
        word = WORDS.get(type(node).__name__, type(node).__name__.lower())
        yield f"{where}{word} is not available in templates"
    elif isinstance(node, nodes.Filter | nodes.Test):
        kind, known = ("filter", filters) if isinstance(node, nodes.Filter) else ("test", tests)
        if node.name not in known:
            yield f"{where}no {kind} {node.name!r}{_near(node.name, known)}"
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            yield f"{where}a {kind} takes its arguments one by one"
    elif isinstance(node, nodes.For) and node.recursive:
        yield f"{where}a recursive loop is not available in templates"
    elif isinstance(node, nodes.List | nodes.Tuple) and not all(_is_plain(one) for one in node.items):
        yield f"{where}a list in a template holds words and numbers only"
    elif (name := _name_in(node)).startswith("_"):
        yield f"{where}names that begin with an underscore are not available in templates: {name!r}"


def _is_plain(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) or (isinstance(node, nodes.Name) and node.ctx == "store")


def _name_in(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Name):
        return node.name
    key = node.arg if isinstance(node, nodes.Getitem) else None
    return key.value if isinstance(key, nodes.Const) and isinstance(key.value, str) else ""


def _near(word: str, known: Iterable[str]) -> str:
    every = sorted(known)
    near = get_close_matches(word, every, n=1)
    return f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(every)}"


def _used(tree: nodes.Template) -> Iterator[Used]:
    """Every variable that is read, and that the template does not make itself."""
    own = {node.name for node in _all(tree) if isinstance(node, nodes.Name) and node.ctx == "store"}
    seen: set[int] = set()
    for node in _all(tree):  # the outer ones first, so that the longest path counts
        if id(node) in seen:
            continue
        path: list[str] = []
        inner: nodes.Node = node
        while isinstance(inner, nodes.Getattr | nodes.Getitem) and (name := _name_in(inner)):
            path.insert(0, name)
            seen.add(id(inner))
            inner = inner.node
        if isinstance(inner, nodes.Name) and inner.ctx == "load" and id(inner) not in seen:
            seen.add(id(inner))
            if inner.name not in own and inner.name != "loop":
                yield Used(inner.lineno, (inner.name, *path))


def _weight(node: nodes.Node) -> int:
    own = SEARCH_WEIGHT if isinstance(node, nodes.Operand) and node.op in ("in", "notin") else 1
    return own + sum(map(_weight, node.iter_child_nodes()))


class _Plain(NodeTransformer):
    """Writes `labels.items()` as the filter that it means."""

    def visit_Call(self, node: nodes.Call, *args: Any, **kwargs: Any) -> nodes.Node:
        self.generic_visit(node)
        bare = not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
        if bare and isinstance(node.node, nodes.Getattr) and node.node.attr in METHODS:
            return nodes.Filter(node.node.node, node.node.attr, [], [], None, None, lineno=node.lineno)
        return node


class _Counting(NodeTransformer):
    """Lets loops and joined texts spend what they cost."""

    def visit_For(self, node: nodes.For, *args: Any, **kwargs: Any) -> nodes.Node:
        weight = _weight(node)
        self.generic_visit(node)
        node.iter = _filter(node.iter, " counted", nodes.Const(weight, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat, *args: Any, **kwargs: Any) -> nodes.Node:
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), " joined")


def _filter(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    assert isinstance(node, nodes.Expr)
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


Paths = Mapping[str, "frozenset[str] | None"]
"""Variables by name, with their fields; None = any field, or none."""


def unknown(found: Found, known: Paths) -> list[str]:
    """What a template names and is not among `known`, a sentence each, with the nearest name."""
    problems = []
    for line, path in found.used:
        name, *rest = path
        fields = known.get(name)
        if name not in known:
            problems.append(f"line {line}: no variable {name!r}{_near_variable(name, known)}")
        elif fields is not None and rest and rest[0] not in fields:
            near = get_close_matches(rest[0], sorted(fields), n=1)
            hint = f", did you mean {f'{name}.{near[0]}'!r}?" if near else f"; it has {', '.join(sorted(fields))}"
            problems.append(f"line {line}: no variable {f'{name}.{rest[0]}'!r}{hint}")
    return list(dict.fromkeys(problems))[:PROBLEMS_MAX]


def _near_variable(name: str, known: Paths) -> str:
    near = get_close_matches(name.lower(), sorted(known), n=1)
    return f", did you mean {near[0]!r}?" if near else "; `tocsin explain message --variables` lists them"
