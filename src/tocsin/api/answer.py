"""What goes back to the client: JSON by orjson, and one shape for everything that went wrong.

An error is `{"error": word, "message": text}`, with `problems` where there are several.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi.responses import Response

from tocsin.settings.problem import suggestion


class Json(Response):
    """A JSON body."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


class Failure(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, word: str, message: str, *, retry_after: int = 0, problems: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.word = word
        self.problems = problems
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}

    def answer(self) -> Json:
        content: dict[str, Any] = {"error": self.word, "message": str(self)}
        if self.problems:
            content["problems"] = self.problems
        return Json(content, self.status, self.headers)


def not_found(what: str, reference: str, known: Iterable[str] = ()) -> Failure:
    """404 that names what was looked for, and the nearest of what is `known`."""
    return Failure(404, "not_found", f"no {what} {reference!r}{suggestion(reference, known)}")
