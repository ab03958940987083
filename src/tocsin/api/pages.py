"""The few pages for people: where to go, the operations of the API, the handbook. Nothing is loaded from outside."""

import html
import re
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

import tocsin
from tocsin.api.answer import not_found
from tocsin.api.handbook import chapters
from tocsin.api.serving import Served

STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top; border-bottom: 1px solid #8884; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: inherit; }
"""

LINKS: Final = (
    ("/api/incident_response", "incidents"),
    ("/api/alerting", "alerts"),
    ("/api/v1/topics", "topics of the log"),
    ("/api/v1/rejected", "rejected records"),
    ("/api/docs", "operations of the API"),
    ("/api/asyncapi.json", "description of the topics"),
    ("/docs", "handbook"),
    ("/metrics", "metrics"),
    ("/-/ready", "readiness"),
)

router = APIRouter(include_in_schema=False)


def page(title: str, body: str) -> HTMLResponse:
    """A whole page; `body` is HTML whose texts are already escaped."""
    name = html.escape(title)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/style.css"></head><body><h1>{name}</h1>{body}</body></html>'
    )


@router.get("/style.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css")


@router.get("/")
async def landing(serving: Served) -> Response:
    health = serving.node.health()
    state = "ready" if health.ready else "not ready: " + "; ".join(health.problems)
    links = "".join(f'<li><a href="{path}">{words}</a> <code>{path}</code></li>' for path, words in LINKS)
    about = f"<p>{html.escape(serving.settings.instance)}, version {tocsin.__version__}, {html.escape(state)}</p>"
    return page("tocsin", f"{about}<ul>{links}</ul>")


@router.get("/api/docs")
async def operations(request: Request) -> Response:
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in paths.items()
        for method, operation in operations.items()
    )
    more = '<p>The whole description: <a href="/api/openapi.json">/api/openapi.json</a></p>'
    return page("Operations", f"<table><tr><th>Method</th><th>Path</th><th></th></tr>{rows}</table>{more}")


@router.get("/docs")
async def handbook() -> Response:
    links = "".join(
        f'<li><a href="/docs/{html.escape(name)}">{html.escape(title)}</a></li>'
        for name, (title, _) in chapters().items()
    )
    return page("Handbook", f"<ul>{links}</ul>" if links else "<p>No chapters.</p>")


@router.get("/docs/{name}")
async def chapter(name: str) -> Response:
    found = chapters().get(name)
    if found is None:
        raise not_found("chapter", name)
    title, text = found
    return page(title, f"<pre>{with_anchors(html.escape(text))}</pre>")


def with_anchors(text: str) -> str:
    """Headings can be linked to: `## What it is` is `#what-it-is`, as GitHub names it."""

    def heading(match: re.Match[str]) -> str:
        name = re.sub(r"[^\w -]", "", html.unescape(match[1])).strip().lower().replace(" ", "-")
        return f'<span id="{name}">{match[0]}</span>'

    return re.sub(r"^#+ (.+)$", heading, text, flags=re.MULTILINE)
