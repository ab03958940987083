"""Give a command and wait for its outcome: what the resource-shaped routes do where a client of
`/api/v1/commands` writes the command itself.

In: verb, incident, arguments. Out: the outcome as `/api/v1/commands` shows it. Commands go through the log like all
others; a refused one raises.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from tocsin.api.answer import Failure
from tocsin.api.commands import CommandRequest, partition_of
from tocsin.api.serving import Serving
from tocsin.domain.command import Command
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

PENDING: Final = "pending"


async def give(
    serving: Serving,
    request: Request,
    verb: str,
    incident: str = "",
    *,
    reason: str = "",
    arguments: Mapping[str, Any] | None = None,
    command_id: str = "",
    wait: float,
) -> dict[str, Any]:
    """The outcome of a command; with `outcome` `pending` when it is not known after `wait` seconds.

    Raises:
        pydantic.ValidationError: it is no sound command.
        Failure: 503, the log cannot take it; 404, the incident cannot exist.
    """
    wanted = {
        "verb": verb,
        "incident": incident,
        "reason": reason,
        "arguments": {name: value for name, value in (arguments or {}).items() if value is not None},
        "command_id": command_id or f"cmd_{secrets.token_hex(12)}",
    }
    asked = CommandRequest.model_validate(wanted)
    command = Command(
        command_id=str(asked.command_id),
        verb=asked.verb,
        incident=asked.incident,
        reason=asked.reason,
        actor=request.state.actor,
        arguments=asked.arguments,
    )
    log = serving.node.event_log
    if command_id and log is not None and (known := await log.wait_outcome(command_id, 0.0)):
        return known
    await serving.publish(COMMANDS, partition_of(command, serving.node.partitions), [command_draft(command)])
    found = None if log is None else await log.wait_outcome(command.command_id, wait)
    pending = {"command_id": command.command_id, "verb": verb, "outcome": PENDING, "incident": incident, "events": []}
    return found if found is not None else {**pending, "reason": "", "message": ""}


def refuse(outcome: Mapping[str, Any], **more: Any) -> None:
    """Nothing for an outcome that is not a refusal.

    Raises:
        Failure: 404 for an incident that is not there, else 409; with the reason of the refusal.
    """
    if outcome["outcome"] == "rejected":
        status = 404 if outcome["reason"] == "unknown_incident" else 409
        raise Failure(status, outcome["reason"], outcome["message"] or outcome["reason"], **more)
