"""Filters, pages and searches; nothing that a caller sends becomes SQL."""

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tocsin.domain import events as ev
from tocsin.domain.errors import Reject, Retry
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.persist.queries import Page, Queries
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.topics import INCIDENTS
from tocsin.wire.record import Record
from unit.persist.rig import Teller, at

COUNT = 10


@pytest.fixture
async def queries(tmp_path: Path) -> AsyncIterator[Queries]:
    """Ten incidents, two a minute (so that instants are equal), odd ones critical and closed."""
    log = EventLog.open(tmp_path / "events.sqlite3")
    told = Teller()
    for count in range(COUNT):
        odd = count % 2 == 1
        incident = told.open(
            count // 2,
            severity=Severity.CRITICAL if odd else Severity.LOW,
            category="database" if odd else "network",
            team="database_team" if odd else "network_team",
            service=f"service-{count}",
            title=f"100% of_disk {count} \\ full" if odd else f"Slow {count}",
        )
        if odd:
            told.attach(incident, 20, service="shared", severity=Severity.CRITICAL)
            told.change(ev.Closed, incident, 30, {"status": Status.CLOSED})
    records = told.journals[INCIDENTS.name, 0]
    await log.append([Portion(INCIDENTS.name, 0, records, len(records))])
    yield log.queries
    log.close()


def titles(page: Page) -> list[str]:
    return [item["title"][-1] if "Slow" in item["title"] else item["title"].split()[2] for item in page.items]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, 10),
        ({"status": ("closed",)}, 5),
        ({"status": ("closed", "open")}, 10),
        ({"status": ("resolved",)}, 0),
        ({"severity": ("critical",), "status": ("open",)}, 0),
        ({"category": ("network",)}, 5),
        ({"team": "database_team"}, 5),
        ({"service": "service-4"}, 1),
        ({"service": "shared"}, 5),
        ({"q": "slow"}, 5),
        ({"q": "100%"}, 5),
        ({"q": "%"}, 5),
        ({"q": "of_disk"}, 5),
        ({"q": "o__disk"}, 0),
        ({"q": "\\ full"}, 5),
        ({"q": "21-003"}, 1),
        ({"q": "service-7"}, 1),
        ({"opened_after": at(3)}, 4),
        ({"opened_before": at(3)}, 6),
        ({"opened_after": at(1), "opened_before": at(2)}, 2),
        ({"q": "' OR 1=1 --"}, 0),
        ({"status": ("x') OR ('1'='1",)}, 0),
        ({"service": "'; DROP TABLE incidents; --"}, 0),
    ],
)
def test_a_filter_finds_what_it_names(queries: Queries, chosen: dict[str, object], found: int) -> None:
    page = queries.incidents(**chosen)  # type: ignore[arg-type]
    assert (page.total, len(page.items), page.next) == (found, found, "")


def test_newest_first_and_equal_instants_in_one_order(queries: Queries) -> None:
    opened = [(item["opened_at"], item["id"]) for item in queries.incidents().items]
    assert opened == sorted(opened, reverse=True)


@pytest.mark.parametrize("limit", [1, 3, 5, 9])
def test_pages_follow_each_other_without_gap_or_repeat(queries: Queries, limit: int) -> None:
    whole = titles(queries.incidents())
    found: list[str] = []
    cursor = ""
    while True:
        page = queries.incidents(limit=limit, cursor=cursor)
        assert page.total == COUNT
        assert len(page.items) <= limit
        found += titles(page)
        cursor = page.next
        if not cursor:
            break
    assert found == whole


async def test_a_cursor_holds_when_newer_incidents_come(queries: Queries, tmp_path: Path) -> None:
    first = queries.incidents(limit=4)
    rest = titles(queries.incidents(limit=100, cursor=first.next))
    assert titles(queries.incidents())[4:] == rest


def test_pages_of_a_filter(queries: Queries) -> None:
    first = queries.incidents(status=("closed",), q="disk", limit=3)
    second = queries.incidents(status=("closed",), q="disk", limit=3, cursor=first.next)
    assert (first.total, second.total, len(second.items), second.next) == (5, 5, 2, "")
    assert not set(titles(first)) & set(titles(second))


