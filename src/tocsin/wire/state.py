"""Records of `incidents.state.v1`: an incident as it is, for readers who do not want its history.

In: the state of one incident, and the offset of its journal up to which it holds. Out: key, JSON value, headers; a
tombstone once the incident is retired. Field names are those of the API. Invariant: every field is always there.
Members are not: an incident can have a hundred thousand of them; the events name each one.
"""

from operator import attrgetter
from typing import Any, Final

import msgspec

from tocsin.domain.details import AbsorbedIncident, Answer, Details, FollowUp, Impact, Record, Roles
from tocsin.domain.header import IncidentHeader
from tocsin.domain.incident import Incident
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.playbook import PlaybookRun
from tocsin.domain.severity import Severity
from tocsin.wire.events import CLAIM, CONTENT_TYPE, SEQUENCE, SPECVERSION
from tocsin.wire.record import Draft, Headers

TYPE: Final = "tocsin.state.incident.v1"
"""Not `tocsin.incident.…`: those are events, and a reader that filters by that prefix wants nothing else."""
AS_OF: Final = "tocsin_as_of"
"""20 digits: the record is the fold of the journal below this offset."""
SHOWN: Final = "tocsin_shown"
"""20 digits: whatever the journal says below this offset of any incident of the partition has been shown before."""
SHOWN_FROM: Final = "tocsin_shown_from"
"""20 digits: where the partition began when that was true. Since somebody may have dropped records, it holds only for
this begin."""


class IncidentState(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it is. The record's key is its id; a record without a value says that it is retired."""

    id: str
    number: str
    version: int
    """Of its last event."""
    title: str
    severity: Severity
    status: Status
    opened_at: Instant
    category: str
    service: str
    team: str
    assignee: str
    source: str
    correlation_id: str
    acknowledged_at: Instant | None
    acknowledged_by: str
    suppressed_by: str = ""
    """What keeps it quiet; empty = nothing."""
    suppressed_until: Instant | None = None
    alerts: int
    """Distinct fingerprints."""
    firing: int
    """Distinct fingerprints that fire."""
    occurrences: int
    """Sightings counted so far."""
    summary: str
    labels: dict[str, str]
    """The labels that the group was made by."""
    links: dict[str, str]
    event_time: Instant | None
    """Event time of the alert that opened it."""
    group_key: str
    rule: str
    """Name of the correlation rule that grouped it."""
    pinned: bool
    """A person has touched it: it survives merges."""
    previous: str | None
    recurrence_of: str | None
    merged_into: str | None
    linked: tuple[str, ...]
    services: tuple[str, ...]
    settled_at: Instant | None
    """When a person resolved it while alerts may still fire."""
    resolved_at: Instant | None
    closed_at: Instant | None
    acknowledgement_expires_at: Instant | None
    resolve_due_at: Instant | None
    close_due_at: Instant | None
    retire_due_at: Instant | None
    impact: Impact = Impact()
    urgency: str = ""
    incident_type: str = ""
    server_id: str = ""
    root_cause: str = ""
    root_cause_category: str = ""
    resolution: str = ""
    prevention: str = ""
    rca_link: str = ""
    roles: Roles = Roles()
    follow_ups: tuple[FollowUp, ...] = ()
    records: tuple[Record, ...] = ()
    """Evidence, decisions, validation steps."""
    answers: tuple[Answer, ...] = ()
    """Who has acknowledged on behalf of whom since the opening."""
    absorbed: tuple[AbsorbedIncident, ...] = ()
    """Incidents of other partitions that were merged into this one."""
    playbooks: tuple[PlaybookRun, ...] = ()
    """Those that were begun, with who did which step when."""
    snoozed_until: Instant | None = None
    watched_until: Instant | None = None
    closing_held: bool = False
    """It would have closed by itself, but lacks a root cause."""
    update_requested_at: Instant | None = None
    updated_people_at: Instant | None = None
    voided: bool = False


_OF_HEADER: Final = tuple(name for name in IncidentHeader.__struct_fields__ if name != "occurrences")
OF_DETAILS: Final = tuple(name for name in Details.__struct_fields__ if name in IncidentState.__struct_fields__)
"""What people said of it: flat here, and absent until the first of it within."""
_OF_INCIDENT: Final = tuple(
    name for name in IncidentState.__struct_fields__ if name not in _OF_HEADER and name not in OF_DETAILS
)
_header_fields: Final = attrgetter(*_OF_HEADER)
_incident_fields: Final = attrgetter(*_OF_INCIDENT)
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(IncidentState)


def state_of(incident: Incident) -> IncidentState:
    """What everybody may see of `incident`."""
    header = incident.header
    fields: dict[str, Any] = dict(zip(_OF_HEADER, _header_fields(header), strict=True))
    fields.update(zip(_OF_INCIDENT, _incident_fields(incident), strict=True))
    if incident.details is not None:
        fields |= {name: getattr(incident.details, name) for name in OF_DETAILS}
    return IncidentState(**fields)


def encode_state(shown: IncidentState) -> bytes:
    return _encoder.encode(shown)


def decode_state(value: bytes) -> IncidentState:
    """Raises `msgspec.MsgspecError`: it is none."""
    return _decoder.decode(value)


def draft_of(
    key: str, value: bytes | None, *, source: str, place: int, claim: int, as_of: int, shown: int, begin: int
) -> Draft:
    """The record of incident `key` at offset `place` of its partition.

    Args:
        value: None = a tombstone.
        source: `ce_source`.
        claim: offset of the writer's claim in the journal.
        as_of, shown: see the headers of these names.
        begin: of the partition, as far as the writer knows.
    """
    headers: Headers = (
        ("ce_id", b"%b.%d" % (key.encode(), as_of)),
        ("ce_source", source.encode()),
        SPECVERSION,
        ("ce_type", TYPE.encode()),
        (SEQUENCE, b"%020d" % place),
        (CLAIM, b"%020d" % claim),
        CONTENT_TYPE,
        ("ce_subject", key.encode()),
        (AS_OF, b"%020d" % as_of),
        (SHOWN, b"%020d" % shown),
        (SHOWN_FROM, b"%020d" % begin),
    )
    return Draft(key.encode(), value, headers)
