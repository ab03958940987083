"""Commands: validated, written to `incidents.commands.v1`, and answered with their outcome.

The answer to a command id is always the same; a client that lost it asks again with the id.
"""

import asyncio
import re
import secrets
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.hearers import with_hearers
from tocsin.api.serving import Served, Serving
from tocsin.domain import ids
from tocsin.domain.command import VERBS, Command, checked
from tocsin.domain.command.argument import TEXT_MAX
from tocsin.domain.errors import Reject
from tocsin.domain.grading import known_severity
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.settings.problem import suggestion
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

BODY_BYTES_MAX: Final = 64 * 1024
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
        try:
            checked(self.verb, self.arguments)
        except Reject as error:
            raise ValueError(str(error)) from error
        return self


def check_words(asked: CommandRequest, rules: Rules) -> None:
    """Nothing when the severity that is asked for is one.

    Raises:
        Failure: 422 that names the nearest.
    """
    word = asked.arguments.get("severity")
    if word and known_severity(word, rules) is None:
        hint = suggestion(word, Severity)
        raise Failure(422, "invalid", f"severity: {word!r} is not one of {', '.join(Severity)}{hint}")


REFERENCES: Final = {"merge": "into", "link": "to", "unlink": "to"}
"""Verb -> its argument that names another incident."""


async def with_ids(serving: Serving, command: Command) -> Command:
    """`command` with the id where it names another incident by its number: the owner of one partition does not know
    the numbers of the others.

    Raises:
        Failure: 404, there is no such incident.
    """
    name = REFERENCES.get(command.verb, "")
    reference = command.arguments.get(name, "").strip()
    if not _NUMBER.fullmatch(reference.upper()):
        return command
    found = await asyncio.to_thread(serving.queries.incident, reference)
    if found is None:
        raise not_found("incident", reference)
    return msgspec.structs.replace(command, arguments={**command.arguments, name: found["id"]})


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
    check_words(asked, serving.node.rules)
    wanted = Command(
        command_id=asked.command_id or f"cmd_{secrets.token_hex(12)}",
        verb=asked.verb,
        incident=asked.incident,
        reason=asked.reason,
        actor=request.state.actor,
        arguments=asked.arguments,
    )
    if asked.command_id and (known := await outcome_of(serving, asked.command_id, 0.0)):
        return _answer(wanted, known)
    wanted = await with_ids(serving, wanted)
    await serving.publish(COMMANDS, partition_of(wanted, serving.node.partitions), [command_draft(wanted)])
    return _answer(wanted, await outcome_of(serving, wanted.command_id, wait))


@router.get("/api/v1/commands/{command_id}", summary="What became of a command")
async def outcome(
    serving: Served, command_id: str, wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = 0.0
) -> Response:
    known = await outcome_of(serving, command_id, wait)
    if known is None:
        raise Failure(404, "not_found", f"no outcome of the command {command_id!r} is known")
    return Json(known, STATUS.get(known["outcome"], 200))


async def outcome_of(serving: Serving, command_id: str, wait: float) -> dict[str, Any] | None:
    """What became of a command, as soon as that is known; None after `wait` seconds."""
    log = serving.node.event_log
    known = None if log is None else await log.wait_outcome(command_id, wait)
    return None if known is None else await asyncio.to_thread(with_hearers, serving, known)


def answer_of(asked: Command, known: dict[str, Any] | None) -> dict[str, Any]:
    """The outcome as a client sees it; `pending` while it is not known."""
    if known is not None:
        return known
    pending = {"command_id": asked.command_id, "outcome": "pending", "reason": "", "events": []}
    return {**pending, "incident": asked.incident or None}


def _answer(asked: Command, known: dict[str, Any] | None) -> Json:
    if known is None:
        return Json(answer_of(asked, None), 202, {"Retry-After": "1"})
    return Json(known, STATUS.get(known["outcome"], 200))
