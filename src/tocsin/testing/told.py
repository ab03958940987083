"""What a log tells, without what differs from one log to the next: offsets, ids, numbers, the cut of commits.

In: lines of `topics export`. Out: per group of alerts what happened to its incidents, who was called, and what became
of each message; a timeline of the same to read. Two logs that tell the same took the same decisions. It judges nothing;
`checker` does.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from tocsin.testing.lines import ESCALATIONS, INCIDENTS, NOTIFICATIONS, REJECTED, Line, instant

__all__ = ["Told", "rejections", "sightings", "timeline", "told"]

_NAMES: Final = re.compile(r"(inc|alt|esc|ntf|cmd)_[a-z2-7]{20,22}|INC-\d{4}-\d\d-\d\d-\d+|alerts\.raw\.v1(?:/\d+){3}")
_LEFT_OUT: Final = frozenset(
    {"rules_version", "incident_offset", "ordinal", "duration_seconds", "possible_duplicate", "receipt"}
)
"""Fields that say where something stands in a log, or how long something real took."""
_SILENT: Final = frozenset({"escalation.scheduled", "escalation.resumed", "sla.renewed"})
"""Events that a timeline leaves out: what follows from them is in it."""


class Told(NamedTuple):
    """What happened, by group key; what became of each command and of each rejected record."""

    incidents: dict[str, list[Any]]
    escalations: dict[str, list[Any]]
    deliveries: dict[str, dict[str, list[str]]]
    commands: dict[str, tuple[str, str]]
    rejected: dict[str, int]


def told(log: Iterable[Line]) -> Told:
    """Everything that `log` tells."""
    lines = [line for line in log if line.counts]
    groups = _groups(lines)
    names: dict[str, _Names] = defaultdict(_Names)
    found = Told(defaultdict(list), defaultdict(list), defaultdict(dict), {}, {})
    for line in lines:
        if line.type.startswith("command."):
            asked = line.value["command_id"]
            if _NAMES.fullmatch(asked):  # by an owner: its id follows from an event's
                asked = f"{line.value['verb']} of {groups.get(line.value['incident_id'], 'nothing')}"
            found.commands[asked] = (line.type, line.value["reason"])
        incident = line.value.get("incident_id") if isinstance(line.value, dict) else None
        if incident not in groups or not line.type or line.type.startswith(("command.", "journal.")):
            continue
        group = groups[incident]
        if line.topic == INCIDENTS:
            found.incidents[group].append((line.type, names[group].plain(line.value)))
        elif line.topic == ESCALATIONS:
            found.escalations[group].append((line.type, names[group].plain(line.value)))
    for group, message, words in _messages(lines, groups, names):
        found.deliveries[group][message] = words
    found.rejected.update(Counter(line.headers["tocsin_error_reason"] for line in rejections(lines)))
    return Told(*(dict(part) for part in found))  # type: ignore[arg-type]


DIGESTS: Final = "digests"
"""The group of what is about many incidents."""


def _groups(lines: Iterable[Line]) -> dict[str, str]:
    """Group key by incident id."""
    return {line.value["incident_id"]: line.value["group_key"] for line in lines if line.type == "incident.opened"}


class _Names:
    """Names that replace ids: the kind and a number, in the order in which a group mentions them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.plain(value[name]) for name in value if name not in _LEFT_OUT}
        if isinstance(value, list):
            return [self.plain(one) for one in value]
        return _NAMES.sub(self._name, value) if isinstance(value, str) else value

    def _name(self, match: re.Match[str]) -> str:
        known = self._known.get(match[0])
        if known is None:
            kind = match[1] or ("number" if match[0].startswith("INC-") else "place")
            number = sum(name.startswith(kind) for name in self._known.values()) + 1
            known = self._known[match[0]] = f"{kind}#{number}"
        return known


