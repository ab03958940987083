"""The pages behind links as HTML: the templates of `html/`, and the headers that go with them.

In: values as texts. Out: answers. Invariants: everything is escaped where it is put in; nothing is loaded from outside,
no page runs a script, may be framed, tells where its reader goes next, or is kept.
"""

from functools import cache
from importlib import resources
from typing import Any, Final

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Besides those of every answer (`gate.py`): not kept, no referrer."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tocsin.api", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, status: int, /, **values: Any) -> HTMLResponse:
    """A page. Every template takes `title, instance, now`, and `up`: from the page's address to that of `/i/`."""
    return HTMLResponse(_environment().get_template(template).render(values), status, dict(HEADERS))


@cache
def _style() -> str:
    return (resources.files("tocsin.api") / "html" / "style.css").read_text(encoding="utf-8")


def style() -> Response:
    """The style sheet of all of them; there is nothing to hide in it."""
    return Response(_style(), media_type="text/css", headers={"Cache-Control": "public, max-age=300"})
