"""The request that a provider of messages and calls wants, as the settings describe it.

In: fields with placeholders, the values for them. Out: the bytes of a form or of a JSON document, and its content type.
Invariants: a value stays a value: it is encoded by the form or by JSON, and where a field holds markup (a `<`) also as
XML, so that no text can become a field, a parameter or an element; a placeholder that does not exist is refused when
the channel is built.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import orjson

PLACEHOLDERS: Final = ("to", "from", "text", "delivery_id", "callback")
FIELDS_MAX: Final = 100
"""Fields of a body, over all levels."""
DEPTH_MAX: Final = 10
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]*)\}")

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


class Body:
    """Either a form or a JSON document.

    Raises:
        ValueError: both or neither are given, or a field cannot be filled in; the message names the option.
    """

    def __init__(
        self, form: Mapping[str, Any], json: Mapping[str, Any], secrets: Mapping[str, Any] | None = None
    ) -> None:
        """`secrets`: what the provider wants in the body, by the name of its placeholder."""
        if bool(form) == bool(json):
            raise ValueError("form: give either form or json, the body that the provider wants")
        self._form, self._json = form, json
        self._secrets = _checked_secrets(secrets or {})
        known = (*PLACEHOLDERS, *self._secrets)
        option = "form" if form else "json"
        texts = list(_texts(form or json, option, 0))
        if len(texts) > FIELDS_MAX:
            raise ValueError(f"{option}: more than {FIELDS_MAX} fields")
        for where, text in texts:
            for found in _PLACEHOLDER.findall(text):
                if found not in known:
                    near = get_close_matches(found, known, n=1)
                    hint = f", did you mean {{{near[0]}}}?" if near else f"; known: {', '.join(known)}"
                    raise ValueError(f"{where}: no placeholder {{{found}}}{hint}")
        every = "".join(text for _, text in texts)
        for needed in ("to", "text"):
            if f"{{{needed}}}" not in every:
                raise ValueError(f"{option}: nowhere is {{{needed}}}; without it nobody is told anything")
        for name, value in form.items():
            if isinstance(value, Mapping | list | tuple):
                raise ValueError(f"form.{name}: a field of a form is one text; write json for what is deeper")
        self.needs_callback = "{callback}" in every

    def filled(self, values: Mapping[str, str]) -> tuple[bytes, str]:
        """The bytes and their content type."""
        every = {**self._secrets, **values}
        if self._form:
            fields = {name: _filled(value, every) for name, value in self._form.items()}
            return urlencode(fields).encode("ascii"), FORM
        return orjson.dumps(_filled(self._json, every)), JSON


def pointed(document: Any, pointer: str) -> Any:
    """What stands in `document` at a JSON pointer (RFC 6901); None when nothing does."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(document):
            document = document[int(key[:9])]
        else:
            return None
    return document


def checked_pointer(pointer: str) -> str:
    """`pointer`, if it is one.

    Raises:
        ValueError: it is not.
    """
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"receipt: {pointer!r} is no JSON pointer; write /sid or /messages/0/id")
    return pointer


def _checked_secrets(secrets: Mapping[str, Any]) -> dict[str, str]:
    """By placeholder.

    Raises:
        ValueError: a name is none or taken, or a value is no text; the message repeats no value.
    """
    taken = ", ".join(PLACEHOLDERS)
    for name, value in secrets.items():
        if not _PLACEHOLDER.fullmatch(f"{{{name}}}") or not name or name in PLACEHOLDERS:
            raise ValueError(f"secrets: {name!r} is no name of a placeholder; letters and _, none of {taken}")
        if not isinstance(value, str):
            raise ValueError(f"secrets.{name}: its value is no text; put it in quotes")
    return dict(secrets)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        markup = "<" in value
        return _PLACEHOLDER.sub(lambda found: _put(values.get(found.group(1), ""), markup=markup), value)
    if isinstance(value, Mapping):
        return {name: _filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, values) for inner in value]
    return value


def _put(value: str, *, markup: bool) -> str:
    return escape(value, {'"': "&quot;", "'": "&apos;"}) if markup else value


def _texts(value: Any, where: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text in it with its place."""
    if depth > DEPTH_MAX:
        raise ValueError(f"{where}: more than {DEPTH_MAX} levels deep")
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{where}.{name}", depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{place}]", depth + 1)
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ValueError(f"{where}: {type(value).__name__} is no value of a body")
