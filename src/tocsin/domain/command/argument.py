"""What an argument of a command is, and how one is checked.

In: an argument of the table (`verb.py`) and the JSON value that somebody gave for it. Out: the value as decisions use
it (texts without blanks around them, instants aware in UTC, objects with their fields checked), or `Reject` with a word
and a sentence that names the argument. It does not know rules or incidents: whether a severity word means something is
asked where rules are.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from math import isfinite
from typing import Any, Final

import msgspec

from tocsin.domain.errors import Reject

TEXT_MAX: Final = 4000
"""Letters of a note, a reason, a cause: a screen or two; longer things belong behind a link."""
LINE_MAX: Final = 1000
"""Letters of what is kept many times per incident (evidence, follow-ups), so that the incident stays below 1 MB."""
WORD_MAX: Final = 120
"""Letters of a name: of a person, a team, a service."""
LINK_MAX: Final = 500
"""Letters of a URL that people still paste into a mail."""
ITEMS_MAX: Final = 50
"""Items of one list (experts, systems, regions)."""
LABELS_MAX: Final = 64
NUMBER_MAX: Final = 1e15
"""Users, minutes, money: more is a slip of the hand, and integers up to here survive any JSON reader."""


class Kind(StrEnum):
    """How an argument is written in JSON."""

    TEXT = "text"
    LINK = "link"
    SEVERITY = "severity"
    INSTANT = "instant"
    NUMBER = "number"
    WHOLE = "whole number"
    TEXTS = "texts"
    LABELS = "labels"
    OBJECT = "object"


class Argument(msgspec.Struct, frozen=True):
    """One argument of a verb. `limit` = letters of a text, or of each text of a list."""

    kind: Kind = Kind.TEXT
    help: str = ""
    limit: int = TEXT_MAX
    required: bool = False
    words: tuple[str, ...] = ()
    """When given, the text is one of these."""
    fields: Mapping[str, "Argument"] = {}
    """Of an object."""
    name: str = ""
    """What a person calls it on a command line, where that differs."""


def near(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` when a known word is near, else nothing."""
    found = get_close_matches(word, list(known), n=1)
    return f", did you mean {found[0]!r}?" if found else ""


def check(name: str, argument: Argument, value: Any) -> Any:
    """The value of argument `name` as decisions use it. None stays None: it is as if it were not given.

    Raises:
        Reject: `wrong_type`, `too_long`, `unknown_word`, `unknown_argument`.
    """
    return None if value is None else _CHECKS[argument.kind](name, argument, value)


def _wrong(name: str, expected: str, value: Any) -> Reject:
    return Reject("wrong_type", f"argument {name!r} must be {expected}, not {type(value).__name__}")


def _text(name: str, argument: Argument, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, f"text of at most {argument.limit} letters", value)
    text = value.strip()
    if len(text) > argument.limit:
        raise Reject("too_long", f"argument {name!r} must be text of at most {argument.limit} letters")
    if argument.words and text and text not in argument.words:
        raise Reject(
            "unknown_word", f"{name}: {text!r} is not one of {', '.join(argument.words)}{near(text, argument.words)}"
        )
    return text


def _link(name: str, argument: Argument, value: Any) -> str:
    text = _text(name, argument, value)
    if text and not text.startswith(("https://", "http://")):
        raise Reject("wrong_link", f"argument {name!r} must begin with https:// or http://")
    return text


def _instant(name: str, argument: Argument, value: Any) -> datetime:
    if not isinstance(value, str):
        raise _wrong(name, "an instant like 2026-11-21T15:30:00Z", value)
    try:
        found = datetime.fromisoformat(value.strip())
        if found.tzinfo is None:
            raise ValueError
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Reject("wrong_instant", f"argument {name!r} must be an instant like 2026-11-21T15:30:00Z") from None


def _number(name: str, argument: Argument, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "a number", value)
    if not isfinite(value) or not 0 <= value <= NUMBER_MAX:
        raise Reject("out_of_range", f"argument {name!r} must be between 0 and {NUMBER_MAX:g}")
    return value


def _whole(name: str, argument: Argument, value: Any) -> int:
    number = _number(name, argument, value)
    if number != int(number):
        raise _wrong(name, "a whole number", value)
    return int(number)


def _texts(name: str, argument: Argument, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > ITEMS_MAX:
        raise _wrong(name, f"a list of at most {ITEMS_MAX} texts", value)
    found = [_text(name, argument, one) for one in value]
    return tuple(dict.fromkeys(one for one in found if one))


def _labels(name: str, argument: Argument, value: Any) -> dict[str, str]:
    good = isinstance(value, dict) and len(value) <= LABELS_MAX
    if not good or not all(isinstance(one, str) and 0 < len(one) <= TEXT_MAX for pair in value.items() for one in pair):
        raise Reject("wrong_type", f"{name} must be at most {LABELS_MAX} names with texts")
    return dict(value)


def _object(name: str, argument: Argument, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, f"an object with {', '.join(argument.fields)}", value)
    found = {}
    for field, one in value.items():
        if field not in argument.fields:
            hint = near(field, argument.fields)
            takes = ", ".join(argument.fields)
            raise Reject("unknown_argument", f"{name} has no field {field!r}{hint}; it takes {takes}")
        if (checked := check(f"{name}.{field}", argument.fields[field], one)) is not None:
            found[field] = checked
    return found


_CHECKS: Final[Mapping[Kind, Callable[[str, Argument, Any], Any]]] = {
    Kind.TEXT: _text,
    Kind.LINK: _link,
    Kind.SEVERITY: _text,
    Kind.INSTANT: _instant,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.TEXTS: _texts,
    Kind.LABELS: _labels,
    Kind.OBJECT: _object,
}
