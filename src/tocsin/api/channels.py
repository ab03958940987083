"""Channels: what is to be seen of one besides its state, and a message that tries it.

In: the settings, a channel's name. Out: where it leads, without a secret; what became of the message.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.serving import Served, Serving
from tocsin.api.trying import STATUS, WAIT_SECONDS, WAIT_SECONDS_MAX, tried
from tocsin.notify.channels.options import OPTIONS

ADDRESS_MAX: Final = 80
"""Letters: the target of a command names channel and address in 120."""
CONTACTS: Final = {"email": "email", "slack": "slack", "sms": "phone", "voice": "phone", "webhook": "webhook"}
"""Type of a channel -> the kind of contact that it takes; the others lead to one place each."""
SHOWN: Final = ("host", "port", "url", "api_url", "channel", "table", "from", "to")
"""Options that say where a channel leads."""

router = APIRouter(tags=["channels"])


@router.post("/api/v1/channels/{name}/test", summary="Send a test message over one channel now")
async def try_channel(
    request: Request,
    serving: Served,
    name: Annotated[str, Path(max_length=64)],
    to: Annotated[str, Query(max_length=ADDRESS_MAX, description="Address instead of the channel's own")] = "",
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = WAIT_SECONDS,
) -> Response:
    """200 delivered, 202 still on its way, 502 given up; `deliveries` has the receiver's answer. It takes the way of
    every page, ledger included; nobody else hears of it, and its incident closes by itself."""
    channels = serving.settings.channels()
    if name not in channels:
        raise not_found("channel", name, channels)
    kind = str(channels[name]["type"])
    target = f"channel:{name}"
    if to:
        if kind not in CONTACTS:
            raise Failure(422, "invalid", f"to: a channel of type {kind} leads to one place and takes no address")
        target += f"={CONTACTS[kind]}:{to}"
    answer = await tried(serving, target, actor=request.state.actor, wait=wait, channel=name)
    return Json({"channel": name, **answer}, STATUS[answer["outcome"]])


def described(serving: Serving) -> dict[str, dict[str, Any]]:
    """Channel -> `target`, where it leads; `templates`, what its templates could not do since they were written."""
    failing = serving.node.templates.failing()
    return {
        name: {
            "target": led_to(options),
            "templates": [
                f"{one.name}: {one.problem}" for one in failing if one.template.channel in ("", name, options["type"])
            ],
        }
        for name, options in serving.settings.channels().items()
    }


def led_to(options: Mapping[str, Any]) -> str:
    """Where a channel leads, in a few words: addresses as they are, of URLs the host alone, no secret."""
    declared = OPTIONS.get(str(options.get("type")), {})
    parts = []
    for option in SHOWN:
        value = options.get(option, declared[option].default if option in declared else "")
        if option not in declared or value in ("", (), None) or not isinstance(value, str | int | list | tuple):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if option.endswith("url"):
            text = _host(text)
        elif declared[option].secret:
            continue
        parts.append(text if option in ("host", "url", "api_url") else f"{option} {text}")
    return " ".join(parts)


def _host(url: str) -> str:
    """Scheme and host: an address of a webhook is a secret, and may name a user."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
    except ValueError:
        return ""
