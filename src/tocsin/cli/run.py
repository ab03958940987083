"""`tocsin run`: the whole of tocsin in this process, until a signal ends it."""

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tocsin.cli.config import check_channels, file_option, settings_from
from tocsin.cli.exits import Ended
from tocsin.cli.output import say

if TYPE_CHECKING:
    from tocsin.settings import Settings

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
EXIT_AT_ONCE: Final = 130
YOUNG: Final = (5_000, 10, 200)
"""When the collector looks for cycles, in new objects. Python's own figures made it walk everything 5 times while 2,400
incidents were opened, for up to 0.26 s; now it does so after 10 million objects. There are few cycles here."""


@click.command()
@file_option
@click.option("-v", "--verbose", is_flag=True, help="Log what is going on.")
def run(path: Path | None, verbose: bool) -> None:
    """Run tocsin: intake, stages, notifications, event log, HTTP.

    SIGTERM or Ctrl-C ends it within 10 seconds; a second one ends it at once. Nothing is lost either way.

    \b
    tocsin run -c tocsin.yaml
    """
    gc.disable()  # modules are no garbage: to look for some among them took a sixth of the start
    try:
        settings = settings_from(path)
        check_channels(settings)
        for warning in settings.warnings():
            say(f"warning: {warning}")
        from tocsin.cli.composition import prepare_logging
    finally:
        gc.enable()
    prepare_logging(verbose)
    asyncio.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    from tocsin.cli.composition import running
    from tocsin.domain.errors import TocsinError

    stop, started = asyncio.Event(), asyncio.Event()
    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    assert whole is not None

    def asked_to_stop() -> None:
        if stop.is_set():
            os._exit(EXIT_AT_ONCE)
        stop.set()
        if not started.is_set():
            whole.cancel()  # a start may wait for Kafka for a minute

    for number in SIGNALS:
        loop.add_signal_handler(number, asked_to_stop)
    try:
        async with running(settings) as tocsin:
            started.set()
            where = f"incidents: {tocsin.url}/api/incident_response, data: {settings.data_dir}"
            problems = await tocsin.ready(stop)
            gc.collect()
            gc.freeze()  # what was loaded stays
            gc.set_threshold(*YOUNG)
            say(f"tocsin is {'running, not ready yet' if problems else 'ready'}: {tocsin.url} ({where})")
            for problem in problems:
                say(f"not ready: {problem}")
            crash = await tocsin.until(stop)
            if crash is None:
                say("stopping")
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        say("stopped before it had started")
        return
    except (TocsinError, OSError, ValueError, LookupError) as error:
        raise Ended(str(error)) from error
    if crash is not None:
        kind = "" if isinstance(crash, TocsinError) else f"{type(crash).__name__}: "  # ours say what they are
        raise Ended(f"crashed: {kind}{crash}") from crash
