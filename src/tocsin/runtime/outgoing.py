"""Commands that a stage gives to owners of other partitions, written after the commit that they follow from.

In: a stage with its state, all of which is in the journal. Out: the commands in the log of the partition that each is
for, and for each the input that says so. A crash before that input became an event repeats a command; its id is the
same then, and who reads it twice answers once.
"""

from typing import Any

from tocsin.runtime.rejects import append_shared
from tocsin.runtime.routing import partition_of
from tocsin.runtime.world import World
from tocsin.stage import CommandSent, Decider
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

__all__ = ["written"]


async def written(stage: Decider[Any], state: Any, world: World, partitions: int) -> list[CommandSent]:
    """Write what the stage asks for. What names no partition that there is, is taken for said: nobody could answer."""
    outgoing = getattr(stage, "outgoing", None)  # see `Sending`; asked at every turn, where `isinstance` costs 10 us
    done: list[CommandSent] = []
    for command in outgoing(state) if outgoing is not None else ():
        home = partition_of(command, partitions)
        if home is not None:
            draft = command_draft(command)
            await append_shared(world, COMMANDS.name, home, [draft])
        done.append(CommandSent(command.command_id))
    return done
