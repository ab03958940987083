"""Which services need which: what may be the cause of an incident, and what may suffer from it.

In: the services of the rules. Out: names with their distance, nearest first. Circles end where they began.
"""

from collections.abc import Mapping
from typing import Final

from tocsin.domain.rules import Service

DISTANCE_MAX: Final = 5
"""Further away, everything depends on everything."""
NEIGHBOURS_MAX: Final = 200


def upstream(name: str, services: Mapping[str, Service]) -> dict[str, int]:
    """What `name` needs, directly (1) or through others, whether it is a known service or only named."""
    return _around(name, {one: service.depends_on for one, service in services.items()})


def downstream(name: str, services: Mapping[str, Service]) -> dict[str, int]:
    """What needs `name`, directly (1) or through others."""
    needed: dict[str, list[str]] = {}
    for one, service in services.items():
        for other in service.depends_on:
            needed.setdefault(other, []).append(one)
    return _around(name, needed)


def _around(name: str, edges: Mapping[str, list[str] | tuple[str, ...]]) -> dict[str, int]:
    found: dict[str, int] = {}
    edge = [name]
    for distance in range(1, DISTANCE_MAX + 1):
        following = [other for one in edge for other in edges.get(one, ())]
        edge = [other for other in dict.fromkeys(following) if other != name and other not in found]
        for other in edge[: NEIGHBOURS_MAX - len(found)]:
            found[other] = distance
    return found
