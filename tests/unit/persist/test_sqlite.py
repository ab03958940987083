"""The event log: stored once, in one transaction, from where this writer left it, and answered when a command is
done."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.errors import Retry
from tocsin.persist.chain import decode_headers, verify
from tocsin.persist.rebuild import digest, rebuild
from tocsin.persist.sqlite import RECORDS_MAX, BrokenHistory, EventLog, Held, LostPosition, Unusable
from tocsin.stage import Portion
from tocsin.topics import ESCALATIONS, INCIDENTS, NOTIFICATIONS, SETTINGS
from tocsin.wire.events import decode
from tocsin.wire.record import Record
from unit.persist.rig import Teller, at, record, step, topic_of

TOPIC = INCIDENTS.name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    with_log = EventLog.open(path)
    yield with_log
    with_log.close()


def story() -> list[Record]:
    teller = Teller()
    incident = teller.open(0)
    alert = teller.attach(incident, 1)
    teller.tally(2, (alert.alert_id, 3))
    teller.acknowledge(incident, 3, "cmd-1")
    return teller.journals[TOPIC, 0]


def rows(path: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(statement, parameters).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


async def test_a_record_is_kept_byte_for_byte(log: EventLog, path: Path) -> None:
    records = [
        *story(),
        Record(5, 7, None, None, (("ce_type", b"x"), ("b", b"\xff"), ("b", b""))),
        Record(9, 8, b"", b""),
    ]
    await log.append([Portion(TOPIC, 2, records, 12)])
    stored = rows(path, "SELECT offset, timestamp, key, value, headers FROM log WHERE partition = 2 ORDER BY offset")
    assert [Record(a, b, c, d, decode_headers(e)) for a, b, c, d, e in stored] == records
    assert await log.position(TOPIC, 2) == 12
    assert log.high_water() == {(TOPIC, 2): 12}


async def test_columns_beside_a_record_say_what_its_headers_say(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:1], 1)])
    incident = (records[0].header("ce_subject") or b"").decode()
    assert rows(path, "SELECT type, subject, recorded_at FROM log") == [
        ("incident.opened", incident, "2026-11-21T12:00:00Z")
    ]


async def test_nothing_read_is_position_zero(log: EventLog) -> None:
    assert await log.position(TOPIC, 0) == 0
    assert log.high_water() == {}


async def test_what_is_appended_again_is_stored_once(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:3], 3)])
    await log.append([Portion(TOPIC, 0, records[:3], 3)])
    await log.append([Portion(TOPIC, 0, records, 5)])  # overlaps
    before = digest(path)
    await log.append([Portion(TOPIC, 0, records[1:2], 2)])  # long past
    assert [offset for (offset,) in rows(path, "SELECT offset FROM log")] == [0, 1, 2, 3, 4]
    assert digest(path) == before
    assert await log.position(TOPIC, 0) == 5
    assert verify(path).ok


async def test_a_position_may_move_over_records_that_do_not_count(log: EventLog) -> None:
    await log.append([Portion(TOPIC, 0, [], 4)])
    await log.append([Portion(TOPIC, 0, story()[:0], 6)])
    assert await log.position(TOPIC, 0) == 6


async def test_a_new_writer_goes_on_where_the_last_one_stopped(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:2], 2)])
    log.close()
    with_again = EventLog.open(path)
    try:
        assert await with_again.position(TOPIC, 0) == 2
        await with_again.append([Portion(TOPIC, 0, records, 5)])
        assert verify(path).rows == 5
        assert verify(path).ok
    finally:
        with_again.close()


@pytest.mark.parametrize("first", [True, False], ids=["first append", "later append"])
async def test_a_position_that_somebody_else_moved_stops_the_append(log: EventLog, path: Path, first: bool) -> None:
    records = story()
    assert await log.position(TOPIC, 0) == 0
    if first:
        rows(path, "INSERT INTO position VALUES (?, 0, 1, -1, 0, x'00')", TOPIC)
    else:
        await log.append([Portion(TOPIC, 0, records[:1], 1)])
        rows(path, "UPDATE position SET next = 4")
    with pytest.raises(LostPosition, match=r"incidents\.events\.v1/0"):
        await log.append([Portion(TOPIC, 0, records[1:2], 2)])
    assert rows(path, "SELECT offset FROM log WHERE offset = 1") == []
    assert await log.position(TOPIC, 0) == (1 if first else 4)


async def test_partitions_of_one_append_are_stored_together_or_not_at_all(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:1], 1), Portion(TOPIC, 1, [], 3)])
    assert [await log.position(TOPIC, partition) for partition in (0, 1)] == [1, 3]
    rows(path, "UPDATE position SET next = 4 WHERE partition = 1")
    with pytest.raises(LostPosition, match=r"incidents\.events\.v1/1"):
        await log.append([Portion(TOPIC, 0, records[1:2], 2), Portion(TOPIC, 1, [], 5)])
    assert rows(path, "SELECT offset FROM log") == [(0,)]
    assert [await log.position(TOPIC, partition) for partition in (0, 1)] == [1, 4]
    await log.append([Portion(TOPIC, 0, records[1:2], 2), Portion(TOPIC, 1, [], 5)])
    assert [await log.position(TOPIC, partition) for partition in (0, 1)] == [2, 5]


async def test_an_append_that_fails_leaves_nothing_behind(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:1], 1)])
    before = digest(path)
    hole = record(_noted(records, version=9), 3)
    with pytest.raises(BrokenHistory, match=r"incidents.events.v1/0/3: incident.noted is version 9 .* expected 3"):
        await log.append([Portion(TOPIC, 0, [*records[1:3], hole], 4)])
    assert digest(path) == before
    assert await log.position(TOPIC, 0) == 1
    await log.append([Portion(TOPIC, 0, records[1:], 5)])  # and what was in its cache is forgotten
    assert verify(path).ok
    assert log.queries.totals()["repeats"] == 3


def _noted(records: list[Record], version: int) -> ev.Noted:
    opened = _opened(records)
    header = replace(opened.header, version=version)
    return ev.Noted(
        incident_id=opened.incident_id, version=version, header=header, recorded_at=at(9), note="out of order"
    )


def _opened(records: list[Record]) -> ev.IncidentEvent:
    event = decode(records[0].headers, records[0].value)
    assert isinstance(event, ev.IncidentEvent)
    return event


async def test_an_event_of_an_unknown_incident_is_a_bug(log: EventLog) -> None:
    with pytest.raises(BrokenHistory, match="expected 1"):
        await log.append([Portion(TOPIC, 0, [record(_noted(story(), version=2), 0)], 1)])


async def test_the_same_alert_twice_is_a_bug(log: EventLog) -> None:
    teller = Teller()
    incident = teller.open(0)
    facts = teller.attach(incident, 1)
    teller.change(ev.AlertAttached, incident, 2, alert=facts)
    with pytest.raises(BrokenHistory, match="alert_id"):
        await log.append([Portion(TOPIC, 0, teller.journals[TOPIC, 0], 3)])


@pytest.mark.parametrize(
    ("offsets", "next_offset"), [((1, 1), 5), ((2, 1), 5), ((0, 5), 5), ((-1,), 5), (range(RECORDS_MAX + 1), 10**6)]
)
async def test_offsets_that_do_not_fit_are_refused(log: EventLog, offsets: list[int], next_offset: int) -> None:
    records = [Record(offset, 0, None, b"{}") for offset in offsets]
    with pytest.raises(ValueError, match="append"):
        await log.append([Portion(TOPIC, 0, records, next_offset)])


def changed(told: Record, kind: bytes, value: bytes | None = None) -> Record:
    """The record as another version would have written it."""
    headers = tuple((name, kind if name == "ce_type" else content) for name, content in told.headers)
    return told._replace(headers=headers, value=value if value is not None else told.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (b"tocsin.incident.invented.v1", b'{"anything": 1}'),
        (b"tocsin.incident.noted.v2", b"\x00\xff no JSON"),
        (b"tocsin.incident.noted.v1", b'{"incident_id": 7}'),
    ],
    ids=["unknown type", "unknown version", "does not fit"],
)
async def test_an_event_that_cannot_be_decoded_is_kept_and_the_incident_goes_on(
    log: EventLog, path: Path, kind: bytes, value: bytes
) -> None:
    teller = Teller()
    incident = teller.open(0)
    teller.change(ev.Noted, incident, 1, note="x")
    teller.acknowledge(incident, 2)
    told = teller.journals[TOPIC, 0]
    told[1] = changed(told[1], kind, value)
    await log.append([Portion(TOPIC, 0, told[:2], 2)])
    await log.append([Portion(TOPIC, 0, told[2:], 3)])
    assert rows(path, "SELECT value FROM log WHERE offset = 1") == [(value,)]
    assert verify(path).ok
    found = log.queries.incident(incident)
    assert found is not None
    assert (found["status"], found["version"]) == ("acknowledged", 3)
    assert [line["type"] for line in log.queries.timeline(incident).items] == [
        "incident.opened",
        "incident.acknowledged",
    ]
    assert log.queries.totals()["events_not_understood"] == 1


async def test_an_incident_whose_opening_cannot_be_decoded_is_passed_over(log: EventLog, path: Path) -> None:
    teller = Teller()
    incident = teller.open(0)
    teller.attach(incident, 1)
    teller.acknowledge(incident, 2)
    other = teller.open(3)
    told = teller.journals[TOPIC, 0]
    told[0] = changed(told[0], b"tocsin.incident.opened.v2")
    await log.append([Portion(TOPIC, 0, told[:2], 2)])
    await log.append([Portion(TOPIC, 0, told[2:], 4)])
    assert log.queries.incident(incident) is None
    assert log.queries.incident(other) is not None
    assert verify(path).rows == 4


async def test_one_process_holds_the_database_and_is_named(log: EventLog, path: Path) -> None:
    with pytest.raises(Held, match=r"in use by tocsin \(process \d+\)"):
        EventLog.open(path)
    log.close()
    EventLog.open(path, holder="another").close()


def test_the_file_is_readable_by_its_owner_alone(log: EventLog, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
    assert path.with_name(path.name + "-wal").stat().st_mode & 0o077 == 0
    assert path.with_name(path.name + ".lock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None], ids=["other file", "other version"])
def test_what_is_no_event_log_is_refused_and_not_touched(path: Path, content: bytes | None) -> None:
    if content is None:
        EventLog.open(path).close()
        rows(path, "PRAGMA user_version = 99")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(Unusable, match=r"events.sqlite3"):
        EventLog.open(path)
    assert path.read_bytes() == before
    assert not verify(path).ok


async def test_a_locked_database_is_a_retry(log: EventLog, path: Path) -> None:
    log._connection.execute("PRAGMA busy_timeout = 0")  # the waiting itself is SQLite's
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retry, match="locked"):
        await log.append([Portion(TOPIC, 0, story(), 5)])
    other.execute("ROLLBACK")
    other.close()
    await log.append([Portion(TOPIC, 0, story(), 5)])
    assert verify(path).rows == 5


async def test_a_full_disk_is_a_retry_that_loses_nothing(log: EventLog, path: Path) -> None:
    records = story()
    await log.append([Portion(TOPIC, 0, records[:2], 2)])
    before = digest(path)
    (pages,) = log._connection.execute("PRAGMA page_count").fetchone()
    log._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to run out of room
    large = [Record(offset, 0, None, bytes(20_000)) for offset in range(2, 6)]
    with pytest.raises(Retry, match="full"):
        await log.append([Portion(TOPIC, 0, large, 6)])
    assert digest(path) == before
    log._connection.execute("PRAGMA max_page_count = 100000")
    await log.append([Portion(TOPIC, 0, records, 5)])
    assert verify(path).rows == 5
    assert log.queries.totals()["events_not_understood"] == 0


async def test_who_waits_for_an_outcome_gets_it_with_the_append(log: EventLog) -> None:
    waiting = [asyncio.ensure_future(log.wait_outcome("cmd-1", 30)) for _ in range(2)]
    other = asyncio.ensure_future(log.wait_outcome("cmd-2", 0))
    assert await other is None
    records = story()
    await log.append([Portion(TOPIC, 0, records, 5)])
    first, second = await asyncio.gather(*waiting)
    assert first == second
    assert first is not None
    assert (first["outcome"], first["verb"], first["actor"]) == ("applied", "acknowledge", "ada")
    assert first["events"] == [f"{first['incident']}.3"]
    assert await log.wait_outcome("cmd-1", 0) == first == log.queries.outcome("cmd-1")


async def test_a_cancelled_append_still_answers(log: EventLog) -> None:
    waiting = asyncio.ensure_future(log.wait_outcome("cmd-1", 30))
    appending = asyncio.ensure_future(log.append([Portion(TOPIC, 0, story(), 5)]))
    await asyncio.sleep(0)  # one turn of the loop: it is in the thread now
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert (await waiting or {})["outcome"] == "applied"


async def test_the_first_answer_to_a_command_stays(log: EventLog) -> None:
    def answer(kind: type[ev.CommandEvent], offset: int) -> Record:
        return record(kind(recorded_at=at(offset), command_id="c", verb="note", reason=kind.TYPE), offset)

    await log.append([Portion(TOPIC, 0, [answer(ev.CommandRejected, 0), answer(ev.CommandUnchanged, 1)], 2)])
    await log.append([Portion(TOPIC, 0, [answer(ev.CommandApplied, 2)], 3)])
    found = log.queries.outcome("c")
    assert found is not None
    assert (found["outcome"], found["reason"]) == ("rejected", "command.rejected")


async def test_settings_and_housekeeping_change_no_view(log: EventLog, path: Path) -> None:
    before = digest(path)
    settings = ev.SettingsPublished(recorded_at=at(0), key="sla/targets", document={"x": 1})
    await log.append([Portion(SETTINGS.name, 0, [record(settings, 0, topic=SETTINGS)], 1)])
    claimed = ev.Claimed(recorded_at=at(0), member="a")
    await log.append([Portion(TOPIC, 0, [record(claimed, 0)], 1)])
    followed = ev.Followed(recorded_at=at(0), incident_id="inc_x", incident_version=1, answered=True)
    await log.append([Portion(NOTIFICATIONS.name, 0, [record(followed, 0)], 1)])
    assert topic_of(followed) is NOTIFICATIONS
    assert digest(path) == before
    assert verify(path).rows == 3


async def test_closing_leaves_one_file_with_everything_in_it(path: Path, tmp_path: Path) -> None:
    log = EventLog.open(path)
    await log.append([Portion(TOPIC, 0, story(), 5)])
    assert log.queries.incidents().total == 1  # a reader is open
    log.close()
    assert not path.with_name(f"{path.name}-wal").exists()
    copied = tmp_path / "copy.sqlite3"
    shutil.copyfile(path, copied)
    assert verify(copied).rows == 5


async def test_a_database_of_the_first_version_becomes_one_of_this(path: Path) -> None:
    teller = Teller()
    incident = teller.open(0)
    teller.escalate(ev.EscalationScheduled, incident, 0, steps=(step(1, 5),))
    for number in range(12):  # `ntf_aa1` is where `ntf_aa10` begins, too
        delivery = f"ntf_aa{number}"
        teller.plan(delivery, incident, number)
        teller.deliver(ev.DeliveryAttempted, delivery, 2, incident, number + 1, attempt=1)
        again = {"error": "503", "next_attempt_at": at(number + 3)}
        teller.deliver(ev.DeliveryFailed, delivery, 3, incident, number + 2, attempt=1, **again)
    told, sent = teller.journals[ESCALATIONS.name, 0], teller.journals[NOTIFICATIONS.name, 0]
    log = EventLog.open(path)
    await log.append([Portion(NOTIFICATIONS.name, 0, sent, len(sent))])
    log.close()
    rows(path, "DROP INDEX deliveries_by_time")
    for column in ("digest", "partition", "offsets"):
        rows(path, f"ALTER TABLE deliveries DROP COLUMN {column}")
    for column in ("update_state", "update_due_us", "paused_us", "policy"):
        rows(path, f"ALTER TABLE escalations DROP COLUMN {column}")
    rows(path, "DROP TABLE changes")
    rows(path, "PRAGMA user_version = 1")
    log = EventLog.open(path)
    await log.append([Portion(ESCALATIONS.name, 0, told, len(told))])
    log.close()
    assert rows(path, "PRAGMA user_version") == [(4,)]
    assert rows(path, "SELECT COUNT(*) FROM changes") == [(0,)]
    assert rows(path, "SELECT incident_id, policy FROM escalations") == [(incident, "")]
    assert rows(path, "SELECT offsets FROM deliveries WHERE delivery_id = 'ntf_aa1'") == [("3,4,5",)]
    report = rebuild(path)
    assert report.digest_before == report.digest_after
