"""One example of every public record: the life of one incident on 21 November 2026. Pure data.

They stand in `schemas/examples/` and are tests: each fits its schema, decodes to its struct and encodes back
to the same bytes. `EVENTS` has one for every type in `domain.events.BY_TYPE`.
"""

from typing import Any, Final

from tocsin.domain import events as ev
from tocsin.domain.alert import RawMark
from tocsin.domain.command import Command
from tocsin.domain.incident import Incident
from tocsin.domain.instant import to_ms
from tocsin.wire.events import POSITION as POSITION_HEADER
from tocsin.wire.events import encode, source_of, stamp
from tocsin.wire.examples import incident, outcome, playbook
from tocsin.wire.examples.story import COMMAND_ID, INCARNATION, INCIDENT, OFFSET, START, at
from tocsin.wire.position import Position, encode_position, record_fingerprint
from tocsin.wire.state import state_of

INCIDENTS: Final = "incidents.events.v1"

EVENTS: Final[dict[str, ev.Event]] = {
    event.TYPE: event
    for event in (
        *incident.INCIDENT_EVENTS,
        *playbook.PLAYBOOKS,
        *incident.answers(),
        *outcome.journal_events(),
        *outcome.escalations(),
        *outcome.deliveries(),
        outcome.PUBLISHED,
    )
}
"""Type -> example."""

COMMAND: Final = Command(
    command_id=COMMAND_ID,
    verb="acknowledge",
    incident="INC-2026-11-21-007",
    reason="looking at it",
    actor="ada",
)

POSITION: Final = Position(
    sources={"alerts.normalized.v1/0": (57, record_fingerprint(None, b"the record before"))},
    raw={"alerts.raw.v1/0": RawMark(INCARNATION, 88, 0, at(-0.25))},
)

STATE: Final = state_of(
    Incident(
        header=incident.INCIDENT_EVENTS[0].header,
        group_key="alertname='DiskWillFillIn4Hours',cluster='eu-1'",
        occurrences=4,
        event_time=at(-0.25),
        services=("orders-db",),
        resolve_due_at=at(6),
    )
)

ALERT: Final[dict[str, Any]] = {
    "title": "Certificate of shop.example runs out in 3 days",
    "severity": "warning",
    "service": "shop",
    "category": "security",
    "key": "certificate/shop.example",
    "starts_at": "2026-11-21T03:12:07.250Z",
    "labels": {"host": "shop.example", "cluster": "eu-1"},
    "annotations": {"description": "The renewal failed twice."},
    "links": {"runbook": "https://runbooks.example/certificate"},
}


def headers() -> dict[str, str]:
    """The headers of the opening event, as text; it ends a commit, so it carries the position."""
    stamped = stamp(
        encode(EVENTS["incident.opened"]),
        source=source_of("tocsin", INCIDENTS, 0),
        journal=INCIDENTS,
        partition=0,
        offset=OFFSET,
        claim=3970,
    )
    return {name: value.decode() for name, value in (*stamped, (POSITION_HEADER, encode_position(POSITION)))}


def exported() -> dict[str, Any]:
    """The opening event as a line of `tocsin topics export`."""
    encoded = encode(EVENTS["incident.opened"])
    return {
        "topic": INCIDENTS,
        "partition": 0,
        "offset": OFFSET,
        "timestamp": to_ms(START),
        "key": INCIDENT,
        "headers": headers(),
        "value": encoded.value.decode(),
    }
