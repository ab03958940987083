"""One verb for many incidents: each gets a command of its own and an answer of its own.

In: a verb with its arguments, and either incidents by name or a filter. Out: the outcomes, item by item. Nothing is
all-or-nothing: what was refused says why, the rest is done. Sent again with the same `command_id`, the same incidents
get the same answers.
"""

import asyncio
import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.choice import chosen
from tocsin.api.commands import (
    BODY_BYTES_MAX,
    WAIT_SECONDS,
    WAIT_SECONDS_MAX,
    CommandRequest,
    Phrase,
    answer_of,
    check_words,
    outcome_of,
    partition_of,
    with_ids,
)
from tocsin.api.serving import Served, Serving
from tocsin.domain.command import Command
from tocsin.domain.ids import short_hash
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

BULK_MAX: Final = 500
"""Incidents of one request: what a person can want at once, and half a second of one owner's time."""
DONE: Final = frozenset({"applied", "unchanged"})

Words = list[Annotated[str, Field(max_length=64)]]
Reference = Annotated[str, Field(min_length=1, max_length=128)]

router = APIRouter(tags=["commands"])


class Chosen(BaseModel):
    """Which incidents, by what they are: as in the list of incidents."""

    model_config = ConfigDict(extra="forbid")

    status: Words = []
    severity: Words = []
    category: Words = []
    service: str = Field("", max_length=256)
    team: str = Field("", max_length=256)
    q: str = Field("", max_length=256)


class BulkRequest(BaseModel):
    """One verb, many incidents."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,95}$")] | None = Field(
        None, description="Chosen by the client, so that it can ask again; else made here"
    )
    verb: str
    incidents: list[Reference] = Field([], max_length=BULK_MAX, description="Ids or numbers")
    filter: Chosen | None = Field(None, description="Instead of incidents: whichever these are now")
    reason: Phrase = ""
    arguments: dict[str, Any] = {}

    @model_validator(mode="after")
    def _names_some(self) -> "BulkRequest":
        if bool(self.incidents) == (self.filter is not None):
            raise ValueError("bulk needs either incidents or a filter")
        if self.filter is not None and not any(self.filter.model_dump().values()):
            raise ValueError("an empty filter would mean every incident that ever was; say which")
        if self.verb == "declare":
            raise ValueError("declare opens one incident at a time")
        return self


@router.post("/api/v1/commands/bulk", summary="Do the same to many incidents, and learn what became of each")
async def bulk(
    request: Request,
    serving: Served,
    wait: Annotated[
        float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for all outcomes")
    ] = WAIT_SECONDS,
) -> Response:
    """200 when each was applied or was so already, 207 when some were refused or are not known yet: `items` says which,
    in the order in which they were named; a filter finds the newest first."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        asked = BulkRequest.model_validate_json(body)
    alike: dict[str, Any] = {"verb": asked.verb, "reason": asked.reason, "arguments": asked.arguments}
    CommandRequest.model_validate({**alike, "incident": "any"})  # raises what is wrong with all of them
    references = await _references(serving, asked)
    bulk_id = asked.command_id or f"blk_{secrets.token_hex(8)}"
    commands: list[Command | dict[str, Any]] = []
    by_partition: dict[int, list[Command]] = {}
    for reference in dict.fromkeys(references):
        try:
            named = {"command_id": f"{bulk_id}.{short_hash(reference)}", "incident": reference}
            one = CommandRequest.model_validate({**alike, **named})
            check_words(one, serving.node.rules)
            command = await with_ids(serving, _command(one, request.state.actor))
            by_partition.setdefault(partition_of(command, serving.node.partitions), []).append(command)
            commands.append(command)
        except (Failure, ValidationError) as error:
            commands.append(_refused(f"{bulk_id}.{short_hash(reference)}", asked.verb, reference, error))
    for partition, together in by_partition.items():
        await serving.publish(COMMANDS, partition, [command_draft(command) for command in together])
    outcomes = iter(await _outcomes(serving, [one for one in commands if isinstance(one, Command)], wait))
    items = [one if isinstance(one, dict) else next(outcomes) for one in commands]
    counts: dict[str, int] = {}
    for item in items:
        counts[item["outcome"]] = counts.get(item["outcome"], 0) + 1
    answer = {"command_id": bulk_id, "verb": asked.verb, "counts": counts, "items": items}
    return Json(answer, 200 if counts.keys() <= DONE else 207)


async def _references(serving: Serving, asked: BulkRequest) -> list[str]:
    if asked.filter is None:
        return asked.incidents
    wanted = asked.filter
    page = await asyncio.to_thread(
        serving.queries.incidents,
        status=chosen("status", wanted.status, Status),
        severity=chosen("severity", wanted.severity, Severity),
        category=tuple(wanted.category),
        service=wanted.service,
        team=wanted.team,
        q=wanted.q,
        limit=BULK_MAX,
    )
    if page.total > BULK_MAX:
        raise Failure(422, "too_many", f"the filter finds {page.total} incidents; at most {BULK_MAX} at once")
    return [item["id"] for item in page.items]


def _command(asked: CommandRequest, actor: str) -> Command:
    return Command(
        command_id=str(asked.command_id),
        verb=asked.verb,
        incident=asked.incident,
        reason=asked.reason,
        actor=actor,
        arguments=asked.arguments,
    )


async def _outcomes(serving: Serving, commands: list[Command], wait: float) -> list[dict[str, Any]]:
    found = await asyncio.gather(*(outcome_of(serving, command.command_id, wait) for command in commands))
    return [
        {**answer_of(command, known), "asked": command.incident} for command, known in zip(commands, found, strict=True)
    ]


def _refused(command_id: str, verb: str, reference: str, error: Failure | ValidationError) -> dict[str, Any]:
    return {
        "command_id": command_id,
        "outcome": "rejected",
        "verb": verb,
        "reason": error.word if isinstance(error, Failure) else "invalid",
        "message": str(error) if isinstance(error, Failure) else str(error.errors()[0]["msg"]),
        "incident": None,
        "events": [],
        "asked": reference,
    }
