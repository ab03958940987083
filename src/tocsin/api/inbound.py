"""What providers call back with: button clicks, replies, updates of other systems become commands.

In: `POST /api/v1/inbound/<channel>` without a token; the channel's signature stands for it. Out: the answer that the
provider expects, after the commands are durable; their outcome is not waited for. Invariants: unsigned is 401 without
a word; of one call either all requests are written or none; the same call again is answered the same and changes
nothing (the command id is made of channel and key); forged calls take no room from good ones.
"""

import time
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, not_found
from tocsin.api.body import body_of
from tocsin.api.serving import Served, Serving
from tocsin.domain.errors import Reject
from tocsin.notify.channel import Forged, Heard, Hears, Malformed
from tocsin.runtime.broker import Broken, Doubt, Unavailable
from tocsin.runtime.node import NotReady

BODY_BYTES_MAX: Final = 256 * 1024
"""Slack's largest is some 100 KB, PagerDuty's 55 KB."""
BODY_SECONDS_MAX: Final = 10.0
"""Providers give up after 3 to 10 s."""
FORGED: Final = "forged"

router = APIRouter(tags=["inbound"])


Name = Annotated[str, Path(max_length=64, description="Name of the channel")]


@router.post("/api/v1/inbound/{channel}", summary="What a provider calls back with; its signature lets it in")
async def inbound(request: Request, serving: Served, channel: Name) -> Response:
    """200 (or what the provider expects) once it is written, 400 for what cannot be done, 401 unsigned, 503 again."""
    listening = serving.node.listening
    found: object = listening.channels.get(channel)
    if not isinstance(found, Hears):
        _spend_forged(serving)
        raise not_found("channel that hears", channel)
    async with body_of(request, serving, BODY_BYTES_MAX, seconds_max=BODY_SECONDS_MAX) as body:
        heard = _heard(serving, channel, found, dict(request.headers), body)
    if not serving.calls.take(channel, time.monotonic()):
        _count(serving, channel, "put_off")
        raise Failure(503, "busy", "too many calls of this channel", retry_after=1)
    try:
        wanted = listening.commands_of(listening.channels[channel], heard.asked)
        for partition, command in wanted:
            await listening.ask(partition, command)
    except Reject as error:
        _count(serving, channel, "refused")
        raise Failure(400, error.word, str(error)) from None
    except (NotReady, Unavailable, Doubt, Broken) as error:
        _count(serving, channel, "put_off")
        raise Failure(503, "log_unavailable", "the log cannot take it now", retry_after=2) from error
    _count(serving, channel, "taken")
    return Response(heard.body, heard.status, media_type=heard.content_type)


def _heard(serving: Serving, name: str, channel: Hears, headers: dict[str, str], body: bytes) -> Heard:
    try:
        return channel.hear(headers, body, serving.clock.now())
    except Forged:
        _count(serving, name, "forged")
        _spend_forged(serving)
        raise Failure(401, "unauthorized", "unauthorized") from None
    except Malformed as error:
        _count(serving, name, "malformed")
        raise Failure(400, "malformed", str(error)) from None


def _count(serving: Serving, channel: str, outcome: str) -> None:
    serving.node.metrics.add("tocsin_inbound_total", 1, channel, outcome)


def _spend_forged(serving: Serving) -> None:
    """Count one call that is none of a provider's.

    Raises:
        Failure: 429, there were too many.
    """
    if not serving.visits.take(FORGED, time.monotonic()):
        raise Failure(429, "busy", "too many calls", retry_after=1)
