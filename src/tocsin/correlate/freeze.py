"""The state of correlate as slices of bytes and back; what an event of its journal touches.

In: a state that goes on changing; slices. Out: slices; a state that does exactly what the other one does. Indexes are
not written but made again: they are a function of incidents, members and groups. Members come back in the order in
which they were attached, which is the order of the index lists.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from tocsin.correlate.evolve import DEADLINES_OF
from tocsin.correlate.state import Group, State, episode_key
from tocsin.domain import events as ev
from tocsin.domain.alert import RawMark
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant
from tocsin.wire.frozen import Freezing, Part, Thawing

INCIDENTS: Final = "incidents"
ALERTS: Final = "alerts"
GROUPS: Final = "groups"

K = TypeVar("K")
_GroupRow = tuple[str, list[str], str | None, Instant | None]
_outcome_decoders: Final = {
    kind.TYPE: msgspec.msgpack.Decoder(kind) for kind in ev.BY_TYPE.values() if issubclass(kind, ev.CommandEvent)
}


def freeze(state: State) -> Freezing:
    """Begin to write `state`."""

    def group(key: str) -> _GroupRow | None:
        found = state.groups.get(key)
        return None if found is None else (key, found.sessions, found.last, found.ended_at)

    untold: list[str] = []
    state.groups_untold = untold

    def rest() -> Iterable[tuple[str, Iterable[Any]]]:
        state.groups_untold = None
        return [
            ("outcomes", [(event.TYPE, event) for event in state.outcomes.values()]),
            ("resolves", list(state.last_resolve.items())),
            ("retired", list(state.retired)),
            ("raw", list(state.raw.items())),
            ("forgets", state.forgets),
            ("number", [(state.day, state.ordinal)]),
        ]

    return Freezing(
        (
            Part(INCIDENTS, lambda: state.incidents, state.incidents.get),
            Part(ALERTS, lambda: state.alerts, state.alerts.get),
            Part(GROUPS, lambda: state.groups, group),
        ),
        rest,
        lambda: ((GROUPS, key) for key in untold),
    )


def touched(state: State, event: ev.Event) -> Iterator[tuple[str, str]]:
    """(part, key) of the entries that `event`, evolved and committed, has changed."""
    if isinstance(event, ev.Tallied):
        for tally in event.tallies:
            member = state.alerts.get(tally.alert_id)
            if member is not None:
                yield ALERTS, tally.alert_id
                yield INCIDENTS, member.incident_id
        return
    if not isinstance(event, ev.IncidentEvent):
        return
    yield INCIDENTS, event.incident_id
    incident = state.incidents.get(event.incident_id)
    if incident is not None:
        yield GROUPS, incident.group
    if isinstance(event, ev.Opened | ev.AlertAttached | ev.LateAmended):
        if event.alert is not None:
            yield ALERTS, event.alert.alert_id
    elif isinstance(event, ev.AlertResolved):
        yield from ((ALERTS, alert_id) for alert_id in event.alert_ids)
    elif isinstance(event, ev.AlertMoved):
        yield INCIDENTS, event.moved_from
        yield from ((ALERTS, alert_id) for alert_id in event.alert_ids)
    elif isinstance(event, ev.Merged):
        yield INCIDENTS, event.absorbed
        yield from ((ALERTS, member.alert_id) for member in state.members(event.incident_id))


def thaw(slices: Iterable[bytes]) -> tuple[State, int]:
    """The state that `slices` say, and how many items they had.

    Raises:
        ValueError: they are not the slices of a state of this version.
    """
    state = State()
    incidents, alerts = state.incidents, state.alerts

    def put_incident(incident: Incident) -> None:
        incidents[incident.header.id] = incident

    def put_alert(member: Member) -> None:
        alerts[member.alert_id] = member

    def put_group(row: _GroupRow) -> None:
        group = state.groups[row[0]] = Group()
        group.sessions, group.last, group.ended_at = row[1:]

    def put_outcome(row: tuple[str, msgspec.Raw]) -> None:
        decoder = _outcome_decoders.get(row[0])
        if decoder is None:
            raise ValueError(f"a checkpoint with an outcome of the unknown type {row[0]!r}")
        event = decoder.decode(row[1])
        state.outcomes[event.command_id] = event

    def put_number(row: tuple[str, int]) -> None:
        state.day, state.ordinal = row

    forgets: list[tuple[Instant, str, str]] = []
    thawing = Thawing(
        {
            INCIDENTS: (Incident, put_incident),
            ALERTS: (Member, put_alert),
            GROUPS: (_GroupRow, put_group),
            "outcomes": (tuple[str, msgspec.Raw], put_outcome),
            "resolves": (tuple[str, Instant], lambda row: state.last_resolve.__setitem__(*row)),
            "retired": (str, state.retired.add),
            "raw": (tuple[str, RawMark], lambda row: state.raw.__setitem__(*row)),
            "forgets": (tuple[Instant, str, str], forgets.append),
            "number": (tuple[str, int], put_number),
        }
    )
    count = thawing.read(slices)
    for part, key in thawing.gone:
        {INCIDENTS: incidents, ALERTS: alerts, GROUPS: state.groups}[part].pop(key, None)  # type: ignore[attr-defined]
    state.forgets = forgets
    _index(state)
    return state, count


def _index(state: State) -> None:
    """Make what follows from incidents and members."""
    incidents, agenda = state.incidents, []
    for incident in incidents.values():
        state.numbers[incident.header.number] = incident.header.id
        for kind, field in DEADLINES_OF:
            at = getattr(incident, field)
            if at is not None:
                agenda.append((at, kind, incident.header.id))
    # A retired incident took its members with it; they are not told one by one.
    orphans = [member.alert_id for member in state.alerts.values() if member.incident_id not in incidents]
    for alert_id in orphans:
        del state.alerts[alert_id]
    for alert_id, member in state.alerts.items():
        state.roster(member.incident_id).add(member)
        _enter(state.episodes, episode_key(member), alert_id)
        _enter(state.known, member.fingerprint, alert_id)
        if member.resolved_at is None:
            _enter(state.firing, member.fingerprint, alert_id)
            if member.expires_at is not None:
                agenda.append((member.expires_at, "expire", alert_id))
    state.agenda.fill(agenda)


def _enter(index: dict[K, list[str]], key: K, alert_id: str) -> None:
    found = index.get(key)
    if found is None:
        index[key] = [alert_id]  # a list that is appended to has room for four: nearly all have one
    else:
        found.append(alert_id)
