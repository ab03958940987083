"""What is wrong with schedules and calendars besides their shape: zones that are none, backups that lead in circles.

In: rules. Out: sentences by document key. Whether names lead anywhere is asked where all names are known
(`settings`, `domain.soundness`).
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from tocsin.domain.rules.schedule import Schedule
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


def problems(schedules: Mapping[str, Schedule]) -> Iterator[tuple[str, str]]:
    """(name of the schedule, sentence) of every unknown zone and every loop of backups."""
    backups = {name: schedule.backup for name, schedule in schedules.items()}
    for name, schedule in schedules.items():
        if wrong := zone_problem(schedule.time_zone):
            yield name, f"time_zone: {wrong}"
        if loop := backup_loop(name, backups):
            yield name, f"backup: leads back to itself: {' -> '.join(loop)}"
