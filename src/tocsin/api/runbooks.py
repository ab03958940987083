"""Runbooks: short documents by name, to read while something burns. They lie in the package.

In: a name. Out: Markdown as it is.
"""

from functools import cache
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json
from tocsin.settings.problem import suggestion

router = APIRouter(tags=["incidents"])


@cache
def runbooks() -> dict[str, tuple[str, str]]:
    """Name -> (title, Markdown), in order of the names."""
    folder = resources.files("tocsin") / "docs" / "runbooks"
    texts = {
        file.name.removesuffix(".md"): file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".md")
    }
    return {name: (text.partition("\n")[0].removeprefix("# "), text) for name, text in texts.items()}


def runbook_names() -> list[dict[str, str]]:
    """What there is: name and title of each."""
    return [{"name": name, "title": title} for name, (title, _) in runbooks().items()]


@router.get("/api/v1/runbooks", summary="The runbook documents by name")
def every() -> Response:
    return Json({"items": runbook_names()})


@router.get("/api/v1/runbooks/{name}", summary="One runbook, as Markdown")
def one(name: str) -> Response:
    found = runbooks().get(name)
    if found is None:
        raise Failure(404, "not_found", f"no runbook {name[:64]!r}{suggestion(name[:64], runbooks())}")
    return Response(found[1], media_type="text/markdown; charset=utf-8")
