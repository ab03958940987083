"""Is it alive, is it ready, what does it count."""

import asyncio
import contextlib
import shutil

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from tocsin.api.answer import Json
from tocsin.api.serving import Served

router = APIRouter(tags=["operations"])


@router.get("/-/healthy", summary="The process answers")
@router.get("/healthz", include_in_schema=False)
async def healthy() -> Response:
    return PlainTextResponse("tocsin is healthy\n")


@router.get("/-/ready", summary="Every partition is worked on; 503 with the problems when not")
@router.get("/readyz", include_in_schema=False)
async def ready(serving: Served) -> Response:
    health = serving.node.health()
    answer = {"ready": health.ready, "problems": list(health.problems), "notes": list(health.notes)}
    return Json(answer, 200 if health.ready else 503)


@router.get("/metrics", summary="Metrics in the text format of Prometheus")
async def metrics(serving: Served) -> Response:
    health, counted = serving.node.health(), serving.node.metrics
    counted.set("tocsin_ready", health.ready)
    counted.set("tocsin_problems", len(health.problems))
    counted.set("tocsin_clock_seconds", serving.clock.now().timestamp())
    for channel, state, is_in_it in serving.node.lanes.states(serving.clock):
        counted.set("tocsin_channel_state", is_in_it, channel, state)
    # In a thread: a network disk may take its time, and 10,000 series take some 50 ms.
    text = await asyncio.to_thread(_text, serving)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _text(serving: Served) -> bytes:
    settings = serving.settings
    files = [settings.event_log_path, *([settings.log_path] if settings.broker.startswith("embedded:") else [])]
    with contextlib.suppress(OSError):  # no directory, no figure
        free = min(shutil.disk_usage(file.parent).free for file in files)
        serving.node.metrics.set("tocsin_disk_free_bytes", free)
    return serving.node.metrics.exposition()
