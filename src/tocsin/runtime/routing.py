"""Where a command belongs: the partition that its incident's id or number carries."""

from tocsin.domain.command import Command
from tocsin.domain.ids import partition_in

__all__ = ["partition_of"]

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
