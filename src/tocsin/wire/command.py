"""Commands in `incidents.commands.v1`: JSON of the struct, key = the incident (or the command id)."""

from typing import Final

import msgspec

from tocsin.domain.command import Command
from tocsin.domain.errors import Reject
from tocsin.wire.record import Draft

_decoder: Final = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> tuple[bytes, bytes]:
    """(key, value) of a command's record."""
    return (command.incident or command.command_id).encode(), msgspec.json.encode(command)


def command_draft(command: Command) -> Draft:
    """The record of a command."""
    return Draft(*encode_command(command), (("content-type", b"application/json"),))


def decode_command(value: bytes | None) -> Command:
    """The command in a record.

    Raises:
        Reject: it is none.
    """
    try:
        return _decoder.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # the last two come from foreign bytes
        raise Reject("bad_command", str(error)) from error
