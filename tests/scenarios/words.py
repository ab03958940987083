"""The words that the stories are told in: alerts as monitoring sends them, and a list that stories enter."""

from collections.abc import Callable, Sequence
from typing import Any

from tocsin.domain.rules import Rules
from tocsin.testing.scenario import NO_SLA, Play, Receiver, Story, StoryFunction, instant

STORIES: list[Story] = []
OPEN_END = "0001-01-01T00:00:00Z"


def story(
    rules: Rules = NO_SLA, channels: Callable[[], Sequence[Receiver]] | None = None
) -> Callable[[StoryFunction], StoryFunction]:
    """Enter a story into the list, with the rules and channels it is played by."""

    def enter(tell: StoryFunction) -> StoryFunction:
        STORIES.append(Story(tell, rules, channels) if channels else Story(tell, rules))
        return tell

    return enter


def rfc3339(time: str) -> str:
    return instant(time).isoformat().replace("+00:00", "Z")


def alert(
    name: str,
    host: str,
    since: str,
    *,
    severity: str = "warning",
    service: str = "shop",
    status: str = "firing",
    ends: str = "",
    **labels: str,
) -> dict[str, Any]:
    """The alert `name` of one host that fires since a time of day; its title is its name."""
    return {
        "status": status,
        "labels": {"alertname": name, "service": service, "instance": host, "severity": severity, **labels},
        "annotations": {"summary": name},
        "startsAt": rfc3339(since),
        "endsAt": rfc3339(ends) if ends else OPEN_END,
    }


def over(fired: dict[str, Any]) -> dict[str, Any]:
    """The same alert, resolved."""
    return {**fired, "status": "resolved"}


__all__ = ["STORIES", "Play", "Receiver", "alert", "over", "rfc3339", "story"]
