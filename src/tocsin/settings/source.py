"""Where settings come from: YAML text and variables, as one tree of plain values with the place of each.

In: text, the environment. Out: `Source`. No file is read here, and nothing is validated but the form: syntax,
double keys, depth and size. What is null counts as not given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

import yaml

from tocsin.settings.problem import Place, Problem, suggestion

Path = tuple[str | int, ...]

DEPTH_MAX: Final = 32
"""Deeper than any setting lies; stops recursion on hostile text."""
NODES_MAX: Final = 50_000
"""Values in one file, counted after aliases are followed: stops texts that unfold to gigabytes."""
VARIABLE_PREFIX: Final = "TOCSIN_"
OTHER_VARIABLES: Final = frozenset({"URL", "TOKEN", "CONFIG"})
"""Variables of the command line that are no settings."""
OTHERS: Final = ("TEST_", "SERVICE_")
"""Beginnings of such: of the tests, and of what Kubernetes sets for a service called tocsin."""


@dataclass
class Source:
    """The merged tree, the place of each key and value, and what was wrong with the form."""

    tree: dict[str, Any] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    begins: dict[Path, Place] = field(default_factory=dict)
    """Where the letters of a text begin, of those that stand in the file letter by letter."""
    problems: list[Problem] = field(default_factory=list)
    default: Place = field(default_factory=lambda: Place("settings"))

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value at `path` (with `key`: of its field name), else of what encloses it."""
        if key and path in self.keys:
            return self.keys[path]
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, self.default)


class _Loader(yaml.SafeLoader):
    """Without dates: what looks like one stays text."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Reader:
    """Turns composed nodes into plain values and notes their places."""

    def __init__(self, source: Source, name: str, *, variable: bool) -> None:
        self.source = source
        self.name = name
        self.variable = variable
        self.nodes = 0

    def place(self, mark: yaml.Mark | None) -> Place:
        if self.variable or mark is None:
            return Place(self.name)
        return Place(self.name, mark.line + 1, mark.column + 1)

    def problem(self, mark: yaml.Mark | None, message: str) -> None:
        self.source.problems.append(Problem(self.place(mark), message))

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > NODES_MAX or len(path) > DEPTH_MAX:
            if self.nodes <= NODES_MAX + 1:
                limit = f"nested deeper than {DEPTH_MAX}" if len(path) > DEPTH_MAX else f"more than {NODES_MAX} values"
                self.problem(node.start_mark, limit)
                self.nodes = NODES_MAX + 1
            return None
        self.source.values[path] = self.place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self.letters(node, path)
        return self.scalar(node)

    def letters(self, node: yaml.Node, path: Path) -> None:
        """Note where the letters of a text begin, unless it is folded or has escapes."""
        start, end, quotes = node.start_mark, node.end_mark, len(getattr(node, "style", None) or "")
        if start and end and start.line == end.line and end.column - start.column == len(node.value) + 2 * quotes:
            place = self.place(start)
            self.source.begins[path] = place._replace(column=place.column + quotes) if place.line else place

    def scalar(self, node: yaml.Node) -> Any:
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            what = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            self.problem(node.start_mark, f"not a plain value: {what}")
            return None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            if key_node.tag == "tag:yaml.org,2002:merge":
                self.problem(mark, "merge keys (<<) are not read; write the fields out")
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(mark, "a field name must be a word")
                continue
            key = key_node.value
            if key in first:
                self.problem(mark, f"field {key!r} is given twice, first in line {first[key]}")
                continue
            first[key] = mark.line + 1
            inner = (*path, key)
            self.source.keys[inner] = self.place(mark)
            value = self.value(value_node, inner)
            if value is not None:
                found[key] = value
        return found


def _words(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, and what most often stands behind it."""
    said = f"{error.problem}" + (f" ({error.context})" if error.context else "")
    if "<block end>" in said:
        return f"this line is not indented as those before it: {said}"
    if "'\\t'" in said:
        return "a line is indented with a tab; use spaces"
    if "mapping values are not allowed" in said:
        return f"a second ': ' in one line; put the value in quotes, or check the indentation: {said}"
    return said


def read_yaml(text: str, name: str, *, variable: bool = False) -> Source:
    """The tree in one YAML document. `name` is the file (or variable) that places name."""
    source = Source(default=Place(name) if variable else Place(name, 1, 1))
    reader = _Reader(source, name, variable=variable)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        reader.problem(error.problem_mark or error.context_mark, f"not YAML: {_words(error)}")
        return source
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        source.problems.append(
            Problem(
                source.default if variable else Place(name, line, column),
                "not YAML: a character that is not allowed",
            )
        )
        return source
    except RecursionError:
        reader.problem(None, "not YAML: nested too deeply")
        return source
    value = None if node is None else reader.value(node, ())
    if isinstance(value, dict):
        source.tree = value
    elif value is not None:
        reader.problem(
            node.start_mark if node else None,
            "the settings must be fields with values, such as 'instance: tocsin'",
        )
    return source


def overlay(source: Source, environ: Mapping[str, str], fields: frozenset[str]) -> None:
    """Put the variables over `source`: `TOCSIN_HTTP__LISTEN` is the field `http.listen`.

    A value that begins with `[` or `{` is YAML (or JSON), every other one is text. `fields` are the top-level
    names. A variable that names no field is a problem when it has `__` or is close to a field's name; others are
    not ours: Kubernetes sets `TOCSIN_PORT` and the like by itself.
    """
    for variable in sorted(environ):
        word = variable.removeprefix(VARIABLE_PREFIX)
        if word == variable or not word or word in OTHER_VARIABLES or word.startswith(OTHERS):
            continue
        path = tuple(word.lower().split("__"))
        if path[0] not in fields:
            if len(path) > 1 or get_close_matches(path[0], fields, n=1, cutoff=0.75):
                hint = suggestion(path[0], fields)
                source.problems.append(Problem(Place(variable), f"unknown field {path[0]!r}{hint}"))
            continue
        _put(source, path, variable, environ[variable])


def _put(source: Source, path: tuple[str, ...], variable: str, text: str) -> None:
    place = Place(variable)
    value: Any = text
    for known in [known for known in source.values if known[: len(path)] == path]:
        del source.values[known]
    if text.lstrip()[:1] in ("[", "{"):
        inner = read_yaml(f"value: {text}", variable, variable=True)
        source.problems += inner.problems
        value = inner.tree.get("value")
        for where in inner.values:
            source.values[(*path, *where[1:])] = place
    branch = source.tree
    for depth, part in enumerate(path[:-1], 1):
        below = branch.get(part)
        if not isinstance(below, dict):
            below = branch[part] = {}
            source.values[path[:depth]] = place
        branch = below
    branch[path[-1]] = value
    source.values[path] = place
    for depth in range(1, len(path) + 1):
        source.keys.setdefault(path[:depth], place)
    source.keys[path] = place
