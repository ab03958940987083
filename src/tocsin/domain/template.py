"""Whether a template may be written, as far as its type cannot say it.

In: a template. Out: what is wrong with it, in words. Whether its texts can be rendered is not known here, but where
their language is (`notify.wording_language`).
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from tocsin.domain.command.verb import AUDIENCES
from tocsin.domain.rules import Template

SOURCE_BYTES_MAX: Final = 16 * 1024
"""Of one text: ten pages."""


def wrong_template(template: Template) -> Iterator[str]:
    """What is wrong with a template, as far as its type cannot say it."""
    if not (template.subject_template or template.body_template):
        yield "needs a subject_template or a body_template"
    for field in ("subject_template", "body_template"):
        size = len(getattr(template, field).encode("utf-8", "surrogatepass"))
        if size > SOURCE_BYTES_MAX:
            yield f"{field} has {size} bytes; at most {SOURCE_BYTES_MAX} are allowed"
    yield from wrong_audience(template.audience)


def wrong_audience(word: str) -> Iterator[str]:
    """What is wrong with the name of an audience."""
    if word not in AUDIENCES:
        near = get_close_matches(word, AUDIENCES, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(AUDIENCES)}"
        yield f"no audience {word!r}{hint}"
