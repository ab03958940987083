"""What the views say after events: incidents, members, timeline, deliveries, escalations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.persist.queries import Queries
from tocsin.persist.row import Delivery, Escalation
from tocsin.persist.schema import open_reader
from tocsin.persist.sqlite import EventLog
from tocsin.persist.timeline import TEXT_MAX, text_of
from tocsin.stage import Portion
from tocsin.wire.examples import EVENTS
from unit.persist.rig import Teller, at, step


class Persisted:
    """A teller whose journals are appended event by event, and what can be asked afterwards."""

    def __init__(self, path: Path) -> None:
        self.log = EventLog.open(path)
        self.told = Teller()

    async def read(self) -> Queries:
        for (topic, partition), records in self.told.journals.items():
            for record in records[await self.log.position(topic, partition) :]:
                await self.log.append([Portion(topic, partition, [record], record.offset + 1)])
        return self.log.queries


@pytest.fixture
def persisted(tmp_path: Path) -> Iterator[Persisted]:
    with_log = Persisted(tmp_path / "events.sqlite3")
    yield with_log
    with_log.log.close()


async def test_an_incident_shows_header_counts_and_instants(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0, category="database", team="database_team", labels={"cluster": "eu"})
    second = told.attach(incident, 1, service="billing")
    told.tally(2, (second.alert_id, 4))
    told.change(
        ev.Resolved, incident, 3, {"status": Status.RESOLVED}, by_person=True, actor="ada", close_due_at=at(1443)
    )
    found = (await persisted.read()).incident(incident)
    assert found is not None
    assert set(IncidentHeader.__struct_fields__) <= set(found)
    expected = {
        "id": incident,
        "number": "INC-2026-11-21-001",
        "version": 3,
        "status": "resolved",
        "severity": "high",
        "opened_at": "2026-11-21T12:00:00Z",
        "updated_at": "2026-11-21T12:03:00Z",
        "resolved_at": "2026-11-21T12:03:00Z",
        "settled_at": "2026-11-21T12:03:00Z",
        "close_due_at": "2026-11-22T12:03:00Z",
        "closed_at": None,
        "acknowledged_at": None,
        "retired_at": None,
        "services": ["shop", "billing"],
        "labels": {"cluster": "eu"},
        "linked": [],
        "alerts": 2,
        "occurrences": 6,
        "pinned": True,
        "merged_into": None,
    }
    assert {name: found[name] for name in expected} == expected


async def test_a_member_counts_its_sightings_and_keeps_what_was_said_of_it(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    alert = told.attach(incident, 1, annotations={"description": "x < y"}, links={"runbook": "https://r.example"})
    told.tally(5, (alert.alert_id, 3))
    told.change(
        ev.AlertResolved,
        incident,
        6,
        {"firing": 1},
        fingerprint=alert.fingerprint,
        alert_ids=(alert.alert_id,),
        resolved_at=at(6),
    )
    page = (await persisted.read()).alerts(incident=incident)
    assert page.total == 2
    newest, first = page.items
    assert (newest["alert_id"], newest["status"], newest["occurrences"]) == (alert.alert_id, "resolved", 5)
    assert (newest["starts_at"], newest["last_seen_at"], newest["resolved_at"]) == (
        "2026-11-21T12:01:00Z",
        "2026-11-21T12:05:00Z",
        "2026-11-21T12:06:00Z",
    )
    assert newest["annotations"] == {"description": "x < y"}
    assert newest["labels"] == alert.labels
    assert (first["status"], first["occurrences"]) == ("firing", 1)


async def test_a_merge_moves_every_member_and_their_sightings(persisted: Persisted) -> None:
    told = persisted.told
    survivor, absorbed = told.open(0), told.open(1, service="billing")
    moved = told.attach(absorbed, 2, service="cart")
    told.tally(3, (moved.alert_id, 2))
    told.change(ev.Merged, survivor, 4, absorbed=absorbed)
    told.change(ev.Closed, absorbed, 4, {"status": Status.CLOSED}, merged_into=survivor)
    told.tally(5, (moved.alert_id, 1))
    queries = await persisted.read()
    kept, gone = queries.incident(survivor), queries.incident(absorbed)
    assert kept is not None
    assert gone is not None
    assert (kept["occurrences"], gone["occurrences"]) == (6, 0)
    assert set(kept["services"]) == {"shop", "billing", "cart"}
    assert (gone["merged_into"], gone["status"]) == (survivor, "closed")
    assert queries.alerts(incident=survivor).total == 3
    assert queries.alerts(incident=absorbed).total == 0


async def test_moved_members_count_where_they_are(persisted: Persisted) -> None:
    told = persisted.told
    source, target = told.open(0), told.open(1)
    moved = told.attach(source, 2)
    fingerprints = (moved.fingerprint,)
    told.change(ev.AlertsLeft, source, 3, moved_to=target, fingerprints=fingerprints)
    told.change(ev.AlertMoved, target, 3, moved_from=source, alert_ids=(moved.alert_id,), fingerprints=fingerprints)
    queries = await persisted.read()
    assert [(queries.incident(each) or {})["occurrences"] for each in (source, target)] == [1, 2]
    assert queries.alerts(incident=target).total == 2


async def test_a_retired_incident_stays_and_is_marked(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    told.change(ev.Closed, incident, 1, {"status": Status.CLOSED})
    told.change(ev.Retired, incident, 2)
    queries = await persisted.read()
    found = queries.incident(incident)
    assert found is not None
    assert (found["retired_at"], found["status"]) == ("2026-11-21T12:02:00Z", "closed")
    assert queries.alerts(incident=incident).total == 1


async def test_a_timeline_has_each_event_of_the_incident_once_in_order(persisted: Persisted) -> None:
    told = persisted.told
    incident, other = told.open(0), told.open(0.5)
    told.escalate(ev.EscalationScheduled, incident, 0, steps=(step(1, 5),))
    told.plan("ntf_1", incident, 0)
    alert = told.attach(incident, 1)
    told.tally(1.5, (alert.alert_id, 3))
    told.escalate(ev.EscalationFired, incident, 5, step=step(1, 5), team="ops")
    told.acknowledge(incident, 6, "cmd-1")
    told.say(ev.Followed(recorded_at=at(6), incident_id=incident, incident_version=3, answered=True))
    queries = await persisted.read()
    lines = queries.timeline(incident).items
    assert [(line["type"], line["text"]) for line in lines] == [
        ("incident.opened", "Incident 1"),
        ("escalation.scheduled", "1 step"),
        ("delivery.planned", "hook to team:ops"),
        ("incident.alert_attached", "Alert 3"),
        ("escalation.fired", "level 1 to ops"),
        ("incident.acknowledged", ""),
        ("command.applied", "acknowledge"),
    ]
    assert lines[3] == {
        "at": "2026-11-21T12:01:00Z",
        "id": f"{incident}.2",
        "type": "incident.alert_attached",
        "actor": "tocsin",
        "reason": "joined_open_group",
        "text": "Alert 3",
    }
    assert len(queries.timeline(other).items) == 1


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_every_event_has_a_line_of_bounded_length(event: ev.Event) -> None:
    assert len(text_of(event)) <= TEXT_MAX
    assert "\n" not in text_of(event)


def test_a_long_text_is_cut() -> None:
    noted = ev.CommandRejected(recorded_at=at(0), command_id="c", verb="note", message="x" * 9999)
    assert len(text_of(noted)) == TEXT_MAX


async def test_a_delivery_that_fails_is_tried_again_and_arrives(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    told.plan("ntf_1", incident, 0)
    told.deliver(ev.DeliveryAttempted, "ntf_1", 2, incident, 1, attempt=1)
    told.deliver(ev.DeliveryFailed, "ntf_1", 3, incident, 2, attempt=1, error="503", next_attempt_at=at(3))
    (failed,) = (await persisted.read()).deliveries(incident)
    assert (failed["status"], failed["error"], failed["attempts"]) == ("failed", "503", 1)
    assert (failed["next_attempt_at"], failed["finished_at"]) == ("2026-11-21T12:03:00Z", None)
    told.deliver(ev.DeliveryAttempted, "ntf_1", 4, incident, 3, attempt=2)
    told.deliver(ev.DeliveryDelivered, "ntf_1", 5, incident, 4, attempt=2, receipt="202", possible_duplicate=True)
    assert (await persisted.read()).deliveries(incident) == [
        {
            "delivery_id": "ntf_1",
            "incident_id": incident,
            "channel": "hook",
            "recipient": "team:ops",
            "step": "incident.opened",
            "page": True,
            "status": "delivered",
            "reason": "",
            "attempts": 2,
            "error": "",
            "receipt": "202",
            "possible_duplicate": True,
            "digest": "",
            "planned_at": "2026-11-21T12:00:00Z",
            "attempted_at": "2026-11-21T12:03:00Z",
            "next_attempt_at": None,
            "finished_at": "2026-11-21T12:04:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("kind", "own", "status"),
    [
        (ev.DeliveryGaveUp, {"attempt": 8, "error": "gone"}, "gave_up"),
        (ev.DeliveryWithdrawn, {}, "withdrawn"),
        (ev.DeliverySuppressed, {}, "suppressed"),
    ],
)
async def test_a_delivery_ends_with_its_word(
    persisted: Persisted, kind: type[ev.DeliveryEvent], own: dict[str, Any], status: str
) -> None:
    told = persisted.told
    incident = told.open(0)
    told.plan("ntf_1", incident, 0)
    told.deliver(kind, "ntf_1", 2, incident, 1, reason="because", **own)
    (found,) = (await persisted.read()).deliveries(incident)
    assert (found["status"], found["finished_at"], found["reason"]) == (status, "2026-11-21T12:01:00Z", "because")
    assert found["error"] == own.get("error", "")


async def test_an_escalation_says_what_comes_next(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    first, second = step(1, 5, repeat_seconds=600, repeats_left=1), step(2, 15)
    told.escalate(
        ev.EscalationScheduled,
        incident,
        0,
        steps=(second, first),
        acknowledge_due_at=at(5),
        resolve_due_at=at(30),
    )
    found = (await persisted.read()).escalation(incident)
    assert found["next"] == {
        "level": 1,
        "escalate_to": "team1",
        "due_at": "2026-11-21T12:05:00Z",
        "notification_channels": [],
        "repeat": 0,
    }
    assert found["sla"]["acknowledge"] == {"state": "running", "due_at": "2026-11-21T12:05:00Z"}
    assert (found["level"], found["fired"], len(found["steps"])) == (0, 0, 2)

    again = step(1, 20, repeat=1)
    told.escalate(ev.EscalationFired, incident, 5, step=first, team="ops", next_step=again)
    told.escalate(ev.SlaAtRisk, incident, 5, target="resolve", target_due_at=at(30))
    told.escalate(ev.SlaBreached, incident, 5, target="acknowledge", target_due_at=at(5))
    found = (await persisted.read()).escalation(incident)
    assert (found["level"], found["fired"], found["team"], found["next"]["level"]) == (1, 1, "ops", 2)
    assert [each["due_at"][14:16] for each in found["steps"]] == ["15", "20"]
    assert [found["sla"][target]["state"] for target in ("acknowledge", "resolve")] == ["breached", "at_risk"]


async def test_an_escalation_stops_when_answered_and_its_promises_end(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    due = {"acknowledge_due_at": at(5), "resolve_due_at": at(30)}
    told.escalate(ev.EscalationScheduled, incident, 0, steps=(step(1, 5),), **due)
    told.escalate(ev.EscalationStopped, incident, 1, reason="acknowledged")
    found = (await persisted.read()).escalation(incident)
    assert (found["next"], found["steps"], found["reason"]) == (None, [], "acknowledged")
    assert found["stopped_at"] == "2026-11-21T12:01:00Z"
    assert [found["sla"][target]["state"] for target in ("acknowledge", "resolve")] == ["ended", "running"]

    # The acknowledgement runs out: everything runs again, the promise to resolve as before.
    told.escalate(
        ev.EscalationScheduled, incident, 9, steps=(step(1, 14),), acknowledge_due_at=at(14), resolve_due_at=at(30)
    )
    found = (await persisted.read()).escalation(incident)
    assert (found["stopped_at"], found["next"]["due_at"]) == (None, "2026-11-21T12:14:00Z")
    assert found["sla"]["acknowledge"] == {"state": "running", "due_at": "2026-11-21T12:14:00Z"}

    told.escalate(ev.SlaBreached, incident, 31, target="resolve", target_due_at=at(30))
    told.escalate(ev.EscalationStopped, incident, 40, resolved=True)
    found = (await persisted.read()).escalation(incident)
    assert [found["sla"][target]["state"] for target in ("acknowledge", "resolve")] == ["ended", "breached"]


async def test_the_same_promise_scheduled_again_keeps_its_state(persisted: Persisted) -> None:
    told = persisted.told
    incident = told.open(0)
    for minute in (0, 6):
        told.escalate(ev.EscalationScheduled, incident, minute, steps=(), acknowledge_due_at=at(5))
        told.escalate(ev.SlaBreached, incident, 5, target="acknowledge", target_due_at=at(5))
    assert (await persisted.read()).escalation(incident)["sla"]["acknowledge"]["state"] == "breached"


async def test_an_incident_without_escalation_has_an_empty_one(persisted: Persisted) -> None:
    found = (await persisted.read()).escalation("inc_none")
    assert (found["next"], found["level"], found["sla"]["resolve"]) == (None, 0, {"state": "", "due_at": None})


async def test_the_totals_add_up(persisted: Persisted) -> None:
    told = persisted.told
    first, second = told.open(0, severity=Severity.CRITICAL), told.open(0)
    alert = told.attach(first, 1)
    told.tally(2, (alert.alert_id, 7))
    told.change(
        ev.AlertResolved,
        first,
        3,
        fingerprint=alert.fingerprint,
        alert_ids=(alert.alert_id,),
        resolved_at=at(3),
    )
    told.change(ev.Closed, second, 4, {"status": Status.CLOSED})
    told.plan("ntf_1", first, 0)
    told.plan("ntf_2", first, 0)
    told.deliver(ev.DeliveryAttempted, "ntf_2", 2, first, 1, attempt=1)
    told.escalate(ev.EscalationFired, first, 5, step=step(1, 5), team="ops")
    queries = await persisted.read()
    assert queries.totals() == {
        "incidents": {"open": 1, "closed": 1},
        "open_by_severity": {"critical": 1},
        "alerts": {"firing": 2, "resolved": 1},
        "deliveries": {"planned": 1, "attempted": 1},
        "incidents_opened": 2,
        "alerts_attached": 3,
        "repeats": 7,
        "occurrences": 11,
        "escalations_fired": 1,
        "sla_at_risk": 0,
        "sla_breached": 0,
        "events": 10,
        "events_not_understood": 0,
    }
    assert sum(each["occurrences"] for each in queries.incidents().items) == 11


def test_typed_rows_have_the_columns_of_their_tables(persisted: Persisted) -> None:
    connection = open_reader(persisted.log.path)
    for table, kind in (("deliveries", Delivery), ("escalations", Escalation)):
        columns = tuple(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
        assert columns == kind.__struct_fields__
    connection.close()
