"""What a message would say: over which channel, about which event, with which template.

In: a channel, an incident or an event type, perhaps a template to try. Out: what `tocsin.explain.message` makes of it.
Nothing is sent or written.
"""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.explain import decoded
from tocsin.api.serving import Served, Serving
from tocsin.domain import events as ev
from tocsin.domain.command import AUDIENCES
from tocsin.domain.errors import Reject
from tocsin.domain.rules import Template
from tocsin.domain.template import SOURCE_BYTES_MAX, wrong_template
from tocsin.explain import message as messages
from tocsin.notify.channel import Channel
from tocsin.notify.wording import problems
from tocsin.notify.wording_language import BadTemplate, RenderError
from tocsin.notify.wording_variables import variables
from tocsin.settings.problem import suggestion
from tocsin.settings.rules import WORDED

BODY_BYTES_MAX: Final = 4 * SOURCE_BYTES_MAX
DELIVERY: Final = "ntf_"
"""How the ids of deliveries begin."""

Way = Annotated[str, Query(max_length=64, description="Name of a channel; default: the first configured")]
Kind = Annotated[str, Query(max_length=64, description="Type of the event, such as incident.opened, or digest")]
Audience = Annotated[str, Query(max_length=32)]
About = Annotated[str, Query(max_length=128, description="Id or number of an incident, or a delivery id")]

router = APIRouter(tags=["explain"])


@router.get("/api/v1/explain/message", summary="What would be said over a channel, and by which template")
async def message(
    serving: Served, channel: Way = "", event: Kind = "", incident: About = "", audience: Audience = ""
) -> Response:
    """About the last event of an incident that anybody was told of (`event`: the last of this type), about a delivery
    as it was planned, or without either about the example of an event type. `problem`: why the template that applies
    cannot be used; `payload`: what the channel would send, where it can tell."""
    return Json(await asyncio.to_thread(_explained, serving, channel, event, incident, audience, None))


@router.post("/api/v1/explain/message", summary="The same with a template that is not written yet")
async def tried(
    request: Request,
    serving: Served,
    channel: Way = "",
    event: Kind = "",
    incident: About = "",
    audience: Audience = "",
) -> Response:
    """The body is a template document; 422 says what is wrong with it."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        try:
            template = msgspec.json.decode(bytes(body), type=Template)
        except msgspec.MsgspecError as error:
            raise Failure(422, "invalid", f"the body is no template: {error}") from None
    if wrong := [*wrong_template(template), *problems(template)]:
        raise Failure(422, "invalid", "; ".join(wrong), problems=wrong)
    return Json(await asyncio.to_thread(_explained, serving, channel, event, incident, audience, template))


@router.get("/api/v1/explain/message/variables", summary="What templates may name")
def named() -> Response:
    return Json({"items": [one._asdict() for one in variables()]})


def _explained(
    serving: Serving, channel: str, event: str, incident: str, audience: str, own: Template | None
) -> dict[str, Any]:
    if audience and audience not in AUDIENCES:
        raise Failure(422, "invalid", f"no audience {audience!r}{suggestion(audience, AUDIENCES)}")
    if event and event not in WORDED:
        raise Failure(422, "invalid", f"{event!r} is not an event that notifies{suggestion(event, WORDED)}")
    rules, planned = serving.node.rules, None
    try:
        if incident.startswith(DELIVERY):
            planned = _planned(serving, incident)
            context = {**planned.context, "_page": planned.page}
        elif incident:
            recorded = [one.event for one in decoded(serving, incident)]
            context = messages.latest(recorded, event, rules, audience)
        else:
            context = messages.example_of(event or "incident.opened", rules, audience)
        way = _channel(serving, channel or (planned.channel if planned else ""))
        return messages.explained(context, way, rules, serving.node.templates, own)
    except (Reject, BadTemplate, RenderError) as error:
        raise Failure(422, getattr(error, "word", "invalid"), str(error)) from None


def _planned(serving: Serving, delivery: str) -> ev.DeliveryPlanned:
    for one in decoded(serving, delivery):
        if isinstance(one.event, ev.DeliveryPlanned) and one.event.delivery_id == delivery:
            return one.event
    raise not_found("delivery", delivery)


def _channel(serving: Serving, name: str) -> Channel:
    channels = serving.node.lanes.channels
    if not name:
        return next(one for one in sorted(channels.values(), key=lambda one: (one.kind == "console", one.name)))
    if name not in channels:
        raise not_found("channel", name, channels)
    return channels[name]
