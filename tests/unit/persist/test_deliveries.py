"""The ledger: attempts with times and answers, lists with filters, what waits."""

from pathlib import Path

import pytest

from tocsin.domain import events as ev
from tocsin.persist.deliveries import delivery_with, waiting, with_attempts
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.topics import NOTIFICATIONS
from unit.persist.rig import Teller, at


@pytest.fixture
async def told(tmp_path: Path) -> EventLog:
    """One delivery that arrived at the third attempt, one that is given up, one that waits, one in a digest."""
    teller = Teller()
    incident, digest = teller.open(0), "ntf_aadigest"
    teller.plan("ntf_aaone", incident, 0)
    for attempt in (1, 2):
        number = 2 * attempt
        teller.deliver(ev.DeliveryAttempted, "ntf_aaone", number, incident, attempt, attempt=attempt)
        failed = {"attempt": attempt, "error": "503 busy", "next_attempt_at": at(attempt + 1)}
        teller.deliver(ev.DeliveryFailed, "ntf_aaone", number + 1, incident, attempt + 0.5, **failed)
    teller.deliver(ev.DeliveryAttempted, "ntf_aaone", 6, incident, 3, attempt=3)
    arrived = {"attempt": 3, "receipt": "200 thank you", "duration_seconds": 1.25, "possible_duplicate": True}
    teller.deliver(ev.DeliveryDelivered, "ntf_aaone", 7, incident, 4, reason="delivered", **arrived)
    teller.plan("ntf_aatwo", incident, 5)
    teller.deliver(ev.DeliveryAttempted, "ntf_aatwo", 2, incident, 6, attempt=1)
    teller.deliver(ev.DeliveryGaveUp, "ntf_aatwo", 3, incident, 7, reason="refused", attempt=1, error="410 gone")
    teller.plan("ntf_aathree", incident, 8)
    teller.plan("ntf_aafour", incident, 9)
    teller.deliver(ev.DeliveryBundled, "ntf_aafour", 2, incident, 10, reason="in_digest", digest=digest)
    teller.plan(digest, "", 10)
    teller.deliver(ev.DeliveryAttempted, digest, 2, "", 11, attempt=1)
    log = EventLog.open(tmp_path / "events.sqlite3")
    records = teller.journals[NOTIFICATIONS.name, 0]
    await log.append([Portion(NOTIFICATIONS.name, 0, records, len(records))])
    return log


def test_each_attempt_says_when_how_long_and_what_came_back(told: EventLog) -> None:
    found = delivery_with(told.queries, "ntf_aaone")
    assert found is not None
    lines = [(one["attempt"], one["status"], one["seconds"], one["answer"]) for one in found["attempt_list"]]
    assert lines == [
        (1, "failed", 30.0, "503 busy"),
        (2, "failed", 30.0, "503 busy"),
        (3, "delivered", 1.25, "200 thank you"),
    ]
    assert found["attempt_list"][0]["next_attempt_at"] == "2026-11-21T12:02:00Z"
    assert found["attempt_list"][2]["possible_duplicate"]
    assert [step["status"] for step in found["steps"]][-2:] == ["attempted", "delivered"]


def test_a_digest_that_belongs_to_no_incident_has_its_attempts_too(told: EventLog) -> None:
    found = delivery_with(told.queries, "ntf_aadigest")
    assert found is not None
    assert [one["status"] for one in found["attempt_list"]] == ["sending"]
    member = delivery_with(told.queries, "ntf_aafour")
    assert member is not None
    assert (member["status"], member["digest"], member["attempt_list"]) == ("bundled", "ntf_aadigest", [])


def test_what_is_not_there_is_none(told: EventLog) -> None:
    assert delivery_with(told.queries, "ntf_aanobody") is None


def test_an_incident_has_every_delivery_in_the_order_of_planning(told: EventLog) -> None:
    (incident,) = {one["incident_id"] for one in told.queries.every_delivery().items} - {""}
    found, total = with_attempts(told.queries, incident)
    assert total == 4
    assert [one["delivery_id"] for one in found] == ["ntf_aaone", "ntf_aatwo", "ntf_aathree", "ntf_aafour"]
    assert [len(one["attempt_list"]) for one in found] == [3, 1, 0, 0]


def test_of_many_deliveries_the_last_are_shown_and_all_are_counted(told: EventLog) -> None:
    (incident,) = {one["incident_id"] for one in told.queries.every_delivery().items} - {""}
    found, total = with_attempts(told.queries, incident, limit=3)
    assert [one["delivery_id"] for one in found] == ["ntf_aatwo", "ntf_aathree", "ntf_aafour"]
    assert ([len(one["attempt_list"]) for one in found], total) == ([1, 0, 0], 4)


def test_the_list_is_the_newest_first_and_filtered_page_by_page(told: EventLog) -> None:
    queries = told.queries
    first = queries.every_delivery(limit=2)
    second = queries.every_delivery(limit=2, cursor=first.next)
    assert [one["delivery_id"] for one in first.items + second.items] == [
        "ntf_aadigest",
        "ntf_aafour",
        "ntf_aathree",
        "ntf_aatwo",
    ]
    assert first.total == 5
    assert [one["delivery_id"] for one in queries.every_delivery(status=("gave_up",)).items] == ["ntf_aatwo"]
    assert queries.every_delivery(channel="other").items == []
    assert queries.every_delivery(channel="hook", recipient="team:ops").total == 5


def test_what_waits_is_counted_by_channel(told: EventLog) -> None:
    assert waiting(told.queries) == {"hook": {"waiting": 2, "pages": 2, "oldest_waiting_at": "2026-11-21T12:08:00Z"}}
