"""Foreign JSON: bytes in, a document out, or the line and column where it stops being one.

Invariants: nothing here recurses, so no nesting can exhaust the stack; a document that comes out is at most `DEPTH_MAX`
deep, holds no NaN, no infinity and no lone surrogate; of a doubled key the last value counts. It knows no format.
"""

from typing import Any, Final

import orjson

from tocsin.domain.errors import Reject

DEPTH_MAX: Final = 16
"""Containers inside one another; MEASURES S7. The formats need four."""

_BOM: Final = b"\xef\xbb\xbf"
_CONTAINERS: Final = (dict, list)


def without_mark(body: bytes) -> bytes:
    """`body` without a leading UTF-8 byte order mark, which some Windows clients send.

    RFC 8259 §8.1 allows to ignore it.
    """
    return body[len(_BOM) :] if body.startswith(_BOM) else body


def parsed(body: bytes) -> Any:
    """The JSON document in `body`.

    Raises:
        Reject: `bad_json` with line and column, or `too_deep`.
    """
    try:
        document = orjson.loads(without_mark(body))
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg:
            raise _too_deep() from None
        message = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise Reject("bad_json", message) from None
    _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    level = [document] if isinstance(document, _CONTAINERS) else []
    for _ in range(DEPTH_MAX):
        # type(), not isinstance(): this runs over every value of every alert, and orjson makes no subclasses.
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Reject:
    return Reject("too_deep", f"objects and lists are nested more than {DEPTH_MAX} deep")
