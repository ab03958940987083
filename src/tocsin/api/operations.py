"""Is it alive, is it ready, what does it count."""

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
    return Json({"ready": health.ready, "problems": list(health.problems)}, 200 if health.ready else 503)


@router.get("/metrics", summary="Metrics in the text format of Prometheus")
def metrics(serving: Served) -> Response:
    return Response(serving.node.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
