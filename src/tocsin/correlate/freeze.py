"""The state of correlate as slices of bytes and back; what an event of its journal touches.

In: a state that goes on changing; slices. Out: slices; a state that does exactly what the other one does. Indexes are
made of the rows that are written beside the entries; the entries stay packed until somebody asks for them. Members come
back in the order in which they were attached, which is the order of the index lists.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tocsin.correlate.evolve import DEADLINES_OF
from tocsin.correlate.state import Group, State
from tocsin.domain import events as ev
from tocsin.domain.alert import RawMark
from tocsin.domain.command import Command
from tocsin.domain.incident import Incident, Member
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.stage import Standing
from tocsin.wire.frozen import Freezing, Part, Rows, Thawing
from tocsin.wire.resting import Block, Resting, peeking

INCIDENTS: Final = "incidents"
ALERTS: Final = "alerts"
GROUPS: Final = "groups"


class _IncidentRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is needed of an incident before anything happens to it."""

    id: str
    number: str
    deadlines: tuple[tuple[str, Instant], ...]


class _MemberRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The same of a member."""

    alert_id: str
    incident_id: str
    fingerprint: str
    expires_at: Instant | None
    """None when it does not fire."""


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What the gauges know of a header."""

    id: str
    severity: Severity
    status: Status
    acknowledged_at: Instant | None = None


class _Shown(msgspec.Struct, frozen=True, gc=False):
    """What the gauges know of an incident."""

    header: _Head


_outcome_decoders: Final = {
    kind.TYPE: msgspec.msgpack.Decoder(kind) for kind in ev.BY_TYPE.values() if issubclass(kind, ev.CommandEvent)
}


def incident_id(incident: Incident) -> str:
    """The key of an incident."""
    return incident.header.id


def alert_id(member: Member) -> str:
    """The key of a member."""
    return member.alert_id


def group_id(group: Group) -> str:
    """The key of a group, which is also its row."""
    return group.id


def _incident_row(incident: Incident) -> _IncidentRow:
    instants = ((kind, getattr(incident, field)) for kind, field in DEADLINES_OF)
    deadlines = tuple((kind, at) for kind, at in instants if at is not None)
    return _IncidentRow(incident.header.id, incident.header.number, deadlines)


def _member_row(member: Member) -> _MemberRow:
    expires_at = member.expires_at if member.firing else None
    return _MemberRow(member.alert_id, member.incident_id, member.fingerprint, expires_at)