@pytest.mark.parametrize("cursor", ["x", "!!!", "W10", "bnVsbA", "WzFd", "WzEsMixb", "\x00", "ä", "A" * 10_000])
def test_a_cursor_that_is_none_is_rejected(queries: Queries, cursor: str) -> None:
    with pytest.raises(Reject, match="none of ours") as caught:
        queries.incidents(cursor=cursor)
    assert caught.value.word == "bad_cursor"
    with pytest.raises(Reject):
        queries.timeline("inc_x", cursor=cursor)


def test_a_limit_is_kept_within_its_bounds(queries: Queries) -> None:
    assert len(queries.incidents(limit=0).items) == 1
    assert len(queries.incidents(limit=10**9).items) == COUNT


def test_an_incident_is_found_by_id_and_by_number(queries: Queries) -> None:
    found = queries.incident("inc-2026-11-21-004")
    assert found is not None
    assert found["number"] == "INC-2026-11-21-004"
    assert queries.incident(found["id"]) == found
    assert queries.incident("INC-2026-11-21-099") is None
    assert queries.incident("") is None


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, 15),
        ({"service": "shared"}, 5),
        ({"severity": "critical"}, 5),
        ({"status": "firing"}, 15),
        ({"status": "resolved"}, 0),
        ({"q": "host-2"}, 1),
        ({"q": "alert3"}, 1),
        ({"q": "alertname"}, 0),
        ({"q": "Alert 1"}, 7),
    ],
)
def test_alerts_are_filtered(queries: Queries, chosen: dict[str, str], found: int) -> None:
    page = queries.alerts(**chosen)  # type: ignore[arg-type]
    assert (page.total, len(page.items)) == (found, found)


def test_alerts_by_fingerprint_and_by_page(queries: Queries) -> None:
    first = queries.alerts(limit=14)
    (last,) = queries.alerts(limit=14, cursor=first.next).items
    assert queries.alerts(fingerprint=last["fingerprint"]).items == [last]
    assert last not in first.items


def test_a_timeline_in_pages(queries: Queries) -> None:
    incident = queries.incidents(status=("closed",)).items[0]["id"]
    whole = queries.timeline(incident)
    first = queries.timeline(incident, limit=2)
    second = queries.timeline(incident, limit=2, cursor=first.next)
    assert [*first.items, *second.items] == whole.items
    assert (whole.total, first.total, len(whole.items), second.next) == (3, 3, 3, "")


async def test_rows_of_the_log_come_out_as_lines_of_an_export(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "log.sqlite3")
    await log.append([Portion("a", 0, [Record(0, 1_763_726_400_123, b"k", b'{"x": 1}', (("h", b"v"),))], 1)])
    await log.append([Portion("b", 1, [Record(3, 0, None, b"\xff", ()), Record(4, 0, None, None, ())], 5)])
    page = log.queries.log_rows(limit=2)
    assert page.items == [
        {
            "topic": "a",
            "partition": 0,
            "offset": 0,
            "timestamp": "2025-11-21T12:00:00.123000Z",
            "key": "k",
            "headers": {"h": "v"},
            "value": '{"x": 1}',
        },
        {
            "topic": "b",
            "partition": 1,
            "offset": 3,
            "timestamp": "1970-01-01T00:00:00Z",
            "key": None,
            "headers": {},
            "value_base64": "/w==",
        },
    ]
    (rest,) = log.queries.log_rows(after=page.next).items
    assert (rest["offset"], rest["value"]) == (4, None)
    assert [page.total, log.queries.log_rows("b").total, log.queries.log_rows("c").total] == [3, 2, 0]
    assert len(log.queries.log_rows("b").items) == 2
    log.close()


def test_many_threads_ask_at_once(queries: Queries) -> None:
    found: list[int] = []

    def ask() -> None:
        found.extend(queries.incidents().total for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [COUNT] * 60


def test_a_database_that_is_not_there_yet_is_a_retry(tmp_path: Path) -> None:
    with pytest.raises(Retry, match="unable to open"):
        Queries(tmp_path / "none.sqlite3").totals()
    assert list(tmp_path.iterdir()) == []


async def test_a_reader_cannot_write(queries: Queries) -> None:
    with queries.reader() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute("DELETE FROM log")
