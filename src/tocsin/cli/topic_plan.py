"""What `tocsin topics plan` and `apply` do: compare the topics of a Kafka cluster with the settings, and make them so.

In: settings. Out: one line a topic, an exit code. On the embedded log nothing is ever to do: it makes its topics
itself. Nothing is deleted, and no number of partitions is changed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.cli.connecting import connection_of
from tocsin.cli.exits import FAILED, TODO, UNREACHABLE, Ended
from tocsin.runtime.broker import Unavailable
from tocsin.runtime.kafka.admin import Admin, admin_of, planned
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.topics import Plan, Step, Wanted
from tocsin.settings import Settings

__all__ = ["COLUMNS", "apply", "code_of", "items", "look", "quiet"]

COLUMNS: Final = ("topic", "partitions", "replication", "action", "detail")


def quiet() -> None:
    """What aiokafka logs about a failing connection is said by us, with the remedy."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def look(settings: Settings) -> Plan | None:
    """The plan; None on the embedded log.

    Raises:
        Ended: the cluster cannot be asked.
    """
    if not settings.servers:
        return None
    return _run(settings, _planned)


def apply(settings: Settings, say: Callable[[str], None]) -> Plan | None:
    """Do what the plan says and look again; the plan that is left. `say` is told each step.

    Raises:
        Ended: the cluster cannot be asked, or refuses; what was done until then stays, and a second call goes on.
    """
    if not settings.servers:
        return None

    async def work(admin: Admin, settings: Settings, connection: Connection) -> Plan:
        topics, found = await _compared(admin, settings, connection)
        if found.refused:
            return found
        for number, step in enumerate(found.todo, 1):
            await _do(admin, step)
            verb = "created" if step.action == "create" else "changed"
            say(f"{number}/{len(found.todo)} {verb} {step.topic.topic}")
        return await admin.settled(topics)

    return _run(settings, work)


async def _do(admin: Admin, step: Step) -> None:
    configs = {change.setting: change.wanted for change in step.changes}
    if step.action == "create":
        await admin.create(step.topic, configs)
    else:
        await admin.change(step.topic.topic, configs)


async def _compared(admin: Admin, settings: Settings, connection: Connection) -> tuple[Sequence[Wanted], Plan]:
    return await planned(
        admin,
        connection,
        partitions=settings.partitions,
        replication=settings.kafka.replication,
        min_insync=settings.kafka.min_insync_replicas,
    )


async def _planned(admin: Admin, settings: Settings, connection: Connection) -> Plan:
    return (await _compared(admin, settings, connection))[1]


def _run(settings: Settings, work: Callable[[Admin, Settings, Connection], Any]) -> Plan:
    connection = connection_of(settings)
    quiet()

    async def whole() -> Plan:
        async with admin_of(connection) as admin:
            found: Plan = await work(admin, settings, connection)
            return found

    try:
        return asyncio.run(whole())
    except Unavailable as error:
        raise Ended(str(error), UNREACHABLE) from None


def items(plan: Plan) -> list[dict[str, Any]]:
    """One item a topic, for every kind of output."""
    return [
        {
            "topic": step.topic.topic,
            "partitions": step.topic.partitions,
            "replication": step.topic.replication,
            "action": step.action,
            "changes": [
                {"setting": change.setting, "found": change.found or None, "wanted": change.wanted}
                for change in step.changes
            ],
            "reason": step.reason or None,
            "note": step.note or None,
            "detail": _detail(step),
        }
        for step in plan.steps
    ]


def _detail(step: Step) -> str:
    """For the table: what a reader of one line needs."""
    if step.action == "create":
        return ", ".join(f"{change.setting}={change.wanted}" for change in step.changes)
    parts = [step.reason, ", ".join(map(str, step.changes)), step.note]
    return "; ".join(part for part in parts if part)


def code_of(plan: Plan) -> int:
    """Exit code: 0 nothing to do, `TODO` something, `FAILED` something is refused."""
    return FAILED if plan.refused else TODO if plan.todo else 0
