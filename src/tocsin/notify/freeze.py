"""The state of notify as slices of bytes and back; what an event of its journal touches.

In: a state that goes on changing; slices. Out: slices; a state that does exactly what the other one does. The lines
of the channels are written in their order, since the order of sends follows from it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant
from tocsin.domain.rules.notification import COUNTED_MAX
from tocsin.notify.state import Answer, Bundle, Delivery, Lane, Ledger, Muted, Told, shared
from tocsin.wire.frozen import Freezing, Part, Thawing

DELIVERIES: Final = "deliveries"
TOLD: Final = "told"
LINES: Final = ("pages", "others", "lost")


def freeze(state: Ledger) -> Freezing:
    """Begin to write `state`."""

    def rest() -> Iterable[tuple[str, Iterable[Any]]]:
        muted, bundles = state.muted.items(), state.bundles.values()
        lines = (
            (channel, name, delivery_id, at)
            for channel, lane in state.lanes.items()
            for name in LINES
            for delivery_id, at in getattr(lane, name).waiting()
        )
        return [
            ("answered", list(state.answered.items())),
            ("muted", [(key, one.cause, one.since, one.version, one.owed, one.calls) for key, one in muted]),
            ("lanes", list(state.lanes)),
            ("lines", list(lines)),
            ("sending", list(state.sending)),
            ("planned", [state.planned]),
            ("bundles", [(one.id, one.channel, one.place, one.why, one.due_at, list(one.members)) for one in bundles]),
            ("counted", [(*key, list(times)) for key, times in state.counted.items()]),
        ]

    def told(incident_id: str) -> tuple[str, list[Told]] | None:
        entries = state.told.get(incident_id)
        return None if entries is None else (incident_id, entries)

    return Freezing(
        (Part(DELIVERIES, lambda: state.deliveries, state.deliveries.get), Part(TOLD, lambda: state.told, told)), rest
    )


def touched(state: Ledger, event: ev.Event) -> Iterator[tuple[str, str]]:
    """(part, key) of the entries that `event`, evolved and committed, has changed."""
    if isinstance(event, ev.DeliveryEvent):
        yield DELIVERIES, event.delivery_id
        if event.incident_id:
            yield TOLD, event.incident_id
    elif isinstance(event, ev.Followed):
        yield TOLD, event.incident_id
        yield from ((DELIVERIES, delivery.id) for delivery in state.of(event.incident_id))


def thaw(slices: Iterable[bytes]) -> tuple[Ledger, int]:
    """The state that `slices` say, and how many items they had.

    Raises:
        ValueError: they are not the slices of a state of this version.
    """
    state = Ledger()
    lines: list[tuple[str, str, str, Instant]] = []

    def put_delivery(delivery: Delivery) -> None:
        state.deliveries[delivery.id] = delivery

    def put_planned(planned: int) -> None:
        state.planned = planned

    def put_bundle(row: tuple[str, str, str, str, Instant, list[str]]) -> None:
        state.bundles[row[0]] = Bundle(*row[:5], dict.fromkeys(row[5]))

    thawing = Thawing(
        {
            DELIVERIES: (Delivery, put_delivery),
            "muted": (
                tuple[str, str, Instant, int, bool, list[Delivery]],
                lambda row: state.muted.__setitem__(row[0], Muted(*row[1:])),
            ),
            "answered": (tuple[str, Answer], lambda row: state.answered.__setitem__(*row)),
            "lanes": (str, lambda channel: state.lanes.__setitem__(channel, Lane())),
            "lines": (tuple[str, str, str, Instant], lines.append),
            "sending": (str, lambda delivery_id: state.sending.__setitem__(delivery_id, None)),
            "planned": (int, put_planned),
            TOLD: (tuple[str, list[Told]], lambda row: state.told.__setitem__(row[0], [shared(one) for one in row[1]])),
            "bundles": (tuple[str, str, str, str, Instant, list[str]], put_bundle),
            "counted": (
                tuple[str, str, bool, list[Instant]],
                lambda row: state.counted.__setitem__(row[:3], deque(row[3], COUNTED_MAX)),
            ),
        },
        {},
    )
    count = thawing.read(slices)
    for part, key in thawing.gone:
        (state.told if part == TOLD else state.deliveries).pop(key, None)
    for delivery in state.deliveries.values():
        state.of_incident.setdefault(delivery.incident_id, {})[delivery.id] = None
    for channel, name, delivery_id, at in lines:
        if name not in LINES or channel not in state.lanes or delivery_id not in state.deliveries:
            raise ValueError(f"a checkpoint whose line {channel}/{name} does not fit its deliveries")
        getattr(state.lanes[channel], name).put(state.deliveries[delivery_id], at)
    if any(member not in state.deliveries for bundle in state.bundles.values() for member in bundle.members):
        raise ValueError("a checkpoint whose bundles do not fit its deliveries")
    return state, count
