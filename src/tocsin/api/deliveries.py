"""The delivery ledger and the channels: who was told what, over what, with what answer; and sending it once more.

In: filters, ids. Out: deliveries with their attempts, channels with their state. To send again is a command to the
incident of the delivery (`resend`), like everything that changes something; nothing is sent from here.
"""

import asyncio
import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.channels import described
from tocsin.api.choice import chosen
from tocsin.api.commands import (
    BODY_BYTES_MAX,
    WAIT_SECONDS,
    WAIT_SECONDS_MAX,
    answer_of,
    outcome_of,
    partition_of,
)
from tocsin.api.incidents import Limit, Text, Words
from tocsin.api.serving import Served, Serving
from tocsin.domain.command import Command
from tocsin.domain.command.argument import TEXT_MAX
from tocsin.domain.errors import Retry
from tocsin.domain.ids import short_hash
from tocsin.persist.deliveries import delivery_with, waiting
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

STATUSES: Final = (
    "planned",
    "attempted",
    "delivered",
    "failed",
    "gave_up",
    "withdrawn",
    "suppressed",
    "bundled",
)
RESENT_MAX: Final = 500
"""Deliveries of one request; each is a command of its own."""
DONE: Final = frozenset({"applied", "unchanged"})

DeliveryId = Annotated[str, Path(max_length=128, description="As the list has it: ntf_…")]

router = APIRouter(tags=["notifications"])


@router.get("/api/v1/deliveries", summary="Who was told what, the last planned first")
def deliveries(
    serving: Served,
    incident: Text = "",
    status: Words = [],  # noqa: B006 - FastAPI copies it
    channel: Text = "",
    recipient: Text = "",
    limit: Limit = 50,
    cursor: Text = "",
) -> Response:
    """`incident`: id or number. `status`: planned, attempted, delivered, failed (waits for its next attempt), gave_up,
    withdrawn, suppressed, bundled (in the digest that `digest` names)."""
    page = serving.queries.every_delivery(
        incident=_incident(serving, incident),
        status=chosen("status", status, STATUSES),
        channel=channel,
        recipient=recipient,
        limit=limit,
        cursor=cursor,
    )
    return Json({"items": page.items, "next": page.next, "total": page.total})


def _incident(serving: Serving, reference: str) -> str:
    if not reference:
        return ""
    found = serving.queries.incident(reference)
    if found is None:
        raise not_found("incident", reference)
    return str(found["id"])


@router.get("/api/v1/deliveries/{delivery_id}", summary="One delivery with each attempt and the receiver's answers")
def delivery(serving: Served, delivery_id: DeliveryId) -> Response:
    """`attempt_list`: when, how long, what came back; `steps`: every word of the ledger with its reason."""
    found = delivery_with(serving.queries, delivery_id)
    if found is None:
        raise not_found("delivery", delivery_id)
    incident = serving.queries.incident(found["incident_id"]) if found["incident_id"] else None
    about = {name: incident[name] if incident else "" for name in ("number", "title")}
    return Json({**found, **about})


@router.get("/api/v1/channels", summary="The channels: which work, which fail, and what waits for them")
def channels(serving: Served) -> Response:
    """`target`: where it leads; `templates`: those that failed. `state`: closed (well), paused (its receiver asked for
    patience), open (it fails; one message at a time is
    tried), half_open (it is being tried). State and counts are those of the process that answers, since its start; what
    waits is counted over all, and null while the event log cannot say."""
    try:
        queued = waiting(serving.queries)
    except (Failure, Retry):
        queued = None
    none = {"waiting": 0, "pages": 0, "oldest_waiting_at": None}
    unknown = dict.fromkeys(none)
    items = serving.node.lanes.shown(serving.clock)
    known = {one["name"] for one in items}
    lost = [{"name": name, "type": "", "state": "not_configured"} for name in queued or {} if name not in known]
    said = described(serving)
    return Json(
        {
            "items": [
                one | said.get(one["name"], {}) | (unknown if queued is None else queued.get(one["name"], none))
                for one in items + lost
            ]
        }
    )


