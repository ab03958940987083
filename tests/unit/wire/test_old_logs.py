"""Records of before there were details, targets and voids are read as they were meant."""

import msgspec
import pytest

from tocsin.domain.command import Command
from tocsin.domain.incident import Incident
from tocsin.wire.command import decode_command
from tocsin.wire.events import decode_value

HEADER = (
    b'{"id":"inc_aaaaaaaaaaaaaaaaaaaaaa","number":"INC-2026-11-21-001","version":2,"title":"Disk full","severity":'
    b'"high","status":"%s","opened_at":"2026-11-21T12:00:00Z","alerts":1,"firing":1,"occurrences":1}'
)
STAMPS = b'"recorded_at":"2026-11-21T12:01:00Z","incident_id":"inc_aaaaaaaaaaaaaaaaaaaaaa","version":2'


@pytest.mark.parametrize(
    ("name", "status", "own"),
    [
        ("incident.acknowledged", b"acknowledged", b'"expires_due_at":"2026-11-21T16:01:00Z","note":"on it"'),
        ("incident.closed", b"closed", b'"retire_due_at":"2026-11-28T12:01:00Z"'),
        ("incident.closed", b"closed", b'"merged_into":"inc_aabbbbbbbbbbbbbbbbbbbb"'),
        ("incident.reopened", b"open", b'"note":"again"'),
    ],
)
def test_an_old_event_has_nothing_of_the_new(name: str, status: bytes, own: bytes) -> None:
    event = decode_value(name, b"{%b,%b,%b}" % (STAMPS, b'"header":' + HEADER % status, own))
    assert name == event.TYPE
    assert not getattr(event, "voided", False)
    assert getattr(event, "answered", ()) == ()


def test_an_old_incident_of_the_database_has_no_details() -> None:
    found = msgspec.json.decode(b'{"header":%b,"pinned":true,"occurrences":3}' % (HEADER % b"open"), type=Incident)
    assert (found.details, found.snooze_due_at, found.watch_due_at, found.pinned) == (None, None, None, True)


def test_an_old_command_is_the_same_command() -> None:
    old = (
        b'{"command_id":"c1","verb":"assign","incident":"INC-2026-11-21-001","actor":"ada","arguments":{"team":"dba"}}'
    )
    assert decode_command(old) == Command(
        command_id="c1", verb="assign", incident="INC-2026-11-21-001", actor="ada", arguments={"team": "dba"}
    )
