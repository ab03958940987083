"""What a visitor of a page does becomes a command, and its outcome a sentence.

In: a verb, an incident, the name of the visitor, the id of the command. Out: `Done`. Invariant: the same id again is
the same command, whatever became of it: it is looked up, not written twice.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request

from tocsin.api.answer import Failure
from tocsin.api.body import body_of
from tocsin.api.commands import outcome_of, partition_of
from tocsin.api.page_view import BAD, GOOD, WAIT
from tocsin.api.serving import Serving
from tocsin.domain.command import Command
from tocsin.domain.errors import TocsinError
from tocsin.notify.message import one_line
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

OUTCOME_SECONDS: Final = 2.0
"""Somebody looks at the page meanwhile; it usually takes some 20 ms."""
FORM_BYTES_MAX: Final = 32 * 1024
"""A note of 4,000 letters, of which each may take 9 bytes in a form."""
FORM_SECONDS_MAX: Final = 10.0
"""For 32 KB from a telephone."""
FIELDS_MAX: Final = 10
_DONE: Final = {"acknowledge": "Acknowledged", "resolve": "Resolved", "note": "The note is in the timeline"}


class Done(msgspec.Struct, frozen=True):
    """What became of it."""

    text: str
    tone: str
    status: int = 200
    known: bool = True


async def fields_of(request: Request, serving: Serving) -> dict[str, str]:
    """The fields of a form that was sent.

    Raises:
        Failure: 413 too large, 400 not a form.
    """
    async with body_of(request, serving, FORM_BYTES_MAX, seconds_max=FORM_SECONDS_MAX) as body:
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"))
        except ValueError:
            raise Failure(400, "bad_form", "what was sent is not a form of this page") from None


async def done(serving: Serving, command: Command) -> Done:
    """Write `command` unless it was written before, and wait a little for what becomes of it.

    Raises:
        Failure: the log does not take it, or there can be no such incident.
    """
    known = await known_of(serving, command.command_id)
    if known is None:
        partition = partition_of(command, serving.node.partitions)
        await serving.publish(COMMANDS, partition, [command_draft(command)])
        known = await known_of(serving, command.command_id, OUTCOME_SECONDS)
    return said(command.verb, known)


async def known_of(serving: Serving, command_id: str, wait: float = 0.0) -> dict[str, Any] | None:
    """The outcome of a command, if the database knows it: an acknowledgement is taken without the database, too."""
    try:
        return await outcome_of(serving, command_id, wait)
    except TocsinError:
        return None


def said(verb: str, known: dict[str, Any] | None) -> Done:
    words = _DONE[verb]
    if known is None:
        return Done("It is written down; what became of it is not known yet. Look again in a moment.", WAIT, 202, False)
    if known["outcome"] == "rejected":
        return Done(f"That was not possible: {one_line(known.get('message') or known['reason'])}", BAD, 409)
    if known["outcome"] == "unchanged":
        return Done(f"{words} already: nothing had to be changed.", GOOD)
    return Done(f"{words}.", GOOD)
