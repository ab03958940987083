"""Commands: validated, written to `incidents.commands.v1`, and answered with their outcome.

The answer to a command id is always the same; a client that lost it asks again with the id.
"""

import re
import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.serving import Served, Serving
from tocsin.domain import ids
from tocsin.domain.command import ARGUMENTS, VERBS, Command
from tocsin.domain.severity import Severity
from tocsin.settings.problem import suggestion
from tocsin.topics import COMMANDS
from tocsin.wire.command import encode_command
from tocsin.wire.record import Draft

BODY_BYTES_MAX: Final = 64 * 1024
TEXT_MAX: Final = 4000
"""Letters of a note or a reason: a screen or two; longer things belong behind a link."""
LABELS_MAX: Final = 64
WAIT_SECONDS: Final = 5.0
WAIT_SECONDS_MAX: Final = 30.0
"""Below the idle time-outs of the usual proxies."""

_NUMBER: Final = re.compile(r"INC-\d{4}-\d{2}-\d{2}-(\d{1,9})")
_ID: Final = re.compile(r"inc_[a-z2-7]{22}")
STATUS: Final = {"applied": 200, "unchanged": 200, "rejected": 409}

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Phrase = Annotated[str, Field(max_length=TEXT_MAX)]

router = APIRouter(tags=["commands"])


class CommandRequest(BaseModel):
    """One command, as a client writes it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command_id: Key | None = Field(None, description="Chosen by the client, so that it can ask again; else made here")
    verb: str = Field(description=f"One of {', '.join(VERBS)}")
    incident: str = Field("", max_length=128, description="Incident id or number; none for declare")
    reason: Phrase = Field("", description="Why; stands in the timeline")
    arguments: dict[str, Any] = Field({}, description="As the verb takes them")

    @model_validator(mode="after")
    def _fits_the_verb(self) -> "CommandRequest":
        if self.verb not in VERBS:
            raise ValueError(f"unknown verb {self.verb!r}{suggestion(self.verb, VERBS)}; known: {', '.join(VERBS)}")
        if (self.verb == "declare") == bool(self.incident):
            raise ValueError("declare takes no incident" if self.incident else f"{self.verb} needs the incident")
        _check_arguments(self.verb, self.arguments)
        return self


def _check_arguments(verb: str, arguments: dict[str, Any]) -> None:
    known = ARGUMENTS.get(verb, ())
    for name, value in arguments.items():
        if name not in known:
            hint = suggestion(name, known)
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ValueError(f"{verb} has no argument {name!r}{hint}; {takes}")
        if name == "labels":
            _check_labels(value)
        elif not isinstance(value, str) or len(value) > TEXT_MAX:
            raise ValueError(f"argument {name!r} must be text of at most {TEXT_MAX} letters")
    severity = arguments.get("severity")
    if severity is not None and severity not in set(Severity):
        raise ValueError(f"{severity!r} is not one of {', '.join(Severity)}{suggestion(severity, Severity)}")
    needed = {"note": ("text",), "declare": ("title",), "assign": ("assignee", "team")}.get(verb)
    if needed and not any(str(arguments.get(name, "")).strip() for name in needed):
        raise ValueError(f"{verb} needs the argument {' or '.join(map(repr, needed))}")


def _check_labels(value: Any) -> None:
    good = isinstance(value, dict) and len(value) <= LABELS_MAX
    if not good or not all(isinstance(text, str) and 0 < len(text) <= TEXT_MAX for text in value.values()):
        raise ValueError(f"labels must be at most {LABELS_MAX} names with texts")


def partition_of(command: Command, partitions: int) -> int:
    """Where the command belongs: its incident's partition; a declared incident goes by its key.

    Raises:
        Failure: 422, the incident is neither an id nor a number; 404, its partition does not exist.
    """
    if command.verb == "declare":
        # The partition keys that ingest and correlate use, so that alerts of the same correlation id join it.
        named = command.arguments.get("correlation_id", "").strip()
        key = ids.correlation_partition_key(named) if named else f"declared:{command.command_id}"
        return ids.partition_of_key(key, partitions)
    if number := _NUMBER.fullmatch(command.incident):
        return (int(number[1]) - 1) % partitions
    if not _ID.fullmatch(command.incident):
        raise Failure(
            422, "invalid", f"{command.incident!r} is neither an incident id (inc_…) nor a number (INC-2026-11-21-007)"
        )
    partition = ids.partition_in(command.incident)
    if partition >= partitions:
        raise Failure(404, "not_found", f"no incident {command.incident!r}: there are {partitions} partitions")
    return partition


@router.post("/api/v1/commands", summary="Do something to an incident, and learn what became of it")
async def command(
    request: Request,
    serving: Served,
    wait: Annotated[
        float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for the outcome")
    ] = WAIT_SECONDS,
) -> Response:
    """200 applied or unchanged, 409 rejected with the reason, 202 when the outcome is not known yet."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        asked = CommandRequest.model_validate_json(body)
    wanted = Command(
        command_id=asked.command_id or f"cmd_{secrets.token_hex(12)}",
        verb=asked.verb,
        incident=asked.incident,
        reason=asked.reason,
        actor=request.state.actor,
        arguments=asked.arguments,
    )
    if asked.command_id and (known := await _outcome(serving, asked.command_id, 0.0)):
        return _answer(wanted, known)
    partition = partition_of(wanted, serving.node.partitions)
    key, value = encode_command(wanted)
    await serving.publish(COMMANDS, partition, [Draft(key, value, (("content-type", b"application/json"),))])
    return _answer(wanted, await _outcome(serving, wanted.command_id, wait))


@router.get("/api/v1/commands/{command_id}", summary="What became of a command")
async def outcome(
    serving: Served, command_id: str, wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = 0.0
) -> Response:
    known = await _outcome(serving, command_id, wait)
    if known is None:
        raise Failure(404, "not_found", f"no outcome of the command {command_id!r} is known")
    return Json(known, STATUS.get(known["outcome"], 200))


async def _outcome(serving: Serving, command_id: str, wait: float) -> dict[str, Any] | None:
    log = serving.node.event_log
    return None if log is None else await log.wait_outcome(command_id, wait)


def _answer(asked: Command, known: dict[str, Any] | None) -> Json:
    if known is None:
        pending = {"command_id": asked.command_id, "outcome": "pending", "reason": "", "events": []}
        return Json({**pending, "incident": asked.incident or None}, 202, {"Retry-After": "1"})
    return Json(known, STATUS.get(known["outcome"], 200))
