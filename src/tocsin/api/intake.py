"""Alerts come in: every format at one address, and the addresses that Prometheus and PagerDuty clients know.

In: a body. Out: records in `alerts.raw.v1`, and an answer per item. 2xx only after the records are durable. What the
bytes mean is decided by `ingest.intake.take`; nothing is looked into here.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.serving import Served, Serving
from tocsin.domain import ids
from tocsin.domain.errors import Reject
from tocsin.ingest.intake import Intake, IntakeRecord, take
from tocsin.topics import RAW
from tocsin.wire.record import Draft

ALERTS_BYTES_MAX: Final = 32 * 1024 * 1024
"""Alertmanager does not repeat what is refused with 4xx, so its largest bodies must pass; `take` has lower limits."""
ENQUEUE_BYTES_MAX: Final = 512 * 1024
"""The limit of PagerDuty itself."""

router = APIRouter(tags=["intake"])


@router.post("/api/v1/alerts", summary="Take alerts in any supported format")
async def alerts(request: Request, serving: Served, format: str | None = Query(None, max_length=40)) -> Response:
    """202 when all items are accepted, 207 when some are, 400 when none is."""
    try:
        taken, accepted = await _take(request, serving, format, ALERTS_BYTES_MAX)
    except Reject as error:
        raise _failure(error) from error
    items = [
        {"index": index, "alert_id": accepted.get(index), "error": _error_of(taken, index)}
        for index in range(taken.count)
    ]
    status = 202 if not taken.errors else 207 if accepted else 400
    return Json({"accepted": len(accepted), "items": items}, status)


@router.post("/api/v2/alerts", summary="Take alerts as Alertmanager does: Prometheus can be pointed here")
async def alerts_like_alertmanager(request: Request, serving: Served) -> Response:
    """200 and nothing else, or 400 with a JSON text; what is valid in a mixed batch is stored all the same."""
    try:
        taken, _ = await _take(request, serving, "prometheus", ALERTS_BYTES_MAX)
    except Reject as error:
        if error.word == "too_large":
            raise _failure(error) from error
        return Json(str(error), 400)
    if taken.errors:
        return Json("; ".join(f"alert {index}: {error.message}" for index, error in taken.errors.items()), 400)
    return Response(status_code=200)


@router.post("/v2/enqueue", summary="Take an event as PagerDuty Events v2 does")
async def enqueue(request: Request, serving: Served) -> Response:
    try:
        taken, _ = await _take(request, serving, "pagerduty", ENQUEUE_BYTES_MAX)
    except Reject as error:
        if error.word == "too_large":
            raise _failure(error) from error
        return _invalid_event([str(error)])
    if taken.errors:
        return _invalid_event([error.message for error in taken.errors.values()])
    return Json({"status": "success", "message": "Event processed", "dedup_key": taken.dedup_key}, 202)


def _invalid_event(errors: list[str]) -> Json:
    return Json({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400)


def _failure(error: Reject) -> Failure:
    return Failure(413 if error.word == "too_large" else 400, error.word, str(error))


def _error_of(taken: Intake, index: int) -> dict[str, Any] | None:
    error = taken.errors.get(index)
    return None if error is None else {"error": error.word, "message": error.message}


async def _take(
    request: Request, serving: Serving, format: str | None, bytes_max: int
) -> tuple[Intake, dict[int, str]]:
    """What was read, and the alert ids of the items that are durable, by their index in the request.

    Raises:
        Reject: the body is wrong as a whole.
        Failure: it is too large, or cannot be stored now.
    """
    partitions = serving.node.broker.partitions(RAW.name)
    async with body_of(request, serving, bytes_max) as body:
        taken = take(
            body,
            format=format,
            content_type=request.headers.get("content-type", ""),
            headers=request.headers.items(),
            received_at=serving.clock.now(),
            seed=secrets.token_hex(16),
            partitions=partitions,
        )
        return taken, await store(serving, taken)


async def store(serving: Serving, taken: Intake) -> dict[int, str]:
    """Write the records of a request, and return the alert ids of its items by their index.

    Raises:
        Failure: the log cannot take them now.
    """
    partitions = serving.node.broker.partitions(RAW.name)
    by_partition: dict[int, list[IntakeRecord]] = {}
    for record in taken.records:
        by_partition.setdefault(ids.partition_of_key(record.partition_key, partitions), []).append(record)
    accepted: dict[int, str] = {}
    for partition, records in by_partition.items():
        offsets = await serving.publish(RAW, partition, [_draft(record) for record in records])
        incarnation = await serving.incarnation(RAW)
        for offset, record in zip(offsets, records, strict=True):
            accepted |= _alert_ids(record, partition, incarnation, offset)
    return accepted


def _alert_ids(record: IntakeRecord, partition: int, incarnation: str, offset: int) -> Mapping[int, str]:
    return {place: ids.alert_id(partition, incarnation, offset, index) for index, place in enumerate(record.places)}


def _draft(record: IntakeRecord) -> Draft:
    headers = (("content-type", b"application/json"), ("tocsin_format", record.format.encode()))
    return Draft(record.partition_key.encode("utf-8", "replace"), record.value, headers)
