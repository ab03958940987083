"""One command in, its events and its outcome out. The outcome is remembered for 24 h by command id."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tocsin.correlate.commands import playbook, quiet, record, together
from tocsin.correlate.commands.change import change, set_roles
from tocsin.correlate.commands.declare import declare, test_page
from tocsin.correlate.commands.find import incident_of, partition_of
from tocsin.correlate.commands.outside import record_change
from tocsin.correlate.commands.status import move
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.command import Command, checked
from tocsin.domain.command.argument import TEXT_MAX
from tocsin.domain.errors import IllegalTransition, Reject
from tocsin.domain.header import cut_text
from tocsin.domain.incident import Incident
from tocsin.domain.lifecycle import IN, check_possible

_UNCHANGED: Final = "already_so"

VERBS: Final[Mapping[str, Callable[[Pen, Incident, dict[str, Any], str], Iterator[ev.Event]]]] = {
    **record.VERBS,
    **playbook.VERBS,
    "change": change,
    "set_roles": set_roles,
    "snooze": quiet.snooze,
    "unsnooze": quiet.unsnooze,
    "watch": quiet.watch,
    "end_watch": quiet.end_watch,
    "link": together.link,
    "unlink": together.unlink,
    "merge": together.merge,
    "absorb": together.absorb,
}
"""What leaves the status as it is; the rest moves along the table (`status.move`)."""


def on_command(pen: Pen, command: Command) -> Iterator[ev.Event]:
    """The events of a command, then its outcome; nothing for an id that has its outcome already."""
    if command.command_id in pen.state.outcomes:
        return
    written: list[str] = []
    incident_id = ""
    try:
        for event in _events(pen, command):
            written.append(ev.event_id(event))
            incident_id = incident_id or ev.subject_of(event)
            yield event
        pen.origin = ""  # what follows for others was not asked for: it is news to that channel, too
    except (Reject, IllegalTransition) as error:
        word = error.word if isinstance(error, Reject) else "illegal_transition"
        yield _outcome(pen, ev.CommandRejected, command, word, message=str(error))
        return
    if written:
        yield _outcome(pen, ev.CommandApplied, command, "applied", incident_id=incident_id, events=tuple(written))
    else:
        yield _outcome(pen, ev.CommandUnchanged, command, _UNCHANGED)


def _outcome(pen: Pen, kind: type[ev.CommandEvent], command: Command, reason: str, **fields: Any) -> ev.CommandEvent:
    if not fields.get("incident_id"):
        fields["incident_id"] = _subject(pen, kind, command)
    return kind(command_id=command.command_id, verb=command.verb, **pen.stamps(reason), **fields)


def _subject(pen: Pen, kind: type[ev.CommandEvent], command: Command) -> str:
    absorbed = command.arguments.get("absorbed") if command.verb == "absorb" else None
    if kind is ev.CommandRejected and isinstance(absorbed, str) and partition_of(absorbed) is not None:
        return absorbed  # its owner has to hear of the refusal
    found = pen.state.find(command.incident)
    return found.id if found else ""


def _events(pen: Pen, command: Command) -> Iterator[ev.Event]:
    """The events that carry the command out; none when everything is so already.

    Raises:
        Reject, IllegalTransition: before the first event.
    """
    verb = command.verb
    given = checked(verb, command.arguments)
    note = cut_text(command.reason, TEXT_MAX)
    if verb == "declare":
        yield from declare(pen, command, given)
    elif verb == "test_page":
        yield from test_page(pen, command, given)
    elif verb == "record_change":
        yield from record_change(pen, command, given)
    elif verb == "release":
        yield from together.release(pen, command.incident, note)
    else:
        incident = incident_of(pen.state, command.incident)
        if verb in IN:
            check_possible(incident.header.status, verb)
            yield from VERBS[verb](pen, incident, given, note)
        else:
            yield from move(pen, incident, verb, given, note)
