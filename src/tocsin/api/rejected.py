"""What ingest could not use: listed, shown, and given back to it.

In: ids as `<partition>/<offset>` of `alerts.rejected.v1`. Out: reason, place and bytes of each; what is requeued
becomes a raw record again, and the log says so (`runtime/requeue.py`). Markers are no rejected records and not shown
as such.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.log import OFFSET_MAX, headers_of, text_or_base64
from tocsin.api.serving import Served, Serving
from tocsin.runtime import requeue
from tocsin.runtime.requeue import Outcome, Outcomes, Refused
from tocsin.topics import RAW, REJECTED
from tocsin.wire.record import Draft, Record

SHOWN_MAX: Final = 500
REQUEUED_MAX: Final = 500
"""Records of one request; the command line asks as often as it has to."""
REQUEUED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Held in memory before they are published."""
BODY_BYTES_MAX: Final = 64 * 1024
ERROR_PREFIX: Final = "tocsin_error_"
_ID: Final = re.compile(r"(0|[1-9][0-9]{0,8})/(0|[1-9][0-9]{0,17})")

router = APIRouter(tags=["log"])


class Rejects:
    """The rejected records of one application: what became of them, and one requeue at a time."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._outcomes = Outcomes(serving.node.broker)
        self._reading = asyncio.Lock()
        self.writing = asyncio.Lock()
        """Two people who requeue the same at once get two answers, not two alerts."""

    async def outcomes(self, partition: int) -> dict[int, Outcome]:
        async with self._reading:
            return await self._outcomes.read(partition)

    def shown(self, partition: int, record: Record, outcomes: dict[int, Outcome]) -> dict[str, Any]:
        """Reason, place and outcome of a rejected record; `id` is what `rejected show` takes."""
        headers = headers_of(record)
        own = {name.removeprefix(ERROR_PREFIX): text for name, text in headers.items() if name.startswith(ERROR_PREFIX)}
        item = {"id": f"{partition}/{record.offset}", "timestamp": record.timestamp, "bytes": len(record.value or b"")}
        if requeue.FROM in headers:
            item["requeued_from"] = headers[requeue.FROM]
        if (outcome := outcomes.get(record.offset)) is not None:
            item |= {"requeued_at": outcome.at, "requeued_by": outcome.by, "requeued_to": outcome.to}
        return item | own

    async def record(self, partition: int, offset: int) -> Record | None:
        """The rejected record at that place, if there is one."""
        broker = self._serving.node.broker
        if partition >= broker.partitions(REJECTED.name):
            return None
        found = await broker.read(REJECTED.name, partition, offset, records_max=1)
        if not found or found[0].offset != offset or requeue.marked(found[0]) is not None:
            return None
        return found[0]


def rejects_of(serving: Serving, request: Request) -> Rejects:
    """The one `Rejects` of the application."""
    state = request.app.state
    if not hasattr(state, "rejects"):
        state.rejects = Rejects(serving)
    found = state.rejects
    assert isinstance(found, Rejects)
    return found


@router.get("/api/v1/rejected", summary="What ingest could not use, newest first")
async def rejected(
    request: Request,
    serving: Served,
    limit: Annotated[int, Query(ge=1, le=SHOWN_MAX)] = 50,
    reason: Annotated[str, Query(max_length=64, description="Only with this reason")] = "",
    partition: Annotated[int | None, Query(ge=0, description="Only of this one, and oldest first")] = None,
    start: Annotated[int, Query(alias="from", ge=0, le=OFFSET_MAX, description="With partition: first offset")] = 0,
) -> Response:
    """With `partition` one page in the order of the log: `next` is where to go on, `end` the end at the time."""
    rejects, broker = rejects_of(serving, request), serving.node.broker
    partitions = broker.partitions(REJECTED.name)
    if partition is not None:
        if partition >= partitions:
            raise Failure(404, "not_found", f"{REJECTED.name} has {partitions} partitions, counted from 0")
        end = await broker.end(REJECTED.name, partition)
        records = await broker.read(REJECTED.name, partition, start, records_max=limit)
        outcomes = await rejects.outcomes(partition)
        items = [rejects.shown(partition, record, outcomes) for record in _wanted(records, reason)]
        return Json({"items": items, "next": records[-1].offset + 1 if records else max(start, end), "end": end})
    found: list[tuple[tuple[int, int], dict[str, Any]]] = []
    for number in range(partitions):
        outcomes = await rejects.outcomes(number)
        for record in await _newest(serving, number, reason, limit):
            found.append(((record.timestamp, record.offset), rejects.shown(number, record, outcomes)))
    found.sort(key=lambda one: one[0], reverse=True)
    return Json({"items": [item for _, item in found[:limit]]})


async def _newest(serving: Serving, partition: int, reason: str, limit: int) -> list[Record]:
    """The last `limit` rejected records of a partition, in their order."""
    broker = serving.node.broker
    begin, end = await broker.begin(REJECTED.name, partition), await broker.end(REJECTED.name, partition)
    found: list[Record] = []
    while end > begin and len(found) < limit:
        start = max(begin, end - limit)
        page: list[Record] = []
        offset = start
        while offset < end:
            records = await broker.read(REJECTED.name, partition, offset, records_max=end - offset)
            if not records:
                break
            page += _wanted(records, reason)
            offset = records[-1].offset + 1
        found, end = page + found, start
    return found[-limit:]


def _wanted(records: Sequence[Record], reason: str) -> list[Record]:
    """The rejected records among `records`, with that reason if one is given."""
    wanted = reason.encode()
    return [
        record
        for record in records
        if requeue.marked(record) is None and (not reason or record.header(ERROR_PREFIX + "reason") == wanted)
    ]


@router.get("/api/v1/rejected/{partition}/{offset}", summary="One rejected record with its bytes")
async def one_rejected(
    request: Request,
    serving: Served,
    partition: Annotated[int, Path(ge=0)],
    offset: Annotated[int, Path(ge=0, le=OFFSET_MAX)],
) -> Response:
    rejects = rejects_of(serving, request)
    record = await rejects.record(partition, offset)
    if record is None:
        raise not_found("rejected record", f"{partition}/{offset}")
    shown = rejects.shown(partition, record, await rejects.outcomes(partition))
    return Json(shown | text_or_base64("value", record.value) | {"headers": headers_of(record)})


class RequeueRequest(BaseModel):
    """Which records go back to the raw topic."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    ids: list[Annotated[str, Field(max_length=32)]] = Field(min_length=1, max_length=REQUEUED_MAX)
    force: bool = Field(False, description="Also those that were requeued before")


