"""incidents.events.v1, `command.*`: the answers to commands. Event id = command id; no version."""

from tocsin.domain.events.event import Event


class CommandEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one command, remembered for 24 h. Written after the events it brought about, in the same
    commit.
    """

    command_id: str
    verb: str
    incident_id: str = ""
    events: tuple[str, ...] = ()
    """Ids of the events that the command brought about."""
    message: str = ""


class CommandApplied(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.applied"


class CommandUnchanged(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.unchanged"


class CommandRejected(CommandEvent, frozen=True, kw_only=True, omit_defaults=True):
    TYPE = "command.rejected"