def freeze(state: State) -> Freezing:
    """Begin to write `state`."""
    untold: list[str] = []
    state.groups_untold = untold

    def rest() -> Iterable[tuple[str, Iterable[Any]]]:
        state.groups_untold = None
        return [
            ("outcomes", [(event.TYPE, event) for event in state.outcomes.values()]),
            ("resolves", list(state.last_resolve.items())),
            ("retired", list(state.retired)),
            ("outbox", list(state.outbox.values())),
            ("load", list(state.load.items())),
            ("raw", list(state.raw.items())),
            ("forgets", state.forgets),
            ("swept", [(state.swept_by, [(key, *at) for key, at in state.sweeps.items()])]),
            ("number", [(state.day, state.ordinal)]),
        ]

    return Freezing(
        (
            Part(INCIDENTS, lambda: state.incidents, peeking(state.incidents), _incident_row),
            Part(ALERTS, lambda: state.alerts, peeking(state.alerts), _member_row),
            Part(GROUPS, lambda: state.groups, peeking(state.groups), group_id),
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

    def put_outcome(row: tuple[str, msgspec.Raw]) -> None:
        decoder = _outcome_decoders.get(row[0])
        if decoder is None:
            raise ValueError(f"a checkpoint with an outcome of the unknown type {row[0]!r}")
        event = decoder.decode(row[1])
        state.outcomes[event.command_id] = event

    def put_number(row: tuple[str, int]) -> None:
        state.day, state.ordinal = row

    forgets: list[tuple[Instant, str, str]] = []
    swept: list[tuple[str, list[tuple[str, str, Instant]]]] = []
    entries = _Entries()
    thawing = Thawing(
        {
            "outcomes": (tuple[str, msgspec.Raw], put_outcome),
            "resolves": (tuple[str, Instant], lambda row: state.last_resolve.__setitem__(*row)),
            "retired": (str, state.retired.add),
            "outbox": (Command, lambda command: state.outbox.__setitem__(command.command_id, command)),
            "load": (tuple[str, int], lambda row: state.load.__setitem__(*row)),
            "raw": (tuple[str, RawMark], lambda row: state.raw.__setitem__(*row)),
            "forgets": (tuple[Instant, str, str], forgets.append),
            "number": (tuple[str, int], put_number),
            "swept": (tuple[str, list[tuple[str, str, Instant]]], swept.append),
        },
        {
            INCIDENTS: Rows(_IncidentRow, entries.take_incidents),
            ALERTS: Rows(_MemberRow, entries.take_members),
            GROUPS: Rows(str, entries.take_groups),
        },
    )
    count = thawing.read(slices)
    for part, key in thawing.gone:
        entries.drop(part, key)
    state.forgets = forgets
    entries.settle(state)
    for state.swept_by, sweeps in swept:
        for partition_key, cursor, at in sweeps:
            state.sweep(partition_key, cursor, at)
    return state, count


class _Entries:
    """The incidents, members and groups of a state that is being read, later rows in the place of earlier ones."""

    def __init__(self) -> None:
        self._incidents = Resting(Incident, incident_id)
        self._members = Resting(Member, alert_id)
        self._groups = Resting(Group, group_id)
        self._incident_rows: dict[str, _IncidentRow] = {}
        self._member_rows: dict[str, _MemberRow] = {}

    def take_incidents(self, rows: list[_IncidentRow], block: Block) -> None:
        found = {row.id: row for row in rows}
        self._incidents.rest(found, block)
        self._incident_rows.update(found)

    def take_members(self, rows: list[_MemberRow], block: Block) -> None:
        found = {row.alert_id: row for row in rows}
        self._members.rest(found, block)
        self._member_rows.update(found)

    def take_groups(self, rows: list[str], block: Block) -> None:
        self._groups.rest(rows, block)

    def drop(self, part: str, key: str) -> None:
        """The entry is gone."""
        if part == INCIDENTS:
            self._incidents.drop(key)
            self._incident_rows.pop(key, None)
        elif part == ALERTS:
            self._members.drop(key)
            self._member_rows.pop(key, None)
        else:
            self._groups.drop(key)

    def settle(self, state: State) -> None:
        """Put them into `state`, with everything that follows from them."""
        state.incidents, state.alerts, state.groups = self._incidents, self._members, self._groups
        agenda = []
        for key, incident in self._incident_rows.items():
            state.numbers[incident.number] = key
            agenda += [(at, sys.intern(kind), key) for kind, at in incident.deadlines]
        for key, member in self._member_rows.items():
            owner = self._incident_rows.get(member.incident_id)
            if owner is None:  # A retired incident took its members with it; they are not told one by one.
                self._members.drop(key)
                continue
            state.rosters.add(owner.id, key)
            state.know(member.fingerprint, key)
            if member.expires_at is not None:
                agenda.append((member.expires_at, "expire", key))
        state.agenda.fill(agenda)


def standing(state: State) -> Iterable[Standing]:
    """What the gauges need to know of every incident."""
    if not isinstance(state.incidents, Resting):
        return (incident.header for incident in state.incidents.values())
    shown = state.incidents.read_as(_Shown, lambda shown: shown.header.id, lambda incident: _Shown(_head(incident)))
    return (one.header for one in shown)


def _head(incident: Incident) -> _Head:
    header = incident.header
    return _Head(header.id, header.severity, header.status, header.acknowledged_at)