@router.post("/api/v1/rejected/requeue", summary="Give rejected records back to ingest")
async def requeued(request: Request, serving: Served) -> Response:
    """200 when all were requeued, 207 when some were, 409 when none was; `items` says of each what became of it."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        asked = RequeueRequest.model_validate_json(body)
    rejects = rejects_of(serving, request)
    async with rejects.writing:
        items = await _Requeue(serving, rejects, request.state.actor, asked.force).all(asked.ids)
    done = sum("to" in item for item in items)
    return Json({"requeued": done, "items": items}, 200 if done == len(items) else 207 if done else 409)


class _Requeue:
    """One request: reads, publishes in batches, marks."""

    def __init__(self, serving: Serving, rejects: Rejects, by: str, force: bool) -> None:
        self._serving = serving
        self._rejects = rejects
        self._by = by
        self._force = force
        self._before: dict[int, dict[int, Outcome]] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._waiting: dict[int, list[tuple[int, int, Draft]]] = {}
        """Raw partition -> (partition, offset, draft) of what is not published yet."""
        self._bytes = 0

    async def all(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        for identifier in dict.fromkeys(ids):
            try:
                await self._take(identifier)
            except Refused as refused:
                self._items[identifier] = {"id": identifier, "error": refused.word, "message": str(refused)}
            if self._bytes > REQUEUED_BYTES_MAX:
                await self._publish()
        await self._publish()
        return list(self._items.values())

    async def _take(self, identifier: str) -> None:
        place = _ID.fullmatch(identifier)
        record = await self._rejects.record(int(place[1]), int(place[2])) if place else None
        if place is None or record is None:
            raise Refused("not_found", f"no rejected record {identifier!r}")
        partition = int(place[1])
        if partition not in self._before:  # nobody else writes here before this request is done
            self._before[partition] = await self._rejects.outcomes(partition)
        before = self._before[partition].get(record.offset)
        if before is not None and not self._force:
            raise Refused("already_requeued", f"{before.by} requeued it before, to {before.to}")
        draft = requeue.draft_of(partition, record, self._by)
        where = requeue.raw_partition(record, self._serving.node.broker.partitions(RAW.name))
        self._waiting.setdefault(where, []).append((partition, record.offset, draft))
        self._items[identifier] = {"id": identifier}
        self._bytes += draft.size

    async def _publish(self) -> None:
        for where, waiting in self._waiting.items():
            offsets = await self._serving.publish(RAW, where, [draft for _, _, draft in waiting])
            markers: dict[int, list[Draft]] = {}
            for (partition, offset, _), placed in zip(waiting, offsets, strict=True):
                to = f"{RAW.name}/{where}/{placed}"
                markers.setdefault(partition, []).append(requeue.marker_of(offset, to, self._by))
                self._items[f"{partition}/{offset}"]["to"] = to
            for partition, drafts in markers.items():
                await self._serving.publish(REJECTED, partition, drafts)
        self._waiting, self._bytes = {}, 0
