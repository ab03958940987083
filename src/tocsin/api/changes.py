"""Changes to services: pipelines and people report them, incidents show them.

In: what was changed, when and by whom. Out: its id; lists. A change goes through the log like every command; the same
id is recorded once.
"""

import secrets
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.serving import Served
from tocsin.domain import ids
from tocsin.domain.command import Command, checked
from tocsin.domain.instant import Instant, as_utc
from tocsin.persist.changes import LIMIT_MAX, changes
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

BODY_BYTES_MAX: Final = 64 * 1024
WAIT_SECONDS: Final = 5.0
WAIT_SECONDS_MAX: Final = 30.0
STATUS: Final = {"applied": 201, "unchanged": 200, "rejected": 409}

Text = Annotated[str, Query(max_length=120)]

router = APIRouter(tags=["changes"])


class ChangeRequest(BaseModel):
    """One change, as a client writes it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")] | None = Field(
        None, description="Chosen by the client: a repetition is recorded once within 24 h"
    )
    title: str = Field(min_length=1, max_length=300, description="What was changed, in one line")
    service: str = Field("", max_length=120, description="Of what")
    at: datetime | None = Field(None, description="When; default: now")
    author: str = Field("", max_length=120, description="Who changed it; default: who reports it")
    link: str = Field("", max_length=500, description="Where to see it: a pipeline, a commit")
    description: str = Field("", max_length=1000)
    labels: dict[str, str] = Field({}, max_length=64, description="Names with texts: version, environment, …")


@router.post("/api/v1/changes", summary="Report a change: a deployment, a setting, a migration")
async def report(
    request: Request,
    serving: Served,
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = WAIT_SECONDS,
) -> Response:
    """201 recorded, 202 when that is not known yet. Only `title` has to be given."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        asked = ChangeRequest.model_validate_json(body)
    said: dict[str, Any] = {
        name: value for name, value in asked.model_dump(exclude={"id", "at"}).items() if value not in ("", {})
    }
    if asked.at is not None:
        said["at"] = _instant("at", asked.at).isoformat()
    checked("record_change", said)
    command = Command(
        command_id=f"change:{asked.id}" if asked.id else f"cmd_{secrets.token_hex(12)}",
        verb="record_change",
        actor=request.state.actor,
        arguments=said,
    )
    partitions = serving.node.partitions
    partition = ids.partition_of_key(f"change:{asked.service}", partitions)
    await serving.publish(COMMANDS, partition, [command_draft(command)])
    log = serving.node.event_log
    known = None if log is None else await log.wait_outcome(command.command_id, wait)
    outcome = known["outcome"] if known else "pending"
    answer = {"id": ids.change_id(partition, command.command_id), "outcome": outcome}
    if outcome == "rejected":
        raise Failure(409, known["reason"] if known else "rejected", known["message"] if known else "")
    return Json(answer, STATUS.get(outcome, 202))


@router.get("/api/v1/changes", summary="Changes, newest first")
def listed(
    serving: Served,
    service: Text = "",
    after: datetime | None = None,
    before: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
) -> Response:
    found = changes(
        serving.queries,
        services=(service,) if service else (),
        after=None if after is None else _instant("after", after),
        before=None if before is None else _instant("before", before),
        limit=limit,
    )
    return Json({"items": found})


def _instant(name: str, given: datetime) -> Instant:
    try:
        return as_utc(given)
    except OverflowError:
        raise Failure(422, "invalid", f"{name}: out of range") from None
