"""Where a command belongs: the partition that its incident's id or number carries."""

from secrets import token_hex

from tocsin.domain.command import Command
from tocsin.domain.ids import partition_in, partition_of_key
from tocsin.runtime.rejects import append_shared
from tocsin.runtime.world import World
from tocsin.topics import COMMANDS
from tocsin.wire.record import Draft, Record

__all__ = ["forwarded", "partition_of", "test_page"]

NUMBER_PREFIX = "INC-"


def partition_of(command: Command, partitions: int) -> int | None:
    """The partition of the incident that `command` names; None when it names none, or nothing that could exist.

    An id carries its partition; number k * P + p + 1 of a day belongs to partition p (RECORDS §4).
    """
    reference = command.incident.strip()
    if not reference:
        return None
    if reference.upper().startswith(NUMBER_PREFIX):
        digits = reference.rsplit("-", 1)[-1]
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 12 or int(digits) < 1:
            return None
        return (int(digits) - 1) % partitions
    try:
        partition = partition_in(reference)
    except ValueError:
        return None
    return partition if partition < partitions else None


def test_page(target: str, actor: str, partitions: int) -> tuple[int, Command]:
    """A new command that calls `target` to try the way, and the partition that it goes to."""
    command = Command(command_id=f"cmd_{token_hex(12)}", verb="test_page", actor=actor, arguments={"target": target})
    return partition_of_key(f"declared:{command.command_id}", partitions), command


async def forwarded(world: World, command: Command, record: Record, partition: int, partitions: int) -> bool:
    """Whether `command`, read as `record` in `partition`, belongs to another owner and was passed on to it: unchanged,
    so that a repeat has the same command id and gets the same answer."""
    home = partition_of(command, partitions)
    if home is None or home == partition:
        return False
    await append_shared(world, COMMANDS.name, home, [Draft(record.key, record.value, record.headers)])
    return True
