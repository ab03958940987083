"""What people see of the demo: a live picture on a terminal, lines with a time elsewhere. All of it on standard error.

In: a `Scene`. Out: words. It changes nothing and knows nothing but the scene. Texts are escaped: in a real storm they
come from outside. The picture fits the terminal: what is narrow gets fewer columns, what is low fewer events.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tocsin.cli import demo_story as story
from tocsin.cli.demo_play import Line, Scene
from tocsin.cli.output import SEVERITY_STYLE, STATUS_STYLE, plain, say

DRAW_SECONDS: Final = 0.25
WIDE: Final = 100
"""Columns from which on nothing has to be shortened."""
EVENTS_SHOWN: Final = 16
FRAME_ROWS: Final = 13
"""Rows of the picture besides incidents and events; one more stays free for the cursor."""
EVENT_STYLE: Final = {
    "escalation.fired": "bold red",
    "incident.opened": "red",
    "incident.acknowledged": "yellow",
    "incident.resolved": "green",
    "delivery.delivered": "dim",
    "escalation.stopped": "dim",
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

    def __init__(self, *, without: Scene | None = None) -> None:
        """
        Args:
            without: what it shows is known already.
        """
        self._caption = without.caption if without else ""
        self._seen = set(without.lines) if without else set()

    async def show(self, scene: Scene) -> None:
        while True:
            if scene.caption != self._caption:
                self._caption = scene.caption
                say(f"{datetime.now(UTC):%H:%M:%S} -- {self._caption}")
            for line in loud(scene.lines):
                if line not in self._seen:
                    self._seen.add(line)
                    say(f"{_clock(line.at)} {line.number} {line.type} {plain(line.text)}")
            await asyncio.sleep(DRAW_SECONDS)


class LiveView:
    """Draws the scene in place."""

    async def show(self, scene: Scene) -> None:
        console = Console(stderr=True, highlight=False)
        with Live(Picture(scene, datetime.now(UTC)), console=console, auto_refresh=False) as live:
            try:
                while True:
                    live.update(Picture(scene, datetime.now(UTC)), refresh=True)
                    await asyncio.sleep(DRAW_SECONDS)
            finally:
                live.update(Picture(scene, datetime.now(UTC)), refresh=True)


class Picture:
    """The whole picture, as large as the terminal allows."""

    def __init__(self, scene: Scene, now: datetime) -> None:
        self._scene = scene
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide, free = options.max_width >= WIDE, max(0, console.size.height - FRAME_ROWS)
        incidents = self._scene.incidents[: max(1, free)]
        caption = Text(self._scene.caption, style="bold").wrap(console, options.max_width - 4)
        yield Panel(
            Group(
                *[*caption, Text(""), Text("")][:2],  # always two lines, so that nothing jumps
                ProgressBar(total=story.LENGTH, completed=min(self._scene.second, story.LENGTH)),
                Text(""),  # ends the line of the bar
                _counters(self._scene),
                Text(""),
                _incidents(incidents, self._now, wide=wide),
                Text(""),
                _ticker(self._scene, min(EVENTS_SHOWN, free - len(incidents)), wide=wide),
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
        table.add_column(justify="center", ratio=1)
    table.add_row(*(Text(str(number), style="bold") for _, number in counters))
    table.add_row(*(Text(name, style="dim") for name, _ in counters))
    return table


def _incidents(incidents: list[dict[str, Any]], now: datetime, *, wide: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, expand=True, show_edge=False, pad_edge=False, padding=(0, 1 if wide else 0, 0, 0)
    )
    for name in ("INCIDENT", "SEVERITY", "STATUS"):
        table.add_column(name, no_wrap=True)
    table.add_column("TITLE", no_wrap=True, overflow="ellipsis", ratio=1, min_width=8)
    table.add_column("FIRING", no_wrap=True, justify="right")
    if wide:
        table.add_column("SEEN", no_wrap=True, justify="right")
    table.add_column("NEXT LEVEL", no_wrap=True, min_width=len("2 in 119 s"))
    for incident in reversed(incidents):
        severity, status = plain(incident["severity"]), plain(incident["status"])
        table.add_row(
            Text(plain(incident["number"])),
            Text(severity, style=SEVERITY_STYLE.get(severity, "")),
            Text(status, style=STATUS_STYLE.get(status, "")),
            Text(plain(incident["title"])),
            Text(f"{incident['firing']}/{incident['alerts']}"),
            *([Text(str(incident["occurrences"]))] if wide else []),
            Text(escalates(incident, now)),
        )
    return table


def escalates(incident: dict[str, Any], now: datetime) -> str:
    """Which level is paged next, and in how long."""
    step = (incident.get("escalation") or {}).get("next")
    if not step:
        return ""
    seconds = max(0, round((datetime.fromisoformat(step["due_at"]) - now).total_seconds()))
    return f"{step['level']} in {seconds} s"


def _ticker(scene: Scene, rows: int, *, wide: bool) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    lines = loud(scene.lines)[-rows:] if rows > 0 else []
    for line in lines:
        table.add_row(
            Text(_clock(line.at), style="dim"),
            Text(line.number if wide else line.number.rpartition("-")[2], style="dim"),
            Text(line.type, style=EVENT_STYLE.get(line.type, "")),
            Text(plain(line.text), style="dim"),
        )
    return Padding(table, (0, 0, max(0, rows - len(lines)), 0))


def _clock(at: str) -> str:
    return at[11:19]
