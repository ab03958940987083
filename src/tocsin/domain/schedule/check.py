"""What is wrong with schedules and calendars besides their shape: zones that are none, backups that lead in circles.

In: names of zones, backups. Out: what is wrong with them; settings and documents ask the same. Whether names lead
anywhere is asked where all names are known (`settings`, `domain.soundness`).
"""

from collections.abc import Mapping
from difflib import get_close_matches

from tocsin.domain.wall import zones


def backup_loop(name: str, backups: Mapping[str, str]) -> tuple[str, ...]:
    """The schedules from `name` back to itself along their backups, `name` at both ends; empty when there is no loop.

    Args:
        backups: schedule -> its backup, empty for none.
    """
    path = [name]
    while (following := backups.get(path[-1], "")) and following not in path:
        path.append(following)
    return (*path, name) if following == name else ()


def zone_problem(name: str) -> str:
    """What is wrong with the name of a zone; empty when nothing is."""
    if name in zones():
        return ""
    near = get_close_matches(name, zones(), n=1, cutoff=0.6)
    hint = f", did you mean {near[0]!r}?" if near else "; write an IANA name such as Europe/London"
    return f"{name!r} is no time zone{hint}"
