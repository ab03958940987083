"""Commands that follow from events, for owners of other partitions. Pure: the same event gives the same command."""

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.ids import short_hash


def absorb_of(event: ev.Closed, survivor: str) -> Command:
    """Tell the survivor of a merge, in another partition, what it goes on with."""
    header = event.header
    return Command(
        command_id=f"cmd_{short_hash('absorb', ev.event_id(event))}",
        verb="absorb",
        incident=survivor,
        actor=event.actor,
        origin=event.origin,
        reason=event.note,
        arguments={
            "absorbed": event.incident_id,
            "number": header.number,
            "title": header.title,
            "severity": header.severity.value,
            "alerts": header.alerts,
            "firing": header.firing,
        },
    )


def refusal_of(event: ev.CommandRejected) -> Command | None:
    """Tell the owner of the incident that was to be absorbed why it is not; None when none was named."""
    if not event.incident_id:
        return None
    return Command(
        command_id=f"cmd_{short_hash('release', event.command_id)}",
        verb="release",
        incident=event.incident_id,
        actor=event.actor,
        reason=event.message,
    )
