"""Small functions, small modules, a docstring on each module, and nothing lying about in the root.

An exception is a line in EXCEPTIONS with its reason, and goes when it is no longer needed: the list only
shrinks.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

# A function that fits on one screen; a module that is read in one sitting.
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400

# "<path>" for a module, "<path>::<function>" for a function -> why it may be too long.
EXCEPTIONS: Mapping[str, str] = {}

ROOT = frozenset({"pyproject.toml", "README.md", "LICENSE", "docker-compose.yml", "src", "schemas", "deploy", "tests"})


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """(qualified name, lines from `def` to the end) of every function, nested ones too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def too_long(checkout: Path) -> Iterator[tuple[str, str]]:
    """(key for EXCEPTIONS, what is wrong) of every module and function over its limit."""
    for path in sorted([*checkout.glob("src/**/*.py"), *checkout.glob("tests/**/*.py")]):
        where = path.relative_to(checkout).as_posix()
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > MODULE_LINES_MAX:
            yield where, f"{where}: {lines} lines, at most {MODULE_LINES_MAX}"
        for name, size in functions(ast.parse(text)):
            if size > FUNCTION_LINES_MAX:
                yield f"{where}::{name}", f"{where}: {name} has {size} lines, at most {FUNCTION_LINES_MAX}"


def problems_of_size(checkout: Path, exceptions: Mapping[str, str]) -> list[str]:
    found = dict(too_long(checkout))
    return [
        *(problem for key, problem in found.items() if key not in exceptions),
        *(f"EXCEPTIONS: {key} is no longer needed" for key in exceptions if key not in found),
        *(f"EXCEPTIONS: {key} has no reason" for key, reason in exceptions.items() if not reason.strip()),
    ]


def without_docstring(checkout: Path) -> list[str]:
    return [
        path.relative_to(checkout).as_posix()
        for path in sorted(checkout.glob("src/**/*.py"))
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]


def strays(checkout: Path) -> list[str]:
    return sorted(path.name for path in checkout.iterdir() if path.name not in ROOT and not path.name.startswith("."))


def write(checkout: Path, where: str, text: str) -> None:
    path = checkout / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def function_of(lines: int) -> str:
    return "def f():\n" + "    pass\n" * (lines - 1)


def test_functions_and_modules_are_small() -> None:
    assert problems_of_size(CHECKOUT, EXCEPTIONS) == []


def test_every_module_says_what_it_is() -> None:
    assert without_docstring(CHECKOUT) == []


def test_nothing_lies_about_in_the_root() -> None:
    assert strays(CHECKOUT) == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (function_of(FUNCTION_LINES_MAX), []),
        (function_of(FUNCTION_LINES_MAX + 1), ["src/a.py: f has 61 lines, at most 60"]),
        (
            "class C:\n    async " + function_of(61).replace("    ", "        "),
            ["src/a.py: C.f has 61 lines, at most 60"],
        ),
        (
            "if True:\n    " + function_of(61).replace("    ", "        "),
            ["src/a.py: f has 61 lines, at most 60"],
        ),
        ("#\n" * MODULE_LINES_MAX, []),
        ("#\n" * (MODULE_LINES_MAX + 1), ["src/a.py: 401 lines, at most 400"]),
    ],
)
def test_what_is_over_a_limit_is_found(tmp_path: Path, text: str, problems: list[str]) -> None:
    write(tmp_path, "src/a.py", text)
    assert problems_of_size(tmp_path, {}) == problems


def test_an_exception_holds_while_it_is_needed_and_has_a_reason(tmp_path: Path) -> None:
    write(tmp_path, "tests/a.py", function_of(61))
    assert problems_of_size(tmp_path, {"tests/a.py::f": "a table"}) == []
    assert problems_of_size(tmp_path, {"tests/a.py::f": " "}) == ["EXCEPTIONS: tests/a.py::f has no reason"]
    write(tmp_path, "tests/a.py", function_of(60))
    assert problems_of_size(tmp_path, {"tests/a.py::f": "a table"}) == ["EXCEPTIONS: tests/a.py::f is no longer needed"]


def test_a_module_without_docstring_is_found(tmp_path: Path) -> None:
    write(tmp_path, "src/said.py", '"""Words."""\n')
    write(tmp_path, "src/unsaid.py", "")
    assert without_docstring(tmp_path) == ["src/unsaid.py"]


def test_a_stray_file_is_found(tmp_path: Path) -> None:
    for name in ("README.md", "notes.txt", ".env.example"):
        write(tmp_path, name, "")
    assert strays(tmp_path) == ["notes.txt"]
