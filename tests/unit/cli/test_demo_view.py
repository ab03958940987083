"""The picture of the demo fits every terminal, and what is there to copy fits the smallest."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from rich.console import Console

from tocsin.cli.demo import invitation
from tocsin.cli.demo_play import Line, Scene, Watcher
from tocsin.cli.demo_view import Picture

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
CAPTION = "A network was down: late alerts arrive, minutes old and out of order. They find their incidents. " * 2


def incident(number: int, severity: str = "critical", status: str = "acknowledged") -> dict[str, Any]:
    return {
        "id": f"inc_{number}",
        "number": f"INC-2026-11-21-{number:03}",
        "severity": severity,
        "status": status,
        "title": "checkout answers every third request with 500",
        "firing": 14,
        "alerts": 14,
        "occurrences": 47,
        "service": "checkout",
        "timeline": [],
        "escalation": {"next": {"level": 2, "due_at": str(NOW + timedelta(seconds=118)), "escalate_to": "ops"}},
    }


def drawn(width: int, height: int, incidents: int, events: int) -> list[str]:
    scene = Scene(
        caption=CAPTION,
        incidents=[incident(number) for number in range(incidents, 0, -1)],
        lines=[
            Line(f"2026-11-21T03:12:{n:02}Z", "INC-2026-11-21-001", "incident.acknowledged", f"text {n} " + "x" * 200)
            for n in range(events)
        ],
    )
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, no_color=True)
    with console.capture() as captured:
        console.print(Picture(scene, NOW))
    return captured.get().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "").splitlines()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize("incidents", [0, 1, 4, 8])
@pytest.mark.parametrize("events", [0, 3, 50])
def test_the_picture_fits(size: tuple[int, int], incidents: int, events: int) -> None:
    width, height = size
    lines = drawn(width, height, incidents, events)
    assert len(lines) < height
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize("width", [80, 100, 120])
def test_what_matters_is_whole(width: int) -> None:
    text = "\n".join(drawn(width, 24, 4, 50))
    for word in ("INC-2026-11-21-004", "critical", "acknowledged", "checkout", "14/14", "2 in 118 s", "text 49"):
        assert word in text


def test_the_picture_does_not_jump_while_events_come() -> None:
    assert len({len(drawn(80, 24, 4, events)) for events in range(12)}) == 1


def test_the_invitation_fits_the_smallest_terminal() -> None:
    lines = invitation("http://127.0.0.1:9393", ".venv/bin/tocsin", "INC-2026-11-21-001").splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) < 80
    assert not any("TOCSIN_URL" in line for line in lines)
    assert "    export TOCSIN_URL=http://127.0.0.1:9394" in invitation("http://127.0.0.1:9394").splitlines()


async def test_the_scene_shows_one_moment() -> None:
    scene = Scene()

    async def answer(request: httpx.Request) -> httpx.Response:
        assert scene == Scene(), "changed before everything was looked up"
        if request.url.path == "/metrics":
            return httpx.Response(200, text='tocsin_alerts_deduplicated_total{reason="repeat"} 73.0\n')
        if request.url.path == "/api/incident_response":
            return httpx.Response(200, json={"items": [incident(1)], "total": 1})
        return httpx.Response(200, json=incident(1))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://tocsin") as client:
        await Watcher(client, scene).look()
    assert (scene.repeats, scene.opened, len(scene.incidents)) == (73, 1, 1)
