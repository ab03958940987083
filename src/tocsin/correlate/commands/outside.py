"""What happens outside of incidents and may be why one opens: changes that pipelines and people report."""

from collections.abc import Iterator
from typing import Any

from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.ids import change_id


def record_change(pen: Pen, command: Command, given: dict[str, Any]) -> Iterator[ev.Event]:
    """One change, made now unless it says when."""
    yield ev.ChangeRecorded(
        **pen.stamps("reported"),
        change_id=change_id(pen.partition, command.command_id),
        title=given["title"],
        at=given.get("at") or pen.now,
        service=given.get("service", ""),
        author=given.get("author") or pen.actor,
        link=given.get("link", ""),
        description=given.get("description", ""),
        labels=given.get("labels", {}),
    )
