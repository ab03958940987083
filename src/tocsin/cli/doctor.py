"""`tocsin doctor`: whether tocsin can run here, and what to do where it cannot.

Every line is a check; a failure ends with one command or one setting. Nothing is changed, in the data directory or in
the cluster, and no secret is printed. It works beside a running tocsin.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tocsin.cli.config import DEFAULT_FILE, file_option
from tocsin.cli.exits import Ended
from tocsin.cli.output import formatted, say, show

if TYPE_CHECKING:
    from tocsin.runtime.finding import Finding
    from tocsin.runtime.kafka.doctor import Asked
    from tocsin.settings import Settings


@click.command()
@file_option
@formatted
def doctor(path: Path | None, output: str | None) -> None:
    """Check settings, data directory, event log and, on Kafka, servers, topics, rights, clock, codecs, groups.

    Exit 0: nothing has failed. 1: something has; each failure ends with its remedy.

    \b
    tocsin doctor -c tocsin.yaml
    """
    from tocsin.cli.topic_plan import quiet

    quiet()
    findings = asyncio.run(_all(path))
    items = [
        {
            "check": one.check,
            "outcome": one.outcome,
            "found": one.found,
            "remedy": one.remedy or None,
            "detail": f"{one.found}; {one.remedy}" if one.remedy else one.found,
        }
        for one in findings
    ]
    show(items, output=output, columns=("outcome", "check", "detail"), name="check")
    count = sum(one.outcome == "FAIL" for one in findings)
    if count:
        raise Ended(f"{count} check{'s have' if count > 1 else ' has'} failed")
    say("tocsin can run here")


async def _all(path: Path | None) -> "list[Finding]":
    return [finding async for finding in _findings(path)]


async def _findings(path: Path | None) -> "AsyncIterator[Finding]":
    from tocsin.cli.doctor_local import data_findings, settings_findings
    from tocsin.domain.errors import TocsinError
    from tocsin.runtime.finding import failed, fine

    settings, said = settings_findings(path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None), os.environ)
    for finding in said:
        yield finding
    if settings is None:
        return
    for finding in data_findings(settings):
        yield finding
    if not settings.servers:
        yield fine("log", f"embedded, {settings.log_path}")
        return
    from tocsin.cli.connecting import connection_of
    from tocsin.runtime.kafka.doctor import examined

    try:
        connection = connection_of(settings)
    except TocsinError as error:
        yield failed("security", str(error), f"correct {str(error).split(':', 1)[0]}")
        return
    async for finding in examined(connection, _asked(settings)):
        yield finding


def _asked(settings: "Settings") -> "Asked":
    from tocsin.runtime.kafka.doctor import Asked

    sqlite = settings.persist.database.startswith("sqlite:")
    return Asked(
        partitions=settings.partitions,
        replication=settings.kafka.replication,
        min_insync=settings.kafka.min_insync_replicas,
        groups=tuple(f"tocsin.{group}" for group in settings.run.groups),
        foreign=settings.ingest.topics,
        member=settings.kafka.member,
        session_ms=round(settings.kafka.session_timeout.total_seconds() * 1000),
        single_writer="tocsin.persist" if sqlite and "persist" in settings.run.groups else None,
    )
