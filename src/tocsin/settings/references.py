"""Names in the settings that lead nowhere: channels, people, teams, schedules, calendars, policies, services, schemes.

In: the raw tree with the places of its values, so that other problems do not hide these. Out: `Problem`s, each with the
nearest name. `REFERENCES` is the only list of what names what: a new field that names something is one line there.
Names of targets (`escalate_to: dba`) may be a team, a user or a schedule, or say which: `schedule:dba`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.domain.directory import KINDS
from tocsin.domain.grading import SCHEMES
from tocsin.domain.rules import Assignment, People
from tocsin.notify.channels.options import OPTIONS
from tocsin.settings import source as src
from tocsin.settings.problem import Problem, suggestion

CONSOLE: Final = "console"
"""The channel that is always there."""
ANY: Final = "*"
"""Every key or place of a branch."""

PLACES: Final[Mapping[str, src.Path]] = {
    "channel": ("notify", "channels"),
    "channel or type": ("notify", "channels"),
    "user": ("people", "users"),
    "team": ("people", "teams"),
    "schedule": ("schedules",),
    "calendar": ("calendars",),
    "service": ("services",),
    "policy": ("escalate", "policies"),
    "scheme": ("severity", "schemes"),
}
"""Where the things that can be named are, by kind."""

BUILT_IN: Final[Mapping[str, frozenset[str]]] = {
    "channel": frozenset({CONSOLE}),
    "channel or type": frozenset(OPTIONS),
    "scheme": frozenset(SCHEMES),
}

TARGET: Final = "target"
"""A word that names a team, a user or a schedule, with or without its kind in front."""

REFERENCES: Final[tuple[tuple[src.Path, str], ...]] = (
    (("notify", "catch_all"), "channel"),
    (("notify", "routes", ANY, "channels"), "channel"),
    (("notify", "fallback", ANY), "channel"),
    (("notify", "templates", ANY, "channel"), "channel or type"),
    (("escalate", "rules", ANY, "notification_channels"), "channel"),
    (("escalate", "rules", ANY, "escalate_to"), TARGET),
    (("escalate", "policies", ANY, "levels", ANY, "notification_channels"), "channel"),
    (("escalate", "policies", ANY, "levels", ANY, "targets"), TARGET),
    (("escalate", "policies", ANY, "fallback"), "team"),
    (("escalate", "breach_target"), TARGET),
    (("people", "users", ANY, "channels"), "channel"),
    (("people", "users", ANY, "notify", ANY, "channels"), "channel"),
    (("people", "users", ANY, "working_hours"), "calendar"),
    (("people", "users", ANY, "quiet_hours"), "calendar"),
    (("people", "users", ANY, "quiet_hours", "calendar"), "calendar"),
    (("people", "teams", ANY, "members"), "user"),
    (("people", "teams", ANY, "lead"), "user"),
    (("people", "teams", ANY, "manager"), "user"),
    (("people", "teams", ANY, "schedule"), "schedule"),
    (("services", ANY, "team"), "team"),
    (("services", ANY, "policy"), "policy"),
    (("services", ANY, "depends_on"), "service"),
    (("services", ANY, "calendar"), "calendar"),
    (("schedules", ANY, "layers", ANY, "users"), "user"),
    (("schedules", ANY, "backup"), "schedule"),
    (("correlate", "assignment", "by_category", ANY), TARGET),
    (("correlate", "assignment", "by_severity", ANY), TARGET),
    (("sla_rules", ANY, "calendar"), "calendar"),
    (("suppress", "maintenance", ANY, "calendar"), "calendar"),
    (("severity", "scheme"), "scheme"),
)
"""Path of a name, or of a list of names, and the kind of what it names."""


_ASSIGNED: Final = Assignment()
_BY_DEFAULT: Final[Mapping[src.Path, str]] = {
    ("correlate", "assignment", field, str(key)): name
    for field, table in (("by_category", _ASSIGNED.by_category), ("by_severity", _ASSIGNED.by_severity))
    for key, name in table.items()
}
"""What is so without being written, and may be written: who has no such team lets the catch-all have it."""


def problems(source: src.Source) -> Iterator[Problem]:
    """Every name that leads nowhere, and a catch-all team that is missing."""
    known = {kind: set(_at(source.tree, path)) | BUILT_IN.get(kind, set()) for kind, path in PLACES.items()}
    people = bool(known["user"] or known["team"])
    for path, kind in REFERENCES:
        if kind == TARGET and not people:
            continue  # without a directory every target is the catch-all team; `Settings.warnings` says so
        for where, named in _named(source.tree, path):
            if named == _BY_DEFAULT.get(where):
                continue
            if message := _target(named, known) if kind == TARGET else _name(named, kind, known):
                yield Problem(source.place(where), message)
    catch_all = _at(source.tree, ("people",)).get("catch_all", People().catch_all)
    if isinstance(catch_all, str) and catch_all not in known["team"] and (people or catch_all != People().catch_all):
        hint = suggestion(catch_all, known["team"])
        given = "catch_all" in _at(source.tree, ("people",))
        place = source.place(("people", "catch_all")) if given else source.place(("people",), key=True)
        what = f"no team {catch_all!r} in people.teams{hint}"
        yield Problem(
            place, what if given else f"the catch-all team is missing: {what}; or name one by people.catch_all"
        )


def _name(named: Any, kind: str, known: Mapping[str, set[str]]) -> str:
    """What is wrong with a plain name; empty = nothing."""
    if not isinstance(named, str) or not named or named in known[kind]:
        return ""
    return f"no {kind} {named!r} in {'.'.join(map(str, PLACES[kind]))}{suggestion(named, known[kind])}"


def _target(named: Any, known: Mapping[str, set[str]]) -> str:
    """What is wrong with a target: a word, `kind:name`, or fields."""
    if isinstance(named, Mapping):
        kind, name = named.get("kind"), named.get("name", "")
        if not isinstance(kind, str):  # `{user: ana}`, if the policies are written so
            pairs = [(one, named[one]) for one in KINDS if one in named]
            kind, name = pairs[0] if len(pairs) == 1 else ("", "")
        return _of_kind(kind, name, known)
    if not isinstance(named, str) or not named or named in ("management", "vendor"):
        return ""
    kind, colon, name = named.partition(":")
    if colon and kind in KINDS:
        return _of_kind(kind, name, known)
    if colon:
        return f"{kind!r} is no kind of target{suggestion(kind, KINDS)}; there are {', '.join(KINDS)}"
    every = known["team"] | known["user"] | known["schedule"]
    if named in every:
        return ""
    return f"no team, user or schedule {named!r}{suggestion(named, every)}"


def _of_kind(kind: str, name: Any, known: Mapping[str, set[str]]) -> str:
    if kind in ("management", "vendor"):
        kind = {"management": "team", "vendor": "service"}[kind]
    return _name(name, kind, known) if kind in known else ""


def cycles(services: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The circles among services that need one another, each once, beginning with its first name.

    Args:
        services: what each needs.
    """
    found: dict[frozenset[str], tuple[str, ...]] = {}
    done: set[str] = set()
    for first in sorted(services):
        stack: list[tuple[str, Iterator[str]]] = [(first, iter(services[first]))]
        path = [first]
        while stack:
            for needed in stack[-1][1]:
                if needed in path:
                    circle = path[path.index(needed) :]
                    at = circle.index(min(circle))
                    found.setdefault(frozenset(circle), (*circle[at:], *circle[:at]))
                elif needed in services and needed not in done:
                    stack.append((needed, iter(services[needed])))
                    path.append(needed)
                    break
            else:
                done.add(path.pop())
                stack.pop()
    return sorted(found.values())


def _at(tree: Any, path: src.Path) -> Mapping[str, Any]:
    """The fields at `path`; none where there are no fields."""
    for step in path:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else {}


def _named(tree: Any, path: src.Path, at: src.Path = ()) -> Iterator[tuple[src.Path, Any]]:
    """Each name at `path`, with its own path: the value, or each of a list."""
    if not path:
        if isinstance(tree, list):
            yield from (((*at, index), one) for index, one in enumerate(tree))
        elif tree is not None:
            yield at, tree
        return
    step, *rest = path
    if step == ANY:
        inner = enumerate(tree) if isinstance(tree, list) else tree.items() if isinstance(tree, Mapping) else ()
        for key, value in inner:
            yield from _named(value, tuple(rest), (*at, key))
    elif isinstance(tree, Mapping) and step in tree:
        yield from _named(tree[step], tuple(rest), (*at, step))
