"""The log itself: its topics, and their records as `topics export` writes them.

Records are shown as they are, those of a journal that do not count included (they are marked).
"""

import base64
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from tocsin.api import asyncapi
from tocsin.api.answer import Failure, Json
from tocsin.api.serving import Served
from tocsin.runtime.broker import Broker
from tocsin.settings.problem import suggestion
from tocsin.topics import TOPICS, Kind, Topic
from tocsin.wire.events import counts
from tocsin.wire.record import Record

RECORDS_MAX: Final = 1000
OFFSET_MAX: Final = 2**62
"""Above every offset, below what databases count to."""
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
WAIT_SECONDS_MAX: Final = 30.0

router = APIRouter(tags=["log"])


@router.get("/api/asyncapi.json", summary="The topics to publish to and to subscribe to, as an AsyncAPI document")
def description() -> Response:
    # In a thread: it is made from the source once, which takes some 0.1 s.
    return Response(asyncapi.content(), media_type="application/json")


@router.get("/api/v1/topics", summary="The topics with the offsets of their partitions")
async def topics(serving: Served) -> Response:
    broker = serving.node.broker
    return Json({"items": [await _described(broker, topic) for topic in TOPICS.values()]})


async def _described(broker: Broker, topic: Topic) -> dict[str, Any]:
    partitions = [
        {
            "partition": partition,
            "begin": await broker.begin(topic.name, partition),
            "end": await broker.end(topic.name, partition),
        }
        for partition in range(broker.partitions(topic.name))
    ]
    return {
        "topic": topic.name,
        "kind": topic.kind,
        "retention_days": topic.retention_days,
        "records": sum(one["end"] - one["begin"] for one in partitions),
        "partitions": partitions,
    }


@router.get("/api/v1/topics/{topic}/{partition}/records", summary="Records of one partition, in order")
async def records(
    serving: Served,
    topic: str,
    partition: Annotated[int, Path(ge=0)],
    start: Annotated[
        int | None, Query(alias="from", ge=-OFFSET_MAX, le=OFFSET_MAX, description="Offset; negative = before the end")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=RECORDS_MAX)] = RECORDS_MAX,
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for a record")] = 0.0,
) -> Response:
    """`next` is where to go on; `end` is the end of the partition at the time."""
    broker = serving.node.broker
    _check(broker, topic, partition)
    begin, end = await broker.begin(topic, partition), await broker.end(topic, partition)
    offset = begin if start is None else max(begin, end + start if start < 0 else start)
    if offset >= end and wait:
        await broker.wait({(topic, partition): offset}, wait)
    found = await broker.read(topic, partition, offset, records_max=limit, bytes_max=ANSWER_BYTES_MAX)
    following = found[-1].offset + 1 if found else offset
    return Json(
        {
            "records": [line(topic, partition, record) for record in found],
            "next": following,
            "end": max(await broker.end(topic, partition), following if found else 0),
        }
    )


def _check(broker: Broker, topic: str, partition: int) -> None:
    if topic not in TOPICS:
        raise Failure(404, "not_found", f"no topic {topic!r}{suggestion(topic, TOPICS)}")
    if partition >= broker.partitions(topic):
        raise Failure(404, "not_found", f"{topic} has {broker.partitions(topic)} partitions, counted from 0")


def line(topic: str, partition: int, record: Record) -> dict[str, Any]:
    """One record as a line of `topics export`: exact, `value` when it is text, else `value_base64`."""
    shown: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None,
        "headers": headers_of(record),
    }
    if TOPICS[topic].kind is Kind.JOURNAL and not counts(record.headers, record.offset):
        shown["counts"] = False
    return shown | text_or_base64("key", record.key) | text_or_base64("value", record.value)


def headers_of(record: Record) -> dict[str, str]:
    """The headers as texts."""
    return {name: value.decode("utf-8", "replace") for name, value in record.headers}


def text_or_base64(name: str, value: bytes | None) -> dict[str, str | None]:
    """A field as it is when it is text, else in base64 under a name that says so."""
    try:
        return {name: None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value or b"").decode()}
