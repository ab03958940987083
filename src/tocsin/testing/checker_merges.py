"""What must hold of merges across partitions; see `checker`.

In: the records that count. Out: problems, one sentence each. An incident that was closed as merged into one of another
partition is known to the survivor, once, or open again; nobody absorbs what was not merged into it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.testing.lines import INCIDENTS, Line

__all__ = ["merges"]

PARTITION: Final = slice(len("inc_"), len("inc_") + 2)


def merges(events: Sequence[Line], *, settled: bool) -> Iterator[str]:
    """See the module. `settled`: everything was worked."""
    asked: set[str] = set()
    stands: dict[str, str] = {}
    absorbed = Counter[tuple[str, str]]()
    for line in events:
        if line.topic != INCIDENTS or not line.type.startswith("incident."):
            continue
        incident = line.value["incident_id"]
        if line.type == "incident.closed" and (survivor := line.value.get("merged_into")):
            if survivor[PARTITION] != incident[PARTITION]:
                asked.add(incident)
                stands[incident] = survivor
        elif line.type == "incident.reopened":
            stands.pop(incident, None)
        elif line.type == "incident.absorbed":
            absorbed[line.value["absorbed"], incident] += 1
    for (one, survivor), count in absorbed.items():
        if count > 1:
            yield f"{survivor} absorbed {one} {count} times"
        if one not in asked:
            yield f"{survivor} absorbed {one}, which was never merged into another"
    known = {one for one, _ in absorbed}
    for one, survivor in stands.items():
        if settled and one not in known:
            yield f"{one} was closed as merged into {survivor}, which nobody told"
