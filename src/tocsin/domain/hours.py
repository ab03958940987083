"""When somebody a level calls begins to work: for levels that are for working hours alone. Pure.

In: the targets of a level, the rules, an instant. Out: None = call now; else the first instant at which one of them
works. Invariant: a level waits at most `WAIT_MAX` in all; whoever has no working hours works always.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from tocsin.domain.directory import in_hours, next_in_hours, standing_for, target_of
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules, Target
from tocsin.domain.schedule import on_call_at

WAIT_MAX: Final = timedelta(days=7)
"""A calendar that never opens must not silence a level for ever."""


def opening(targets: Iterable[Target], rules: Rules, at: Instant, since: Instant | None = None) -> Instant | None:
    """The first instant after `at` at which a user of `targets` works; None when one does now, or when none of the
    targets is a person. `since`: when the level began to wait; None = now."""
    last = (since or at) + WAIT_MAX
    if at >= last:
        return None
    users = list(dict.fromkeys(_users(targets, rules, at)))
    if not users or any(in_hours(user, rules, at) for user in map(rules.users.__getitem__, users)):
        return None
    opens = (next_in_hours(Target(kind="user", name=user), rules, at) for user in users)
    return min([last, *(one for one in opens if one is not None)])


def _users(targets: Iterable[Target], rules: Rules, at: Instant) -> Iterator[str]:
    """The people behind `targets`: of a schedule whoever is on duty."""
    for named in targets:
        target = named if named.kind else target_of(named.name, rules)
        team = rules.teams.get(target.name) if target.kind == "team" else None
        schedule = target.name if target.kind == "schedule" else team.schedule if team else ""
        names = on_call_at(schedule, rules, at).users if schedule in rules.schedules else standing_for(target, rules)
        yield from (name for name in names if name in rules.users)