class ResendRequest(BaseModel):
    """Which deliveries are sent once more."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,95}$")] | None = Field(
        None, description="Chosen by the client, so that it can ask again; else made here"
    )
    deliveries: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field([], max_length=RESENT_MAX)
    status: list[Annotated[str, Field(max_length=64)]] = Field([], description="Instead of ids: all with this status")
    channel: str = Field("", max_length=256, description="With status: of this channel only")
    once: bool = Field(False, description="Each at most once a day, however often this is asked for")
    reason: str = Field("", max_length=TEXT_MAX)

    @model_validator(mode="after")
    def _names_some(self) -> "ResendRequest":
        if bool(self.deliveries) == bool(self.status):
            raise ValueError("give either deliveries or a status")
        if self.channel and not self.status:
            raise ValueError("channel goes with status")
        return self


@router.post("/api/v1/deliveries/resend", summary="Send deliveries once more, and learn what became of each")
async def resend(
    request: Request,
    serving: Served,
    wait: Annotated[
        float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for the outcomes")
    ] = WAIT_SECONDS,
) -> Response:
    """200 when each was taken, 207 when some were refused or are not known yet: `items` says which. What is sent again
    is a new delivery that says which one it repeats."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        asked = ResendRequest.model_validate_json(body)
    found = await asyncio.to_thread(_meant, serving, asked)
    together = asked.command_id or ("requeue" if asked.once else f"rsd_{secrets.token_hex(8)}")
    items: dict[str, dict[str, Any]] = {}
    commands: dict[str, Command] = {}
    for delivery_id, one in found.items():
        command_id = f"{together}.{short_hash(delivery_id)}"
        if not one["incident_id"]:
            items[delivery_id] = _refused(command_id)
            continue
        commands[delivery_id] = Command(
            command_id=command_id,
            verb="resend",
            incident=one["incident_id"],
            reason=asked.reason,
            actor=request.state.actor,
            arguments={"delivery": delivery_id, "channel": one["channel"], "recipient": one["recipient"]},
        )
    by_partition: dict[int, list[Command]] = {}
    for command in commands.values():
        by_partition.setdefault(partition_of(command, serving.node.partitions), []).append(command)
    for partition, some in by_partition.items():
        await serving.publish(COMMANDS, partition, [command_draft(command) for command in some])
    known = await asyncio.gather(*(outcome_of(serving, one.command_id, wait) for one in commands.values()))
    for (delivery_id, command), outcome in zip(commands.items(), known, strict=True):
        items[delivery_id] = answer_of(command, outcome)
    listed = [{"delivery_id": delivery_id, **items[delivery_id]} for delivery_id in found]
    done = sum(item["outcome"] in DONE for item in listed)
    return Json({"command_id": together, "resent": done, "items": listed}, 200 if done == len(listed) else 207)


def _meant(serving: Serving, asked: ResendRequest) -> dict[str, dict[str, Any]]:
    """The deliveries that are to be sent again, by their id."""
    if asked.status:
        page = serving.queries.every_delivery(
            status=chosen("status", asked.status, STATUSES), channel=asked.channel, limit=RESENT_MAX
        )
        if page.total > RESENT_MAX:
            raise Failure(422, "too_many", f"that finds {page.total} deliveries; at most {RESENT_MAX} at once")
        return {one["delivery_id"]: one for one in page.items}
    found = {name: delivery_with(serving.queries, name) for name in dict.fromkeys(asked.deliveries)}
    if missing := [name for name, one in found.items() if one is None]:
        raise not_found("delivery", missing[0])
    return {name: one for name, one in found.items() if one is not None}


def _refused(command_id: str) -> dict[str, Any]:
    return {
        "command_id": command_id,
        "outcome": "rejected",
        "verb": "resend",
        "reason": "digest",
        "message": "a digest is not sent again; send the messages that are in it (status bundled) instead",
        "incident": None,
        "events": [],
    }
