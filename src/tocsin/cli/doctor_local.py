"""What `tocsin doctor` finds on this machine: settings, data directory, free space, event log.

In: the settings file and the environment. Out: findings. Nothing stays behind: what is missing is judged by the
directory it would be made in, and a file without a name proves that it can be written. Paths are asked with
`os.path.exists`, to which a place that may not be looked into is no error.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from tocsin.domain.errors import TocsinError
from tocsin.notify.channel import Around
from tocsin.notify.channels.build import build
from tocsin.notify.channels.options import BadChannels
from tocsin.persist.schema import open_reader
from tocsin.runtime.finding import Finding, failed, fine, warned
from tocsin.settings import Settings, SettingsError, load

__all__ = ["data_findings", "settings_findings", "space"]

FREE_FAIL_BYTES: Final = 100 * 1024 * 1024
"""Below it a storm of alerts fills the disk within minutes: an alert takes about 1 KB in each of log and event log."""
FREE_WARN_BYTES: Final = 2 * 1024 * 1024 * 1024
EFFECTIVE: Final = os.access in os.supports_effective_ids
OTHERS: Final = 0o077
"""Rights of others: incidents name people and machines."""


def settings_findings(path: Path | None, environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """The settings, None when they are wrong, and what is to be said of them."""
    try:
        settings = load(path, environ)
    except SettingsError as error:
        return None, [
            failed("settings", str(problem), "correct it; `tocsin config check` shows all")
            for problem in error.problems
        ]
    where = str(path) if path else "no file: defaults and variables"
    found = [warned("settings", *_halves(warning)) for warning in settings.warnings()]
    try:
        build(settings.channels(), Around(instance=settings.instance))
    except BadChannels as error:
        found.append(failed("channels", str(error), "correct notify.channels"))
    return settings, found or [fine("settings", where)]


def _halves(warning: str) -> tuple[str, str]:
    found, semicolon, remedy = warning.rpartition("; ")
    return (found, remedy) if semicolon else (warning, "`tocsin config show` has the settings in force")


def data_findings(settings: Settings) -> Iterator[Finding]:
    """The directories that are written to, and the event log."""
    persists = "persist" in settings.run.groups
    files = ([] if settings.servers else [settings.log_path]) + ([settings.event_log_path] if persists else [])
    directories = [settings.data_dir, *(file.parent for file in files)]
    for directory in dict.fromkeys(directories):
        yield from _directory(directory)
    for file in files:
        if os.path.exists(file) and not os.access(file, os.R_OK | os.W_OK, effective_ids=EFFECTIVE):
            yield failed(f"file {file}", "cannot be read and written", f"chown it to the user that runs tocsin: {file}")
    if persists:
        yield _event_log(settings.event_log_path)


def _directory(directory: Path) -> Iterator[Finding]:
    check = f"directory {directory}"
    there = directory
    while not os.path.exists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        yield failed(check, f"{there} is no directory", "set data_dir to a directory")
        return
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        what = "cannot be written" if there == directory else f"cannot be made: {there} cannot be written"
        yield failed(check, what, f"set data_dir, or chown {there} to the user that runs tocsin")
        return
    if there == directory and directory.stat().st_mode & OTHERS:
        yield warned(check, "other users can look into it", f"chmod 700 {directory}")
    yield space(check, shutil.disk_usage(there).free)


def space(check: str, free: int) -> Finding:
    """Whether `free` bytes are enough for a while."""
    words = f"{free / 2**30:.1f} GiB free"
    if free < FREE_FAIL_BYTES:
        return failed(check, words, "free space there, or set data_dir to a larger disk")
    if free < FREE_WARN_BYTES:
        return warned(check, words, "free space there, or set data_dir to a larger disk")
    return fine(check, words)


def _event_log(file: Path) -> Finding:
    """Opened as `eventlog verify` opens it; whether it is whole takes that command."""
    check = "event log"
    if not os.path.exists(file):
        return fine(check, f"{file} is made at the first start")
    try:
        with closing(open_reader(file)) as connection:
            rows = connection.execute("SELECT count(*) FROM position").fetchone()[0]
    except (TocsinError, sqlite3.Error) as error:
        return failed(check, str(error), "`tocsin eventlog verify` says how much is left of it")
    return fine(check, f"{file}, {rows} partitions")
