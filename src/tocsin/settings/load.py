"""Read the settings file and the environment, and report everything that is wrong at once.

In: a path (or none) and the environment. Out: `Settings`. The only module here that opens files.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tocsin.domain.expression import ExpressionError
from tocsin.settings import kafka, references, schedule
from tocsin.settings import source as src
from tocsin.settings.part import part_at
from tocsin.settings.problem import Place, Problem, SettingsError, suggestion
from tocsin.settings.tree import HttpPart, Settings
from tocsin.settings.values import is_loopback, split_listen

FILE_BYTES_MAX: Final = 5 * 1024 * 1024
"""No settings file of people is larger."""
SECRET_BYTES_MAX: Final = 64 * 1024
"""A key or password, not a file named by mistake."""

_WITH_UNIT: Final = re.compile(r"\s*[\d.]+\s*[a-z]+\s*")

PLAIN_WORDS: Final = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list: [a, b], or lines that begin with '- '",
    "dict_type": "must be fields with values",
    "model_type": "must be fields with values",
    "model_attributes_type": "must be fields with values",
    "path_type": "must be a path",
    "union_tag_not_found": "field 'type' is missing",
}


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings in the file at `path`, under the variables in `environ`.

    Raises:
        SettingsError: with every problem of file and variables.
    """
    source = _read(path) if path is not None else src.Source()
    src.overlay(source, environ, frozenset(Settings.words()))
    problems = [*source.problems, *references.problems(source), *_access(source), *kafka.problems(source)]
    problems += schedule.problems(source)
    try:
        settings = Settings.model_validate(source.tree, context={"lookup": lambda text: _lookup(text, environ)})
    except ValidationError as error:
        broken = {problem.place for problem in problems}
        found = [_problem(source, details) for details in error.errors(include_url=False)]
        raise SettingsError([*problems, *(one for one in found if one.place not in broken)]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _read(path: Path) -> src.Source:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError([Problem(Place(name), f"cannot be read: {error.strerror}")]) from None
    if len(content) > FILE_BYTES_MAX:
        raise SettingsError([Problem(Place(name), f"is larger than {FILE_BYTES_MAX} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        place = Place(name, line, error.start - (before.rfind(b"\n") + 1) + 1)
        raise SettingsError([Problem(place, "is not UTF-8")]) from None
    return src.read_yaml(text, name)


def _lookup(text: str, environ: Mapping[str, str]) -> str:
    """A secret as it stands in the settings, with `env:NAME` and `file:/path` followed."""
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if not environ.get(name):
            raise ValueError(f"the variable {name!r} is not set")
        return environ[name]
    if text.startswith("file:"):
        file = text.removeprefix("file:")
        try:
            with Path(file).open("rb") as opened:
                content = opened.read(SECRET_BYTES_MAX + 1)
            secret = content.decode().rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"{file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{file} is not UTF-8") from None
        if not secret or len(content) > SECRET_BYTES_MAX:
            raise ValueError(f"{file} must hold between 1 and {SECRET_BYTES_MAX} bytes")
        return secret
    return text


def _problem(source: src.Source, details: ErrorDetails) -> Problem:
    path, tagged = _path_in(source.tree, details["loc"])
    kind, context = details["type"], details.get("ctx", {})
    word = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        part = part_at(Settings, details["loc"][:-1])
        known = part.words() if part else []
        return Problem(source.place(path, key=True), f"unknown field {word!r}{suggestion(word, known)}")
    if kind == "missing":
        missing = details["loc"][-1]
        return Problem(source.place(path), f"field {missing!r} is missing")
    is_key = bool(tagged) and tagged[-1] == "[key]"
    if kind in ("enum", "literal_error", "union_tag_invalid"):
        where = (*path, "type") if kind == "union_tag_invalid" else path
        return Problem(source.place(where, key=is_key), _choice(details))
    if isinstance(error := context.get("error"), ExpressionError):
        return _in_expression(source, path, error)
    if kind == "value_error":
        message = str(context.get("error", details["msg"]))
    elif kind == "string_pattern_mismatch":
        message = "does not have the form that `tocsin token create` prints, sha256:<64 hex digits>"
    else:
        message = PLAIN_WORDS.get(kind) or _lowered(details["msg"])
    if kind in ("model_type", "model_attributes_type", "dict_type") and (part := part_at(Settings, details["loc"])):
        message += f": {', '.join(part.words())}"
    if kind == "float_parsing" and _WITH_UNIT.fullmatch(str(details["input"])):
        message += " without a unit"
    if _anonymous(message):
        message = f"field {next((step for step in reversed(path) if isinstance(step, str)), 'settings')!r} {message}"
    return Problem(source.place(path, key=is_key), message)


def _in_expression(source: src.Source, path: src.Path, error: ExpressionError) -> Problem:
    """What is wrong with an expression, at its own place where the text stands in the file letter by letter."""
    caret = error.caret.replace("\n", "\n    ")
    if begin := source.begins.get(path):
        place = begin._replace(column=begin.column + error.column - 1) if begin.line else begin
        return Problem(place, f"{error.plain}\n    {caret}")
    return Problem(source.place(path), f"{error.plain}, line {error.line}, column {error.column}\n    {caret}")


def _anonymous(message: str) -> bool:
    """Whether the message needs the name of its field in front."""
    return message.startswith(("must ", "is ", "does ", "should ", "input should "))


def _lowered(message: str) -> str:
    text = message.removeprefix("Input should ").removeprefix("Value should ").removeprefix("String should ")
    return "should " + text if text != message else message[:1].lower() + message[1:]


def _choice(details: ErrorDetails) -> str:
    context, given = details.get("ctx", {}), details["input"]
    known = context.get("expected") or context.get("expected_tags") or ""
    words = [word.strip(" '") for word in str(known).replace(" or ", ", ").split(",")]
    given = context.get("tag", given)
    hint = suggestion(given, words) if isinstance(given, str) else ""
    return f"{given!r} is not one of {', '.join(words)}{hint}"


def _path_in(tree: Any, loc: tuple[str | int, ...]) -> tuple[src.Path, src.Path]:
    """The part of `loc` that is in the tree, and the rest (union tags, names of missing fields)."""
    path: list[str | int] = []
    beside: list[str | int] = []
    for step in loc:
        here = range(len(tree)) if isinstance(tree, list) else tree if isinstance(tree, dict) else ()
        if step in here:
            tree = tree[step]
            path.append(step)
        else:
            beside.append(step)
    return tuple(path), tuple(beside)


def _access(source: src.Source) -> Iterator[Problem]:
    """An API that others can reach needs a token."""
    http = _branch(source.tree, "http")
    listen = http.get("listen", HttpPart().listen)
    try:
        host, _ = split_listen(listen)
    except (ValueError, AttributeError):
        return  # said by the validation
    if not is_loopback(host) and not http.get("tokens"):
        yield Problem(
            source.place(("http", "listen")),
            f"{listen!r} can be reached from other machines, which needs http.tokens; `tocsin token create` makes one",
        )


def _branch(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}
