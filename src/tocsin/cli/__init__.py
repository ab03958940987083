"""The command line: one verb group per file, loaded when it is asked for.

`run`, `demo`, `eventlog`, `schemas`, `config`, `doctor`, `topics plan|apply`, `token` work here; everything else talks
HTTP to a running tocsin. Data goes to standard output, words to standard error; exit 0 ok, 1 failed, 2 usage or wrong
settings, 3 not found, 4 unreachable, 5 something is to be done (`topics plan`).
"""

import atexit
import gc
import importlib
import importlib.util
from typing import Any, Final

import click

from tocsin.cli.exits import Ended
from tocsin.cli.suggesting import Suggesting
from tocsin.domain.errors import TocsinError

VERBS: Final = {
    "run": "run",
    "demo": "demo",
    "health": "health",
    "alerts": "alerts",
    "incidents": "incidents",
    "deliveries": "deliveries",
    "channels": "channels",
    "explain": "explain",
    "playbooks": "playbooks",
    "runbooks": "playbooks",
    "oncall": "oncall",
    "silence": "silence",
    "settings": "settings",
    "rejected": "rejected",
    "topics": "topics",
    "changes": "changes",
    "people": "people",
    "page-me": "page_me",
    "severity": "severity",
    "config": "config",
    "doctor": "doctor",
    "acceptance": "acceptance",
    "schemas": "schemas",
    "eventlog": "eventlog",
    "token": "token",
    "docs": "docs",
    "completion": "completion",
    "version": "version",
}
"""Verb -> module below `tocsin.cli` that has the command of the same name. In the order of the help."""


class Lazy(Suggesting):
    """Imports a verb's module when the verb is used: `tocsin version` must not wait for the HTTP stack."""

    def main(self, *args: Any, **extra: Any) -> Any:
        # At its end Python looks for cycles among all that was loaded: a third of the time of a short command.
        atexit.register(gc.freeze)
        return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verb, module in VERBS.items() if importlib.util.find_spec(f"tocsin.cli.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = VERBS.get(cmd_name)
        if module is None or not importlib.util.find_spec(f"tocsin.cli.{module}"):
            return None
        found = getattr(importlib.import_module(f"tocsin.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TocsinError as error:
            raise Ended(str(error)) from error


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """tocsin: a flood of alerts in, few incidents out, and somebody answers each of them.

    \b
    tocsin demo                          see it work
    tocsin run                           run it, with what is in ./tocsin.yaml
    tocsin incidents list                what is open
    tocsin incidents ack INC-2026-11-21-007
    """
