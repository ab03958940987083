"""Every format tocsin reads, in the order in which they are recognised.

In: a document, and a name if somebody gave one. Out: the format. A new format is one file and one line here.
"""

from difflib import get_close_matches
from typing import Any, Final, Protocol

from tocsin.domain.errors import Reject
from tocsin.ingest.formats import alertmanager, cloudevents, native, pagerduty, prometheus
from tocsin.ingest.reading import Context, Item


class Format(Protocol):
    """What a module of this package offers."""

    @property
    def NAME(self) -> str: ...

    @property
    def CUTS(self) -> bool:
        """Whether what is over a limit is cut and marked instead of refused."""

    def looks_like(self, document: Any) -> bool:
        """Whether `document` is of this format, by its fields."""

    def items(self, document: Any) -> list[Any]:
        """The items of `document`, unread. Raises `Reject` where the whole is wrong."""

    def read(self, document: Any, context: Context) -> list[Item]:
        """One alert or one reason per item, in their order. Raises `Reject` where the whole is wrong."""

    def rebuilt(self, document: Any, kept: list[Any]) -> Any:
        """`document` with `kept` (at least one) as its items."""

    def prepared(self, document: Any, seed: str) -> Any:
        """`document` as it may be published; the same object where nothing has to change."""

    def shrunk(self, item: Any, bytes_max: int) -> Any:
        """A valid item made to fit `bytes_max` bytes, if this format cuts."""

    def group_of(self, document: Any) -> dict[str, str] | None:
        """The labels that the source grouped the document by, if it did."""


FORMATS: Final[tuple[Format, ...]] = (cloudevents, alertmanager, pagerduty, prometheus, native)
BY_NAME: Final[dict[str, Format]] = {format.NAME: format for format in FORMATS}


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        Reject: `unknown_format`, with the known names.
    """
    found = BY_NAME.get(name)
    if found is None:
        nearest = get_close_matches(name[:32].lower(), BY_NAME, 1)
        hint = f", did you mean {nearest[0]!r}?" if nearest else ";"
        raise Reject("unknown_format", f"unknown format {name[:32]!r}{hint} known are {', '.join(BY_NAME)}")
    return found


def detected(document: Any) -> Format:
    """The format of `document` by its fields.

    Raises:
        Reject: `unknown_format`.
    """
    for format in FORMATS:
        if format.looks_like(document):
            return format
    raise Reject("unknown_format", f"no known format: the fields fit none of {', '.join(BY_NAME)}")
