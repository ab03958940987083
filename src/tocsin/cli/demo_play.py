"""Plays the story of the demo against a running tocsin and looks at what becomes of it: over HTTP only.

In: the steps of `demo_story`, a client. Out: requests, and a `Scene` that is looked up anew twice a second. `Pager` is
the receiving end of the webhook channel. Nothing here reaches into tocsin: what the demo shows is what any client sees.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec
import orjson
from prometheus_client.parser import text_string_to_metric_families

from tocsin.cli import demo_story as story
from tocsin.cli.demo_story import Act, Say, Send

LOOK_SECONDS: Final = 0.4
PAUSE_SECONDS: Final = 0.5
"""Between two attempts to send."""
ATTEMPTS: Final = 10
INCIDENTS_SHOWN: Final = 8
EVENTS_KEPT: Final = 200
PAGES_KEPT: Final = 1000

REPEATS: Final = "tocsin_alerts_deduplicated_total"


class Line(msgspec.Struct, frozen=True, order=True):
    """One event of a timeline."""

    at: str
    number: str
    type: str
    text: str


class Scene(msgspec.Struct):
    """What is to be seen now."""

    caption: str = ""
    second: float = 0.0
    """Of the story, not of the clock."""
    alerts: int = 0
    """Accepted by the intake."""
    storm: int = 0
    """Of them, those of the storm."""
    repeats: int = 0
    opened: int = 0
    escalations: int = 0
    pages: int = 0
    """Distinct messages that the pager received."""
    incidents: list[dict[str, Any]] = []
    lines: list[Line] = []
    over: bool = False
    """The story is told."""


class Pager:
    """An ASGI application that takes webhooks and remembers which deliveries it has seen."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._seen: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        identifier = dict(scope["headers"]).get(b"webhook-id", b"").decode("latin-1")
        if len(self._seen) < PAGES_KEPT:
            self._seen.add(identifier)
        self._scene.pages = len(self._seen)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Player:
    """Does what the story says, when it says so."""

    def __init__(self, client: httpx.AsyncClient, scene: Scene, *, speed: float) -> None:
        self._client = client
        self._scene = scene
        self._speed = speed
        self._began = datetime.now(UTC)

    async def play(self) -> None:
        """Play the whole story.

        Raises:
            httpx.HTTPError: tocsin did not take something, several times.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        for step in (*story.STORY, Say(at=story.LENGTH, text="")):
            while (wait := step.at / self._speed - (loop.time() - start)) > 0:
                self._scene.second = (loop.time() - start) * self._speed
                await asyncio.sleep(min(wait, LOOK_SECONDS / 2))
            await self._do(step)
        self._scene.second = story.LENGTH
        self._scene.over = True

    async def _do(self, step: story.Step) -> None:
        match step:
            case Say():
                self._scene.caption = step.text or self._scene.caption
            case Send():
                await self._send(step)
            case Act():
                await self._act(step)

    async def _send(self, step: Send) -> None:
        url = "https://alertmanager.example"
        body = story.webhook(step, began=self._began, now=datetime.now(UTC), speed=self._speed, url=url)
        answer = await self._post("/api/v1/alerts", body)
        self._scene.alerts += answer["accepted"]
        self._scene.storm += answer["accepted"] if step.storm else 0

    async def _act(self, step: Act) -> None:
        found = await self._client.get("/api/incident_response", params={"service": step.trouble.service})
        for incident in found.raise_for_status().json()["items"]:
            command = {"verb": step.verb, "incident": incident["id"], "reason": step.reason}
            await self._post("/api/v1/commands", command, {"X-Tocsin-Actor": "ada"})

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        attempt = 1
        while True:
            try:
                answer = await self._client.post(
                    path, content=orjson.dumps(body), headers={"Content-Type": "application/json", **(headers or {})}
                )
                return answer.raise_for_status().json()
            except httpx.HTTPError:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
                await asyncio.sleep(PAUSE_SECONDS)


class Watcher:
    """Keeps the scene current."""

    def __init__(self, client: httpx.AsyncClient, scene: Scene) -> None:
        self._client = client
        self._scene = scene

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once. The scene changes at one go: whoever looks at it sees one moment."""
        page = await self._get("/api/incident_response", limit=INCIDENTS_SHOWN)
        incidents = [await self._get(f"/api/incident_response/{item['id']}") for item in page["items"]]
        metrics = await self._client.get("/metrics")
        scene = self._scene
        scene.repeats = repeats(metrics.raise_for_status().text)
        scene.incidents = incidents
        scene.opened = page["total"]
        scene.lines = sorted(line for incident in incidents for line in _lines(incident))[-EVENTS_KEPT:]
        scene.escalations = sum(
            1 for incident in incidents for item in incident["timeline"] if item["type"] == "escalation.fired"
        )

    async def _get(self, path: str, **parameters: Any) -> Any:
        answer = await self._client.get(path, params=parameters)
        return answer.raise_for_status().json()


def _lines(incident: dict[str, Any]) -> list[Line]:
    return [
        Line(item["at"], incident["number"], item["type"], item["text"] or item["reason"])
        for item in incident["timeline"]
    ]


def repeats(exposition: str) -> int:
    """The count of repeats in a text of metrics."""
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == REPEATS and sample.labels.get("reason") == "repeat"
    )


def is_told(scene: Scene) -> bool:
    """Whether everything that the story promises has happened: its consequences take a moment longer."""
    by_service = {incident["service"]: incident for incident in scene.incidents}
    return (
        scene.over
        and scene.opened == story.STORM_INCIDENTS
        and scene.escalations >= 2
        and _status(by_service, story.SEARCH) == "acknowledged"
        and _status(by_service, story.DATABASE) == "resolved"
        and _status(by_service, story.CHECKOUT) == "open"
        and sum(incident["occurrences"] for incident in scene.incidents) == scene.alerts
    )


def _status(by_service: dict[str, dict[str, Any]], trouble: story.Trouble) -> str:
    return str(by_service.get(trouble.service, {}).get("status", ""))
