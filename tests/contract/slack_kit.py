"""Messages for Slack, and what tests ask of those that stand there."""

from typing import Any

from contract.channel_kits import CONTEXT, effect
from tocsin.notify.channel import Sent
from tocsin.notify.channels.slack import Slack
from tocsin.stage import Effect


def context(kind: str = "incident.opened", status: str = "open", **more: Any) -> dict[str, Any]:
    """What happened to the incident of the contract suite."""
    whole = {**CONTEXT, "type": kind, "incident": {**CONTEXT["incident"], "status": status}, **more}
    return whole if kind.startswith("escalation.") else {**whole, "escalation": None}


def about(kind: str, status: str, handle: str = "", **more: Any) -> Effect:
    given = {"delivery": f"ntf_{kind}", "page": False, "handle": handle, "context": context(kind, status), **more}
    return effect(**given)


def buttons(message: dict[str, Any]) -> list[str]:
    return [
        one["text"]["text"] for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]
    ]


async def first(slack: Slack) -> Sent:
    return await slack.send(effect(context=context()), possible_duplicate=False)
