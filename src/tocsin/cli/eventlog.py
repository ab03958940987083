"""`tocsin eventlog`: prove the event log, and build its views again. Works on the files, not over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli.config import file_option, settings_from
from tocsin.cli.exits import NOT_FOUND, Ended
from tocsin.cli.output import document, formatted, on_terminal, pairs, say
from tocsin.cli.suggesting import Suggesting

if TYPE_CHECKING:
    from tocsin.settings import Settings

Progress = Callable[[int, int], None]


@click.group(cls=Suggesting)
def eventlog() -> None:
    """Prove the event log, or build its views again from it."""


@eventlog.command()
@file_option
@formatted
def verify(path: Path | None, output: str | None) -> None:
    """Check the hash chain of every partition; may run beside a running tocsin.

    Finds rows that were changed, deleted, inserted, moved or cut off, and says where; exit 1 then.

    \b
    tocsin eventlog verify -c tocsin.yaml
    """
    from tocsin.persist.chain import verify as verify_chain

    file = _file(settings_from(path))
    with _progress("verifying") as progress:
        report = verify_chain(file, progress)
    result = {"ok": report.ok, "rows": report.rows, "partitions": report.partitions, "problem": report.problem}
    if not document(result, output):
        pairs(result, ("ok", "rows", "partitions", "problem"))
    if not report.ok:
        raise Ended("the event log is not whole")


@eventlog.command()
@file_option
@formatted
@click.option("--damaged", is_flag=True, help="Even when the log is not whole: the views then show the damage.")
def rebuild(path: Path | None, output: str | None, damaged: bool) -> None:
    """Build the views anew from the log; tocsin must not be running.

    The log is verified first. Prints the digest of the views before and after: equal means that nothing was lost or
    invented.

    \b
    tocsin eventlog rebuild -c tocsin.yaml
    """
    from tocsin.persist.chain import verify as verify_chain
    from tocsin.persist.rebuild import rebuild as rebuild_views

    file = _file(settings_from(path))
    if not damaged:
        with _progress("verifying") as progress:
            verified = verify_chain(file, progress)
        if not verified.ok:
            raise Ended(f"the event log is not whole, so its views stay as they are: {verified.problem}")
    with _progress("rebuilding") as progress:
        report = rebuild_views(file, progress)
    result = {
        "events": report.events,
        "seconds": round(report.seconds, 3),
        "digest_before": report.digest_before,
        "digest_after": report.digest_after,
        "same": report.digest_before == report.digest_after,
    }
    if not document(result, output):
        pairs(result, tuple(result))
    if not result["same"]:
        say("warning: the views were not what the log says; now they are")


def _file(settings: "Settings") -> Path:
    if not settings.event_log_path.is_file():
        raise Ended(f"no event log at {settings.event_log_path}", NOT_FOUND)
    return settings.event_log_path


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not on_terminal():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task: Any = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
