"""What people see of the demo: a live picture on a terminal, lines with a time elsewhere. All of it on standard error.

In: a `Scene`. Out: words. It changes nothing and knows nothing but the scene. Texts are escaped: in a real storm they
come from outside.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tocsin.cli import demo_story as story
from tocsin.cli.demo_play import Line, Scene
from tocsin.cli.output import SEVERITY_STYLE, plain, say

DRAW_SECONDS: Final = 0.25
EVENTS_SHOWN: Final = 8
STATUS_STYLE: Final = {
    "open": "bold red",
    "investigating": "yellow",
    "acknowledged": "yellow",
    "mitigated": "cyan",
    "resolved": "green",
    "closed": "dim",
}
QUIET: Final = (
    "delivery.planned",
    "delivery.attempted",
    "incident.alert_",
    "escalation.scheduled",
    "command.",
)
"""Events that are not worth a line of the ticker."""


class View(Protocol):
    """One way to show the scene; shows it until it is cancelled."""

    async def show(self, scene: Scene) -> None: ...


def view_for(live: bool) -> View:
    return LiveView() if live else PlainView()


def loud(lines: list[Line]) -> list[Line]:
    """The events that are worth a line, oldest first."""
    return [line for line in lines if not line.type.startswith(QUIET)]


class PlainView:
    """Writes a line for each caption and event."""

    async def show(self, scene: Scene) -> None:
        caption, seen = "", set[Line]()
        while True:
            if scene.caption != caption:
                caption = scene.caption
                say(f"{datetime.now(UTC):%H:%M:%S} -- {caption}")
            for line in loud(scene.lines):
                if line not in seen:
                    seen.add(line)
                    say(f"{_clock(line.at)} {line.number} {line.type} {plain(line.text)}")
            await asyncio.sleep(DRAW_SECONDS)


class LiveView:
    """Draws the scene in place."""

    async def show(self, scene: Scene) -> None:
        console = Console(stderr=True, highlight=False)
        with Live(picture(scene, datetime.now(UTC)), console=console, auto_refresh=False) as live:
            try:
                while True:
                    live.update(picture(scene, datetime.now(UTC)), refresh=True)
                    await asyncio.sleep(DRAW_SECONDS)
            finally:
                live.update(picture(scene, datetime.now(UTC)), refresh=True)


def picture(scene: Scene, now: datetime) -> RenderableType:
    """The whole picture."""
    return Panel(
        Group(
            Text(scene.caption, style="bold"),
            Text(""),
            ProgressBar(total=story.LENGTH, completed=min(scene.second, story.LENGTH)),
            Text(""),
            _counters(scene),
            _incidents(scene, now),
            _ticker(scene),
        ),
        title="tocsin",
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _counters(scene: Scene) -> Table:
    counters = (
        ("alerts in", scene.alerts),
        ("repeats", scene.repeats),
        ("incidents", scene.opened),
        ("escalations", scene.escalations),
        ("pages received", scene.pages),
    )
    table = Table.grid(expand=True)
    for _ in counters:
        table.add_column(justify="center")
    table.add_row(*(Text(str(number), style="bold") for _, number in counters))
    table.add_row(*(Text(name, style="dim") for name, _ in counters))
    return table


def _incidents(scene: Scene, now: datetime) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("INCIDENT", "SEVERITY", "STATUS", "TITLE", "ALERTS", "SEEN", "ESCALATES"):
        table.add_column(name, justify="right" if name in ("ALERTS", "SEEN") else "left", no_wrap=name != "TITLE")
    for incident in reversed(scene.incidents):
        severity, status = plain(incident["severity"]), plain(incident["status"])
        table.add_row(
            Text(plain(incident["number"])),
            Text(severity, style=SEVERITY_STYLE.get(severity, "")),
            Text(status, style=STATUS_STYLE.get(status, "")),
            Text(plain(incident["title"])),
            Text(f"{incident['firing']}/{incident['alerts']}"),
            Text(str(incident["occurrences"])),
            Text(escalates(incident, now)),
        )
    return table


def escalates(incident: dict[str, Any], now: datetime) -> str:
    """What escalates next, and in how long."""
    step = (incident.get("escalation") or {}).get("next")
    if not step:
        return ""
    seconds = max(0, round((datetime.fromisoformat(step["due_at"]) - now).total_seconds()))
    return f"level {step['level']} in {seconds} s"


def _ticker(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 1))
    for line in loud(scene.lines)[-EVENTS_SHOWN:]:
        table.add_row(
            Text(_clock(line.at), style="dim"),
            Text(line.number, style="dim"),
            Text(line.type, style="bold red" if line.type == "escalation.fired" else ""),
            Text(plain(line.text), style="dim", overflow="ellipsis", no_wrap=True),
        )
    return table


def _clock(at: str) -> str:
    return at[11:19]
