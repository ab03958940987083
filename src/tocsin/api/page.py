"""The incident page: everything about one incident, on a telephone and without a script.

In: an incident id or number, with the link of a message or with what the gate knows of the visitor. Out: a page; from
its forms commands. Invariants: with a link to view nothing can be done; with a link to acknowledge only that; with
neither tokens in the settings nor a link it is the page of this machine's user, who may act. A form carries a signed
value for its verb, incident and visitor, which works once: another web site can neither read nor make one.
"""

import asyncio
import secrets
from typing import Any, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from tocsin.api import page_view as view
from tocsin.api.page_act import Done, done, fields_of
from tocsin.api.page_html import rendered, style
from tocsin.api.page_visit import Refusal, Visitor, answered, found, frame, opened, visitor_of
from tocsin.api.serving import Served, Serving
from tocsin.domain.command import Command
from tocsin.domain.command.argument import TEXT_MAX
from tocsin.domain.lifecycle import Status, possible
from tocsin.notify.links import ACKNOWLEDGE, FORM
from tocsin.persist.latest import latest

LINES_SHOWN: Final = 30
REFERENCE_MAX: Final = 64
VERBS: Final = ("acknowledge", "resolve", "note")
"""What the page has a form for; the rest takes more than a form."""

router = APIRouter(include_in_schema=False)


class _Asked(msgspec.Struct, frozen=True):
    """One call of the page."""

    reference: str
    token: str
    before: str


@router.get("/i/style.css")
async def styles() -> Response:
    return style()


@router.api_route("/i/{reference}", methods=["GET", "HEAD"])
async def show(request: Request, serving: Served, reference: str, t: str = "", before: str = "") -> Response:
    return await answered(serving, _shown(request, serving, _Asked(reference, t, before)))


@router.post("/i/{reference}")
async def act(request: Request, serving: Served, reference: str, t: str = "") -> Response:
    return await answered(serving, _acted(request, serving, _Asked(reference, t, "")))


async def _shown(request: Request, serving: Serving, asked: _Asked) -> Response:
    visitor, incident = await _visit(request, serving, asked)
    return await _page(serving, asked, visitor, incident, None)


async def _acted(request: Request, serving: Serving, asked: _Asked) -> Response:
    visitor, incident = await _visit(request, serving, asked)
    fields = await fields_of(request, serving)
    verbs = tuple(f"{FORM}:{verb}" for verb in VERBS)
    form = opened(serving, fields.get("form", ""), verbs) if visitor.actor else None
    if form is None or form.incident != incident["id"] or form.who != visitor.actor:
        raise Refusal(403, "This form does not work", "Load the page again, and send it from there.")
    verb = form.verb.removeprefix(f"{FORM}:")
    text = fields.get("text", "").replace("\r\n", "\n").strip()
    if len(text) > TEXT_MAX or (verb == "note" and not text):
        raise Refusal(400, "That did not work", f"A text has between 1 and {TEXT_MAX} letters.")
    command = Command(
        command_id=form.command_id,
        verb=verb,
        incident=incident["id"],
        actor=visitor.actor,
        reason="" if verb == "note" else text,
        arguments={"text": text} if verb == "note" else {},
    )
    became = await done(serving, command)
    return await _page(serving, asked, visitor, await found(serving, incident["id"]), became)


async def _visit(request: Request, serving: Serving, asked: _Asked) -> tuple[Visitor, dict[str, Any]]:
    visitor = visitor_of(request, serving, asked.token)
    if len(asked.reference) > REFERENCE_MAX:
        raise Refusal(404, "No such incident", "There is none of this number here.")
    incident = await found(serving, asked.reference)
    if visitor.link is not None and visitor.link.incident != incident["id"]:
        raise Refusal(403, "This link does not work", "It belongs to another incident.")
    return visitor, incident


async def _page(
    serving: Serving, asked: _Asked, visitor: Visitor, incident: dict[str, Any], became: Done | None
) -> Response:
    rules, now = serving.node.rules, serving.clock.now()
    key, queries = incident["id"], serving.queries

    def looked_up() -> tuple[Any, ...]:
        lines = latest(queries, key, limit=LINES_SHOWN, cursor=asked.before)
        members = queries.alerts(incident=key, limit=view.ALERTS_SHOWN)
        told = queries.every_delivery(incident=key, limit=view.TOLD_SHOWN)
        return lines, members, told, queries.escalation(key)

    lines, members, deliveries, escalation = await asyncio.to_thread(looked_up)
    shown = view.head(incident, rules, now)
    query = f"t={quote(asked.token)}&" if asked.token else ""
    again = f"{quote(key)}?{query}".rstrip("?&")
    return rendered(
        "incident.html",
        became.status if became else 200,
        **frame(serving, f"{shown['number']} {shown['headline']}", ""),
        **shown,
        summary=view.summary(incident),
        notice=became.text if became else "",
        tone=became.tone if became else "",
        acknowledge=_acknowledge(serving, asked, visitor, incident),
        acts=_acts(serving, visitor, incident),
        coming=view.coming(incident, escalation, rules, now),
        links=view.links(incident, rules),
        told=view.told(deliveries.items, rules, now),
        told_more=deliveries.total - len(deliveries.items),
        alerts=view.alerts(members.items, incident.get("service") or "", now),
        alerts_total=members.total,
        alerts_more=members.total - len(members.items),
        timeline=view.timeline(lines.items, rules, now),
        again=again,
        newest=again if asked.before else "",
        older=f"{quote(key)}?{query}before={quote(lines.next)}" if lines.next else "",
    )


def _acknowledge(serving: Serving, asked: _Asked, visitor: Visitor, incident: dict[str, Any]) -> dict[str, str] | None:
    """The form to acknowledge, when that is possible and the visitor may."""
    if incident["status"] not in (Status.OPEN, Status.INVESTIGATING):
        return None
    if visitor.actor:
        return {"action": "", "form": _form(serving, "acknowledge", visitor, incident), "who": ""}
    if visitor.link is not None and visitor.link.verb == ACKNOWLEDGE:
        who = view.person(visitor.link.who, serving.node.rules)
        return {"action": f"../a/{quote(asked.token)}", "form": "", "who": who}
    return None


def _acts(serving: Serving, visitor: Visitor, incident: dict[str, Any]) -> dict[str, str] | None:
    """The other forms, when the visitor may act."""
    if not visitor.actor:
        return None
    can_resolve = "resolve" in possible(Status(incident["status"]))
    return {
        "note": _form(serving, "note", visitor, incident),
        "resolve": _form(serving, "resolve", visitor, incident) if can_resolve else "",
    }


def _form(serving: Serving, verb: str, visitor: Visitor, incident: dict[str, Any]) -> str:
    return serving.links.form(verb, incident["id"], visitor.actor, secrets.token_urlsafe(12))