def _messages(
    lines: Iterable[Line], groups: dict[str, str], names: dict[str, _Names]
) -> Iterable[tuple[str, str, list[str]]]:
    """(group, message, what became of it); attempts that failed one after the other count once."""
    stories: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.topic == NOTIFICATIONS and line.type.startswith("delivery."):
            stories[line.value["delivery_id"]].append(line)
    for story in stories.values():
        first = story[0].value
        group = groups[first["incident_id"]] if first["incident_id"] else DIGESTS
        cause = names[group].plain(first["cause"])
        message = f"{cause} {first['step']} over {first['channel']} to {first['recipient']}"
        words = [f"{line.type.removeprefix('delivery.')} ({line.value['reason']})" for line in story]
        words = [word for word in words if not word.startswith("attempted")]
        yield group, message, [word for word, _ in groupby(words)]


def sightings(log: Iterable[Line]) -> Counter[str]:
    """How often the alerts of each incident were seen: the first sightings and the tallies of those it has now."""
    where: dict[str, str] = {}
    seen = Counter[str]()
    for line in log:
        if line.topic != INCIDENTS or not line.counts:
            continue
        event = line.value
        if alert := event.get("alert"):
            where[alert["alert_id"]] = event["incident_id"]
            seen[alert["alert_id"]] += 1
        for alert_id, count, *_ in event.get("tallies", ()):
            seen[alert_id] += count
        if line.type == "incident.merged":
            moved = [one for one, incident in where.items() if incident == event["absorbed"]]
            where.update(dict.fromkeys(moved, event["incident_id"]))
        elif line.type == "incident.alert_moved":
            where.update(dict.fromkeys(event["alert_ids"], event["incident_id"]))
    found = Counter[str]()
    for alert_id, incident in where.items():
        found[incident] += seen[alert_id]
    return found


def rejections(log: Iterable[Line]) -> list[Line]:
    """Every rejected record or item once: after a crash it may be there twice."""
    places: dict[tuple[str, str], Line] = {}
    for line in log:
        if line.topic == REJECTED and "tocsin_error_source" in line.headers:  # else it says that one was requeued
            places.setdefault((line.headers["tocsin_error_source"], line.headers["tocsin_error_position"]), line)
    return list(places.values())


# ---- to read --------------------------------------------------------------------------------------------------------


def timeline(log: Sequence[Line], title: str) -> list[str]:
    """What happened to the incidents of the group in which one had the title `title`, to the minute:
    `10:04 resolved (all_alerts_resolved)`.

    From the second incident of the group on a line begins with its number, `#2 `. Lines that only repeat the one before
    are counted: `… ×30`.
    """
    lines = [line for line in log if line.counts and isinstance(line.value, dict) and "incident_id" in line.value]
    groups = _groups(lines)
    wanted = {groups[line.value["incident_id"]] for line in lines if line.value.get("header", {}).get("title") == title}
    assert len(wanted) == 1, f"{title!r} is the title of incidents of {len(wanted)} groups"
    (group,) = wanted
    order = {incident: nth for nth, incident in enumerate((one for one in groups if groups[one] == group), 1)}
    events = [
        line
        for line in lines
        if line.value["incident_id"] in order
        and line.topic in (INCIDENTS, ESCALATIONS)
        and not line.type.startswith("command.")
        and line.type not in _SILENT
    ]
    events.sort(key=lambda line: (instant(line.value["recorded_at"]), line.topic != INCIDENTS))
    texts = [_text(line, order[line.value["incident_id"]]) for line in events]
    counted = ((text, len(list(same))) for text, same in groupby(texts))
    return [text if count == 1 else f"{text} ×{count}" for text, count in counted]


def _text(line: Line, nth: int) -> str:
    event = line.value
    at = instant(event["recorded_at"])
    said = f"{line.type.removeprefix('incident.')} ({event['reason']})"
    if line.type == "escalation.fired":
        step = event["step"]
        said = f"level {step['level']} calls {event['team']}" + (" again" if step.get("repeat") else "")
    elif event.get("actor", "tocsin") != "tocsin":
        said = f"{line.type.removeprefix('incident.')} by {event['actor']}"
    return f"{at:%H:%M} {f'#{nth} ' if nth > 1 else ''}{said}"
