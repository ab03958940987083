"""What goes back when something is wrong: Alertmanager's clients expect a JSON text, not an object."""

from collections.abc import Sequence

from tocsin.api.answer import Failure, Json
from tocsin.domain.matchers import MatcherError, read_matcher
from tocsin.domain.rules import LabelMatch

FILTERS_MAX = 64
"""Filters of one request."""


class Refusal(Failure):
    """A request that is answered with an error, in Alertmanager's shape."""

    def __init__(self, status: int, message: str, *, retry_after: int = 0) -> None:
        super().__init__(status, "", message, retry_after=retry_after)

    def answer(self) -> Json:
        return Json(str(self), self.status, self.headers)


class Invalid(Refusal):
    """A body that its OpenAPI file does not allow: 422 with a number, as the server made from that file answers."""

    CODE = 612
    """Too few items (go-openapi/errors, `TooFewItemsCode`)."""

    def __init__(self, message: str) -> None:
        super().__init__(422, message)

    def answer(self) -> Json:
        return Json({"code": self.CODE, "message": str(self)}, self.status)


def filters(given: Sequence[str]) -> tuple[LabelMatch, ...]:
    """The matchers of `filter=`, which may come several times.

    Raises:
        Refusal: 400 with the place of the mistake.
    """
    if len(given) > FILTERS_MAX:
        raise Refusal(400, f"at most {FILTERS_MAX} filters")
    try:
        return tuple(read_matcher(one) for one in given)
    except MatcherError as error:
        raise Refusal(400, f"bad matcher format: {error}") from None
