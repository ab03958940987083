"""Why somebody was paged: the recorded events of an incident as a tree of causes.

In: the events of one incident with their places. Out: a forest, JSON-ready: what came from outside (a raw alert, a
command) is a root; below each event is what it brought about. Invariants: every event is in it exactly once; a child
is never before its parent in the order given. What waits for an instant hangs below the event that promised it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant
from tocsin.topics import RAW
from tocsin.wire.events import rfc3339


class Placed(msgspec.Struct, frozen=True):
    """One recorded event, where it lies, and what a timeline says of it."""

    topic: str
    partition: int
    offset: int
    event: ev.Event
    text: str = ""


def tree(recorded: Sequence[Placed], *, pages_only: bool = False) -> list[dict[str, Any]]:
    """The roots, each with its `children`.

    Args:
        pages_only: leave out what led to no delivery.
    """
    planted = _Forest()
    for placed in recorded:
        planted.put(placed)
    roots = planted.roots
    return [root for root in roots if _leads_to_delivery(root)] if pages_only else roots


def chain(roots: Sequence[dict[str, Any]], delivery_id: str) -> list[dict[str, Any]]:
    """The events from the outside to one delivery and its attempts, one below the other; empty when it is not there."""
    for root in roots:
        for path in _paths(root):
            if path[-1].get("delivery_id") == delivery_id and path[-1]["type"] == ev.DeliveryPlanned.TYPE:
                children: list[dict[str, Any]] = path[-1]["children"]
                return [{**node, "children": []} for node in path] + children
    return []


def _paths(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], ...]]:
    # Without recursion: the chain of an escalation that repeats for long is deeper than Python's stack.
    waiting: list[tuple[dict[str, Any], tuple[dict[str, Any], ...]]] = [(root, ())]
    while waiting:
        node, above = waiting.pop()
        path = (*above, node)
        yield path
        waiting += [(child, path) for child in reversed(node["children"])]


def _leads_to_delivery(root: dict[str, Any]) -> bool:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node["type"] == ev.DeliveryPlanned.TYPE:
            return True
        waiting += node["children"]
    return False


class _Forest:
    """Grows event by event."""

    def __init__(self) -> None:
        self.roots: list[dict[str, Any]] = []
        self._by_id: dict[str, dict[str, Any]] = {}
        self._outside: dict[str, dict[str, Any]] = {}
        self._planned: dict[str, dict[str, Any]] = {}
        self._promised: dict[tuple[str, Instant], dict[str, Any]] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def put(self, placed: Placed) -> None:
        event = placed.event
        node = _node(placed)
        self._parent(placed)["children"].append(node)
        if identifier := ev.event_id(event):
            self._by_id.setdefault(identifier, node)
        if isinstance(event, ev.DeliveryPlanned):
            self._planned[event.delivery_id] = node
        for instant in _promises(event):
            self._promised[placed.topic, instant] = node
        self._last[placed.topic] = node

    def _parent(self, placed: Placed) -> dict[str, Any]:
        event, topic = placed.event, placed.topic
        if isinstance(event, ev.DeliveryEvent) and event.delivery_id in self._planned:
            return self._planned[event.delivery_id]
        if isinstance(event, ev.CommandEvent):
            return self._from_outside(event.command_id, event, "command")
        if event.cause in self._by_id:
            return self._by_id[event.cause]
        if event.cause.startswith("deadline:"):
            instant = _instant_in(event.cause)
            found = self._promised.get((topic, instant)) if instant else None
            return found or self._last.get(topic) or self._from_outside(event.cause, event, "deadline")
        kind = "alert" if event.cause.startswith(f"{RAW.name}/") or event.cause.count("/") >= 3 else "command"
        return self._from_outside(event.cause, event, kind if event.cause else "unknown")

    def _from_outside(self, cause: str, event: ev.Event, kind: str) -> dict[str, Any]:
        root = self._outside.get(cause)
        if root is None:
            root = self._outside[cause] = _outside(cause, event, kind)
            self.roots.append(root)
        if isinstance(event, ev.CommandEvent):
            root["text"] = root["text"] or event.verb
        return root


def _outside(cause: str, event: ev.Event, kind: str) -> dict[str, Any]:
    facts = getattr(event, "alert", None)
    return {
        "type": kind,
        "id": cause,
        "at": rfc3339(event.recorded_at),
        "actor": event.actor if kind == "command" else "",
        "reason": "",
        "text": facts.title if facts else "",
        "alert_id": facts.alert_id if facts else None,
        "rules_version": None,
        "place": cause if kind == "alert" else "",
        "cause": "",
        "children": [],
    }


def _node(placed: Placed) -> dict[str, Any]:
    event = placed.event
    node: dict[str, Any] = {
        "type": event.TYPE,
        "id": ev.event_id(event),
        "at": rfc3339(event.recorded_at),
        "actor": event.actor,
        "reason": event.reason,
        "text": placed.text,
        "rules_version": event.rules_version,
        "place": f"{placed.topic}/{placed.partition}/{placed.offset}",
        "cause": event.cause,
        "children": [],
    }
    if isinstance(event, ev.DeliveryEvent):
        node["delivery_id"] = event.delivery_id
        node["channel"] = event.channel
        for name in ("receipt", "error", "attempt"):
            if value := getattr(event, name, None):
                node[name] = value
    return node


def _promises(event: ev.Event) -> Iterator[Instant]:
    """Every instant that `event` promises: its fields, and those of the steps in it, that end in `due_at`."""
    waiting: list[msgspec.Struct] = [event]
    while waiting:
        struct = waiting.pop()
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, Instant):
                if name.endswith("due_at"):
                    yield value
            elif isinstance(value, msgspec.Struct):
                waiting.append(value)
            elif isinstance(value, tuple):
                waiting += [one for one in value if isinstance(one, msgspec.Struct)]


def _instant_in(cause: str) -> Instant | None:
    """The instant in `deadline:<kind>:<instant>`; no kind has four digits behind a colon."""
    for place, letter in enumerate(cause):
        if letter == ":" and cause[place + 1 : place + 5].isdigit():
            try:
                return Instant.fromisoformat(cause[place + 1 :])
            except ValueError:
                return None
    return None


def flat(roots: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(depth, node) of every node, parents before children, in the order of time below each."""
    waiting: list[tuple[int, Mapping[str, Any]]] = [(0, root) for root in reversed(roots)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting += [(depth + 1, child) for child in reversed(node["children"])]
