"""One-tap acknowledge: what a signed link in a message opens.

In: a link, opened (GET) or confirmed (POST). Out: a small page. Invariants: GET changes nothing, so that neither mail
scanners nor previews acknowledge; POST acknowledges as the recipient of the message, once however often it is sent,
and once more when the incident is open again; it needs no database, only the log. No cookie, no script, no token of
the API.
"""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure
from tocsin.api.page_act import Done, done, known_of
from tocsin.api.page_html import rendered
from tocsin.api.page_view import acknowledged_by, head, person
from tocsin.api.page_visit import Refusal, answered, found, frame, opened
from tocsin.api.serving import Served, Serving
from tocsin.domain.command import Command
from tocsin.domain.errors import TocsinError
from tocsin.domain.ids import short_hash
from tocsin.domain.lifecycle import Status
from tocsin.notify.links import ACKNOWLEDGE, Link

UP: Final = "../i/"
USER: Final = "user:"
ANSWERABLE: Final = frozenset({Status.OPEN, Status.INVESTIGATING, Status.ACKNOWLEDGED})

router = APIRouter(include_in_schema=False)


@router.api_route("/a/{token}", methods=["GET", "HEAD"])
async def ask(serving: Served, token: str) -> Response:
    """The page with the button."""
    return await answered(serving, _asked(serving, token), UP)


@router.post("/a/{token}")
async def acknowledge(request: Request, serving: Served, token: str) -> Response:
    """The button was pressed."""
    return await answered(serving, _acknowledged(serving, token), UP)


async def _asked(serving: Serving, token: str) -> Response:
    link = opened(serving, token, (ACKNOWLEDGE,), up=UP)
    return _page(serving, token, link, await _incident(serving, link), None)


async def _acknowledged(serving: Serving, token: str) -> Response:
    link = opened(serving, token, (ACKNOWLEDGE,), up=UP)
    command = Command(
        command_id=await _command_id(serving, link, await _incident(serving, link)),
        verb="acknowledge",
        incident=link.incident,
        actor=link.who or "link",
        arguments={"for": link.who} if link.who.startswith(USER) else {},
    )
    became = await done(serving, command)
    return _page(serving, token, link, await _incident(serving, link), became)


async def _command_id(serving: Serving, link: Link, incident: dict[str, Any] | None) -> str:
    """That of the link; when it was used already and the incident is open again, one for this time."""
    if incident is None or incident["status"] != Status.OPEN or not await known_of(serving, link.command_id):
        return link.command_id
    return f"cmd_{short_hash('again', link.command_id, str(incident['version']))}"


async def _incident(serving: Serving, link: Link) -> dict[str, Any] | None:
    """None where it cannot be looked at: acknowledging works all the same."""
    try:
        return await found(serving, link.incident)
    except (TocsinError, Failure, Refusal):
        return None


def _page(serving: Serving, token: str, link: Link, incident: dict[str, Any] | None, became: Done | None) -> Response:
    rules, now = serving.node.rules, serving.clock.now()
    if incident is None:
        shown: dict[str, Any] = {"severity": "", "number": "", "headline": "Acknowledge the incident", "meta": ""}
        notice, asks = "", True
    else:
        shown = head(incident, rules, now)
        notice = acknowledged_by(incident, rules, now)
        asks = incident["status"] in ANSWERABLE and incident.get("acknowledged_by") != link.who
        if incident["status"] in (Status.RESOLVED, Status.CLOSED):
            notice = f"It is {incident['status']}: there is nothing left to acknowledge."
    tone = "good" if notice else ""
    if became is not None:
        notice, tone, asks = became.text, became.tone, not became.known
    return rendered(
        "acknowledge.html",
        became.status if became else 200,
        **frame(serving, shown["number"] or "Acknowledge", UP),
        **shown,
        notice=notice,
        tone=tone,
        asks=asks,
        who=person(link.who, rules) or "you",
        href=f"{UP}{quote(link.incident)}?t={quote(token)}",
    )
