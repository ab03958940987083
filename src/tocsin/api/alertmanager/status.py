"""Who we are and whom we tell, as Alertmanager says it. No secret, no address: names of channels only."""

from typing import Any, Final

import yaml
from fastapi import APIRouter
from fastapi.responses import Response

import tocsin
from tocsin.api.answer import Json
from tocsin.api.serving import Served, Serving
from tocsin.wire.events import rfc3339

API_VERSION: Final = "0.25.0"
"""The Alertmanager whose API this is, that of Debian's amtool: clients choose what they ask for by it, and amtool warns
when it is not its own."""

router = APIRouter(tags=["alertmanager"])


@router.get("/api/v2/receivers", summary="The channels, as receivers of Alertmanager")
async def receivers(serving: Served) -> Response:
    return Json([{"name": name} for name in _channels(serving)])


@router.get("/api/v2/status", summary="Version, configuration and start, as Alertmanager says them")
async def status(serving: Served) -> Response:
    """The configuration is one that Alertmanager could read: its receivers are our channels."""
    return Json(
        {
            "cluster": {"name": "", "status": "disabled", "peers": []},
            "versionInfo": {
                "version": API_VERSION,
                "revision": f"tocsin {tocsin.__version__}",
                "branch": "tocsin",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            },
            "config": {"original": _config(serving)},
            "uptime": rfc3339(serving.started_at),
        }
    )


def _channels(serving: Serving) -> list[str]:
    return sorted(serving.settings.channels())


def _config(serving: Serving) -> str:
    catch_all = serving.node.rules.notify.catch_all
    channels = _channels(serving)
    tree: dict[str, Any] = {
        "route": {"receiver": next((name for name in catch_all if name in channels), channels[0])},
        "receivers": [{"name": name} for name in channels],
    }
    note = f"# tocsin {tocsin.__version__}: its receivers are channels; see /api/v1/settings for its own rules\n"
    return note + yaml.safe_dump(tree, sort_keys=False)
