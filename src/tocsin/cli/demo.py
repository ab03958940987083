"""`tocsin demo`: the whole of tocsin in this process, on a fresh directory, and a story that goes through it.

Out: the story on standard error, its summary on standard output. The alerts go through the real HTTP intake, the pages
come out of a real webhook channel, and the event log is verified at the end. The directory is removed unless `--keep`.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tocsin.cli.client import DEFAULT_URL
from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.output import json_text, say, table

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tocsin.cli.demo_play import Scene

PORTS_TRIED: Final = 20
TELL_SECONDS_MAX: Final = 20.0
"""How long the consequences of the story are waited for once it is told."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
EXIT_AT_ONCE: Final = 130
PICTURE_COLUMNS_MIN: Final = 76
PICTURE_ROWS_MIN: Final = 20
"""Four incidents and a few events."""
EXIT_STOPPED: Final = 130
"""Somebody stopped `--once` before its end: it has proved nothing."""


@click.command()
@click.option("--once", is_flag=True, help="End after the story, with a summary; exit 0 only if all of it came true.")
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", help="Form of the summary.")
@click.option(
    "--speed", type=click.FloatRange(0.2, 20.0), default=1.0, show_default=True, help="Times faster than told."
)
@click.option("--listen", default="127.0.0.1:9393", show_default=True, help="Or the next free port.")
@click.option("--keep", is_flag=True, help="Keep the directory with log, database and settings.")
def demo(once: bool, output: str, speed: float, listen: str, keep: bool) -> None:
    """See a storm of alerts become four incidents; needs nothing and leaves nothing.

    It goes on running after the story, so that you can look around and send alerts of your own, until Ctrl-C.

    \b
    tocsin demo
    tocsin demo --once -o json
    """
    address = free_address(listen)
    directory = Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    try:
        asyncio.run(_Demo(directory, address, once=once, output=output, speed=speed).run())
    finally:
        if keep:
            say(f"kept: {directory}\n      {own_name()} run -c {directory / 'tocsin.yaml'}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def own_name() -> str:
    """How the shell finds tocsin."""
    below = os.path.relpath(sys.argv[0])
    return "tocsin" if shutil.which("tocsin") else min(below, sys.argv[0], key=len)


def is_roomy() -> bool:
    """Whether the picture of the demo fits the terminal; below, lines say the same."""
    size = shutil.get_terminal_size()
    return size.columns >= PICTURE_COLUMNS_MIN and size.lines >= PICTURE_ROWS_MIN


def free_address(listen: str) -> str:
    """`listen`, or the same host with the next port that is free.

    Raises:
        Ended: it is no loopback address, or no port is free.
    """
    from tocsin.settings.values import is_loopback, split_listen

    try:
        host, first = split_listen(listen)
    except ValueError as error:
        raise Ended(str(error), USAGE) from None
    if not is_loopback(host):
        raise Ended(f"the demo has no passwords and listens on this machine only, not on {host}", USAGE)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                trial.bind((host, port))
                return f"{f'[{host}]' if ':' in host else host}:{port}"
    raise Ended(f"no port from {first} on is free on {host}; choose another one by --listen")


class _Demo:
    """One run."""

    def __init__(self, directory: Path, address: str, *, once: bool, output: str, speed: float) -> None:
        from tocsin.cli.demo_play import Scene

        self._directory = directory
        self._address = address
        self._once = once
        self._output = output
        self._speed = speed
        self._scene = Scene()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        from tocsin.api.server import Server
        from tocsin.cli.composition import prepare_logging, running
        from tocsin.cli.demo_play import Pager
        from tocsin.domain.errors import TocsinError

        prepare_logging(False)
        self._listen_to_signals()
        pager = Server(Pager(self._scene), ("127.0.0.1", 0))
        pager.start()
        try:
            async with running(self._settings(pager.url)) as tocsin:
                say(f"tocsin demo: {tocsin.url} (Ctrl-C ends it)")
                await self._play(tocsin)
        except (TocsinError, OSError) as error:
            raise Ended(str(error)) from error
        finally:
            await pager.stop()

    def _listen_to_signals(self) -> None:
        def asked_to_stop() -> None:
            if self._stop.is_set():
                os._exit(EXIT_AT_ONCE)
            self._stop.set()

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop)

    def _settings(self, pager_url: str) -> Any:
        """The settings of the story, written down where `--keep` leaves them, and read like anybody's."""
        import yaml

        from tocsin.cli import demo_story
        from tocsin.settings import load

        tree = demo_story.settings(data_dir=str(self._directory), listen=self._address, speed=self._speed)
        tree["notify"] = {"channels": {"pager": {"type": "webhook", "url": pager_url}}, "catch_all": ["pager"]}
        path = self._directory / "tocsin.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        return load(path, {})

    async def _play(self, tocsin: Any) -> None:
        import httpx

        from tocsin.cli.demo_play import Player, Watcher
        from tocsin.cli.demo_view import view_for

        live = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and is_roomy()
        async with httpx.AsyncClient(base_url=tocsin.url, timeout=30.0, trust_env=False) as client:
            watcher = Watcher(client, self._scene)
            player = Player(client, self._scene, speed=self._speed)
            beside: list[Coroutine[Any, Any, None]] = [watcher.watch(), view_for(live).show(self._scene)]
            tasks = [asyncio.ensure_future(one) for one in beside]
            try:
                told = await self._unless_stopped(tocsin, self._tell(player), tasks)
                if told is not None:
                    await self._finish(tocsin, told, watcher, tasks)
                elif self._once:
                    raise Ended("stopped before the end of the story", EXIT_STOPPED)
            except httpx.HTTPError as error:
                raise Ended(f"the story could not go on: {str(error) or type(error).__name__}") from error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, player: Any) -> bool:
        """Play the story and wait for its consequences; whether all of them came."""
        from tocsin.cli.demo_play import LOOK_SECONDS, is_told

        await player.play()
        ends = asyncio.get_running_loop().time() + TELL_SECONDS_MAX
        while not is_told(self._scene):
            if asyncio.get_running_loop().time() > ends:
                return False
            await asyncio.sleep(LOOK_SECONDS / 2)
        return True

    async def _unless_stopped(
        self, tocsin: Any, work: "Coroutine[Any, Any, bool]", beside: "list[asyncio.Task[None]]"
    ) -> bool | None:
        """The result of `work`; None when it was stopped before.

        Raises:
            Ended: tocsin crashed.
            httpx.HTTPError: the story could not go on, or the scene not be looked at.
        """
        job = asyncio.ensure_future(work)
        until = asyncio.ensure_future(tocsin.until(self._stop))
        try:
            await asyncio.wait([job, until, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in beside:
                if task.done():
                    task.result()
            if until.done() and (crash := until.result()) is not None:
                raise Ended(f"crashed: {type(crash).__name__}: {crash}") from crash
            return job.result() if job.done() else None
        finally:
            job.cancel()
            until.cancel()
            await asyncio.gather(job, until, return_exceptions=True)

    async def _finish(self, tocsin: Any, told: bool, watcher: Any, tasks: "list[asyncio.Task[None]]") -> None:
        from tocsin.persist.chain import verify

        report = await asyncio.to_thread(verify, self._directory / "events.sqlite3")
        self._scene.caption = f"The story is told, and the log is verified: {report.rows} events."
        await self._end_of_picture(tasks)
        result = summary(self._scene, log_verified=report.ok)
        _print(result, self._output)
        if report.problem:
            raise Ended(f"the event log is damaged: {report.problem}")
        if self._once:
            if not told or result["incidents_opened"] != 4:
                raise Ended("not everything that the story promises came true")
            return
        unanswered = [one["number"] for one in self._scene.incidents if one["severity"] == "critical"]
        say(invitation(tocsin.url, own_name(), *unanswered[:1]))
        await self._look_around(tocsin, watcher, tasks)

    async def _look_around(self, tocsin: Any, watcher: Any, tasks: "list[asyncio.Task[None]]") -> None:
        """Go on running until a signal, and say line by line what people make happen.

        The picture is gone by now: what there is to copy must stay on the screen.
        """
        from tocsin.cli.demo_view import PlainView

        async def forever() -> bool:
            await self._stop.wait()
            return True

        beside: list[Coroutine[Any, Any, None]] = [watcher.watch(), PlainView(without=self._scene).show(self._scene)]
        tasks[:] = [asyncio.ensure_future(one) for one in beside]
        await self._unless_stopped(tocsin, forever(), tasks)

    async def _end_of_picture(self, tasks: "list[asyncio.Task[None]]") -> None:
        """Take the picture down, so that what is printed next stands below it."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def summary(scene: "Scene", *, log_verified: bool) -> dict[str, Any]:
    """What became of the story, in numbers."""
    return {
        "alerts_accepted": scene.alerts,
        "incidents_opened": scene.opened,
        "repeats": scene.repeats,
        "escalations": scene.escalations,
        "notifications": scene.pages,
        "log_verified": log_verified,
    }


def _print(result: dict[str, Any], output: str) -> None:
    if output == "json":
        click.echo(json_text(result, indent=True))
    else:
        rows = [{"what": name.replace("_", " "), "result": value} for name, value in result.items()]
        table(rows, ("what", "result"))


def invitation(url: str, tocsin: str = "tocsin", unanswered: str = "INC-…") -> str:
    """What to do next, to be copied.

    Args:
        tocsin: how the shell finds it.
        unanswered: number of the incident to answer.
    """
    # At most 20 rows of 80 columns, so that all of it is on the smallest terminal.
    elsewhere = "" if url == DEFAULT_URL else f"    export TOCSIN_URL={url}\n"
    return f"""
It runs on at {url} until Ctrl-C. In another terminal:

  Answer the incident that nobody answers:
{elsewhere}    {tocsin} incidents list
    {tocsin} incidents ack {unanswered} --reason "on it"

  Send an alert:
    curl -sS {url}/api/v1/alerts \\
      -H 'Content-Type: application/json' \\
      -d '{{"title": "Disk of web-1 is full", "severity": "high"}}'

  Connect your Alertmanager (alertmanager.yml):
    receivers:
      - name: tocsin
        webhook_configs:
          - url: {url}/api/v1/alerts

What happens from now on:"""
