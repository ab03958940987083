"""Anything may happen to correlate: alerts in any order and of every kind, commands, time. What holds all the same.

Every sighting leaves exactly one trace; versions rise by one; headers tell the truth; folding the events again gives
the same state; deadlines are never early and never stay due.
"""

import os
import random
from collections import Counter
from typing import Any

import pytest

from tocsin.correlate.roster import reach_of
from tocsin.domain import events as ev
from tocsin.domain.alert import Episode
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.testing.story import Desk, alert

SEEDS = 2000 if os.environ.get("CI") else 150
STATUS_VERBS = ("acknowledge", "investigate", "mitigate", "resolve", "close", "reopen")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "note": {"text": "looking"},
    "assign": {"team": "web"},
    "declare": {"title": "down", "correlation_id": "case"},
    "change": {"severity": "low", "root_cause": "a full disk", "impact": {"users_affected": 7, "regions": ["eu"]}},
    "set_roles": {"incident_commander": "ada", "experts": ["linus"]},
    "merge": {"into": "INC-2026-11-21-002"},
    "link": {"to": "INC-2026-11-21-001"},
    "unlink": {"to": "INC-2026-11-21-001"},
    "snooze": {"minutes": 90},
    "unsnooze": {},
    "watch": {"minutes": 300},
    "end_watch": {},
    "evidence": {"text": "seen"},
    "follow_up": {"text": "do it", "due_at": "2026-12-01T00:00:00Z"},
    "follow_up_done": {"follow_up": "f1"},
    "escalate": {"level": 2},
    "request_update": {},
    "resend": {"delivery": "ntf_aaqm5x2s6bsvhjx43dyfrq"},
    "post_update": {"text": "we know", "audience": "customers"},
    "void": {},
}
VERBS = (*STATUS_VERBS, *STATUS_VERBS, *ARGUMENTS)
"""What moves an incident comes as often as everything else together."""


def play(seed: int) -> tuple[Desk, int]:
    """Sixty random steps; returns the desk and how many sightings could leave a trace."""
    chance = random.Random(seed)
    desk = Desk()
    minute, sightings = 0.0, 0
    for offset in range(60):
        minute += (
            chance.choice([0.01, 0.5, 2, 6, 12]) if chance.random() < 0.9 else chance.choice([60, 300, 1500, 12000])
        )
        if chance.random() < 0.2:
            command(desk, chance)
        if chance.random() < 0.3:
            desk.until(minute)
        episode = chance.choice(list(Episode))
        status = chance.choice(["firing"] * 4 + ["resolved"] * 2 + ["acknowledged"])
        received = minute - chance.choice([0, 0, 0, 1, 7, 15])
        sightings += status != "acknowledged"
        desk.read(
            alert(
                chance.choice("abcdef") + episode.value,
                received,
                started=received - chance.choice([0, 0, 1, 5, 30, 500]),
                status=status,
                episode=episode,
                group=chance.choice(["shop", "shop", "mail"]),
                severity=chance.choice(["info", "warning", "critical"]),
                service=chance.choice(["", "web", "db"]),
                expires=received + 5 if chance.random() < 0.2 else None,
                correlation_id="case" if chance.random() < 0.1 else "",
                raw=(chance.randint(0, 2), offset),
            )
        )
    desk.until(minute + chance.choice([0, 5, 3000]))
    return desk, sightings


def command(desk: Desk, chance: random.Random) -> None:
    numbers = [one.header.number for one in desk.state.incidents.values()] or ["INC-2026-11-21-001"]
    verb = chance.choice(VERBS)
    desk.command(verb, "" if verb == "declare" else chance.choice(numbers), **ARGUMENTS.get(verb, {}))


@pytest.mark.parametrize("block", range(10))
def test_whatever_happens(block: int, seed: int) -> None:
    for number in range(SEEDS // 10):
        one = seed + block * 10_000 + number
        try:
            desk, sightings = play(one)
            check(desk, sightings)
        except Exception as error:
            raise AssertionError(f"seed {one}: repeat with play({one})") from error


def check(desk: Desk, sightings: int) -> None:
    assert traces(desk) == sightings
    versions: dict[str, int] = {}
    for event in desk.events:
        if isinstance(event, ev.IncidentEvent):
            versions[event.incident_id] = versions.get(event.incident_id, 0) + 1
            assert event.version == event.header.version == versions[event.incident_id]
    for incident in desk.state.incidents.values():
        check_incident(desk, incident.id)
    assert desk.replayed() == desk.state
    due = desk.stage.due(desk.state)
    assert due is None or due.at > desk.now


def check_incident(desk: Desk, incident_id: str) -> None:
    incident = desk.state.incidents[incident_id]
    roster = desk.state.roster(incident_id)
    members = list(roster.members.values())
    header = incident.header
    assert header.alerts == len({member.fingerprint for member in members})
    assert header.firing == len({member.fingerprint for member in members if member.firing})
    assert incident.occurrences == sum(member.occurrences for member in members)
    assert roster.fingerprints == Counter(member.fingerprint for member in members)
    assert incident.merged_into is None or (not members and header.status == "closed")
    if members:
        assert roster.where(incident.gap) == reach_of(members, incident.gap)
        quiet = not header.firing and header.status in UNFINISHED and not incident.pinned
        assert not quiet or incident.resolve_due_at is not None, "nobody would ever resolve it"


def traces(desk: Desk) -> int:
    """Sightings counted: firsts of members, tallies, resolves (one sighting may end members of several incidents)."""
    firsts = [one for one in desk.events if getattr(one, "alert", None) is not None]
    tallied = sum(tally.count for one in desk.events if isinstance(one, ev.Tallied) for tally in one.tallies)
    resolves = {one.cause for one in desk.events if isinstance(one, ev.AlertResolved) and one.reason == "resolved"}
    stones = [one for one in desk.events if isinstance(one, ev.Tombstoned)]
    return len(firsts) + tallied + len(resolves) + len(stones)
