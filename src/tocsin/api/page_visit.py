"""Who visits a page behind a link, and what they see when that does not work.

In: the token of a link, or the actor that the gate knows. Out: `Visitor`, or a page that says what to do instead.
Invariants: a link opens its own incident only; what is wrong with a link is told in general, and nothing about the
incident; forged links are counted apart, so that they take no room from good ones. The token goes into no log.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from fastapi import Request
from fastapi.responses import Response

from tocsin.api.answer import Failure
from tocsin.api.page_html import rendered
from tocsin.api.page_view import BAD, WAIT
from tocsin.api.serving import NO_DATABASE, Serving
from tocsin.domain.errors import Reject, TocsinError
from tocsin.domain.instant import Instant
from tocsin.notify.links import ACKNOWLEDGE, VIEW, BadLink, Expired, Link
from tocsin.notify.message import one_line

FORGED: Final = "forged"
MARK: Final = "tocsin"
"""What stands on every page anyway."""


class Visitor(msgspec.Struct, frozen=True):
    """Somebody who may see an incident."""

    actor: str = ""
    """In whose name every action is allowed; empty = only what the link allows."""
    link: Link | None = None


class Refusal(Exception):
    """A page that says why not, and what to do instead."""

    def __init__(self, status: int, headline: str, text: str, *, tone: str = BAD, href: str = "") -> None:
        super().__init__(headline)
        self.status = status
        self.headline = headline
        self.text = text
        self.tone = tone
        self.href = href


def visitor_of(request: Request, serving: Serving, token: str) -> Visitor:
    """Who visits, as far as the token and the gate say.

    Raises:
        Refusal: nobody who may.
    """
    actor: str = request.state.actor
    if actor:
        return Visitor(actor)
    if not token:
        raise Refusal(
            403,
            "This page needs a link",
            "Open it with the link in a message about the incident. A link is valid for some days.",
        )
    return Visitor(link=opened(serving, token, (VIEW, ACKNOWLEDGE)))


def opened(serving: Serving, token: str, verbs: tuple[str, ...], *, up: str = "") -> Link:
    """What the link allows, which is one of `verbs`.

    Raises:
        Refusal: expired, forged, or of another kind; or it is visited too often.
    """
    try:
        link = serving.links.opened(token)
        if link.verb not in verbs:
            raise BadLink("another kind")
    except Expired as error:
        raise Refusal(
            410,
            "This link has expired",
            "Use the newest message about the incident, or look at the incident itself.",
            tone=WAIT,
            href=f"{up}{error.link.incident}",
        ) from None
    except BadLink:
        if not serving.visits.take(FORGED, time.monotonic()):
            raise Refusal(429, "Too many visits", "Try again in a moment.") from None
        raise Refusal(
            403,
            "This link does not work",
            "It is incomplete, or not one of this installation. Open the message again and use its link.",
        ) from None
    if not serving.visits.take(f"{link.verb} {link.incident} {link.who}", time.monotonic()):
        raise Refusal(429, "Too many visits", "Try again in a moment.")
    return link


async def found(serving: Serving, reference: str) -> dict[str, Any]:
    """The incident.

    Raises:
        Refusal: there is none.
    """
    incident = await asyncio.to_thread(serving.queries.incident, reference)
    if incident is None:
        raise Refusal(404, "No such incident", "There is none of this number here.")
    return incident


async def answered(serving: Serving, page: Awaitable[Response], up: str = "") -> Response:
    """`page`, or a page that says what went wrong. `up`: from the page's address to that of `/i/`."""
    try:
        return await page
    except Refusal as refusal:
        return said(serving, refusal, up)
    except Failure as failure:
        text = "Try again in a moment." if failure.status >= 500 else one_line(str(failure))
        if failure.word == NO_DATABASE:
            text = "This process keeps no event log: the address of the pages has to lead to the one that does."
        return said(serving, Refusal(failure.status, "That did not work", text), up)
    except Reject as error:
        return said(serving, Refusal(400, "That did not work", one_line(str(error))), up)
    except TocsinError:
        return said(serving, Refusal(503, "tocsin cannot answer now", "Try again in a moment.", tone=WAIT), up)


def said(serving: Serving, refusal: Refusal, up: str) -> Response:
    return rendered(
        "said.html",
        refusal.status,
        **frame(serving, refusal.headline, up),
        headline=refusal.headline,
        text=refusal.text,
        tone=refusal.tone,
        href=refusal.href,
        link_words="Show the incident",
    )


def frame(serving: Serving, title: str, up: str) -> dict[str, Any]:
    """What every template takes."""
    now: Instant = serving.clock.now()
    return {
        "title": f"{title} · tocsin",
        "instance": "" if serving.settings.instance == MARK else serving.settings.instance,
        "now": f"As of {now:%Y-%m-%d %H:%M:%S} UTC",
        "up": up,
    }
