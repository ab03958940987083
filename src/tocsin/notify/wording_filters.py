"""What templates can do with a value: `{{ title|upper }}`. There are these filters and tests and no others.

In: JSON values (or what is not there). Out: JSON values. Invariants: each spends for what it makes before it makes it;
none knows a name, a file, a clock or a function.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from jinja2.runtime import LoopContext, Undefined

from tocsin.domain.header import cut_text
from tocsin.notify.message import instant_text, one_line
from tocsin.notify.wording_budget import Ready, spend

INDENT_MAX: Final = 40
"""Columns; deeper no text is read."""
DEPTH_MAX: Final = 8
"""Of a value that is printed as a whole: no variable is nested deeper."""


def text_of(value: Any, depth: int = 0) -> str:
    """A value as it is printed: nothing for what is not there, lists with commas."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined | LoopContext) or depth > DEPTH_MAX:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        spend(steps=len(value))
        return ", ".join(f"{text_of(name, depth + 1)}={text_of(one, depth + 1)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        spend(steps=len(value))
        return ", ".join(text_of(one, depth + 1) for one in value)
    return ""


def _text(made: Callable[[str], str]) -> Callable[[Any], str]:
    """A filter over a text, whose result is at most three times as long (as upper case may be)."""

    def filtered(value: Any) -> str:
        text = text_of(value)
        spend(steps=1, letters=3 * len(text))
        return made(text)

    return filtered


def items_of(value: Any) -> list[Any]:
    """What a loop runs over: the items of a list, the names of a mapping; nothing for what is not there."""
    if isinstance(value, Mapping | list | tuple):
        spend(steps=len(value))
        return list(value)
    return []


def _counted(value: Any, weight: int) -> list[Any]:
    """What a loop runs over, its whole cost spent."""
    found = items_of(value)
    spend(steps=weight * len(found))
    return found


def _joined(values: list[Any]) -> str:
    texts = [text_of(value) for value in values]
    spend(steps=len(texts), letters=sum(map(len, texts)))
    return "".join(texts)


def _join(value: Any, separator: Any = "") -> str:
    texts, between = [text_of(one) for one in items_of(value)], text_of(separator)
    spend(letters=sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _default(value: Any, instead: Any = "", empty: bool = False) -> Any:
    missing = value is None or isinstance(value, Undefined) or value == "" or (empty and not value)
    return instead if missing else value


def _replace(value: Any, old: Any, new: Any) -> str:
    text, what, instead = text_of(value), text_of(old), text_of(new)
    spend(steps=1, letters=len(text))
    count = text.count(what)
    spend(steps=count, letters=count * len(instead))
    return text.replace(what, instead)


def _truncate(value: Any, length: Any = 255) -> str:
    text = text_of(value)
    spend(steps=1, letters=len(text))
    return cut_text(text, max(1, int(length)))


def _indent(value: Any, width: Any = 4) -> str:
    text = text_of(value)
    columns = min(max(0, int(width)), INDENT_MAX)
    lines = text.split("\n")
    spend(steps=len(lines), letters=len(text) + columns * len(lines))
    return ("\n" + " " * columns).join(lines)


def _tojson(value: Any) -> str:
    plain = None if isinstance(value, Undefined | LoopContext) else str(value) if isinstance(value, str) else value
    spend(steps=1, letters=len(text_of(plain)))
    found = msgspec.json.encode(plain).decode()
    spend(letters=len(found))
    return Ready(found)


def within_json(value: Any) -> str:
    """The value inside of a JSON text, without its quotes: for bodies such as `{"text": "{{ title|json }}"}`."""
    return Ready(_tojson(text_of(value))[1:-1])


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | Mapping | list | tuple) else 0


def _first(value: Any) -> Any:
    found = list(value[:1]) if isinstance(value, str | list | tuple) else items_of(value)
    return found[0] if found else ""


def _last(value: Any) -> Any:
    found = list(value[-1:]) if isinstance(value, str | list | tuple) else items_of(value)
    return found[-1] if found else ""


def _sort(value: Any) -> list[Any]:
    found = items_of(value)
    spend(steps=len(found) * 10)
    return sorted(found, key=text_of)


def _pairs(value: Any) -> list[Any]:
    if not isinstance(value, Mapping):
        return []
    spend(steps=len(value))
    return [(name, value[name]) for name in sorted(value)]


def _keys(value: Any) -> list[Any]:
    return [name for name, _ in _pairs(value)]


def _values(value: Any) -> list[Any]:
    return [one for _, one in _pairs(value)]


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0


def _round(value: Any, digits: Any = 0) -> float | int:
    found = round(_number(value), min(max(0, int(digits)), 9))
    return int(found) if not digits else found


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "title": _text(str.title),
    "capitalize": _text(str.capitalize),
    "trim": _text(str.strip),
    "line": _text(lambda text: one_line(text, max(1, len(text)))),
    "string": _text(str),
    "time": _text(instant_text),
    "truncate": _truncate,
    "replace": _replace,
    "indent": _indent,
    "default": _default,
    "join": _join,
    "sort": _sort,
    "items": _pairs,
    "keys": _keys,
    "values": _values,
    "length": _length,
    "first": _first,
    "last": _last,
    "int": lambda value: int(_number(value)),
    "float": _number,
    "round": _round,
    "tojson": _tojson,
    "json": within_json,
    " counted": _counted,
    " joined": _joined,
}
"""By name. Those with a blank in front no text can name: the tree is rewritten to them."""

TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "mapping": lambda value: isinstance(value, Mapping),
    "odd": lambda value: int(_number(value)) % 2 == 1,
    "even": lambda value: int(_number(value)) % 2 == 0,
}
"""By name, for `{% if note is defined %}`."""
