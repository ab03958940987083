"""The views are a function of the journals: not of where batches are cut, of turns among journals, or of repeats."""

# ruff: noqa: S608  names of our own columns

import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain import incident as domain
from tocsin.domain.alert import AlertFacts
from tocsin.domain.errors import TocsinError
from tocsin.persist import lock, schema, sqlite, views
from tocsin.persist.chain import verify
from tocsin.persist.rebuild import digest, rebuild
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.topics import INCIDENTS
from tocsin.wire.events import decode
from tocsin.wire.record import Record
from unit.persist.rig import Place, random_journals

Journals = dict[Place, list[Record]]


async def feed(path: Path, journals: Journals, cut: Random, *, restarts: bool = False) -> None:
    """Append all journals in random batches, in random turns, some of them twice."""
    log = EventLog.open(path)
    while open_places := [place for place, records in journals.items() if await log.position(*place) < len(records)]:
        place = cut.choice(open_places)
        start = await log.position(*place)
        end = min(len(journals[place]), start + cut.choice((1, 2, 7, 50)))
        again = max(0, start - cut.choice((0, 0, 3)))
        await log.append([Portion(*place, journals[place][again:end], end)])
        if restarts and cut.random() < 0.05:
            log.close()
            log = EventLog.open(path)
    log.close()


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_batches_turns_repeats_and_restarts_change_nothing(tale: int, cuts: int) -> None:
    journals = random_journals(Random(tale), 150, 2)
    with TemporaryDirectory() as directory:
        whole, cut = Path(directory, "whole.sqlite3"), Path(directory, "cut.sqlite3")
        asyncio.run(feed(cut, journals, Random(cuts), restarts=True))

        async def at_once() -> None:
            log = EventLog.open(whole)
            for place, records in journals.items():
                await log.append([Portion(*place, records, len(records))])
            log.close()

        asyncio.run(at_once())
        assert digest(whole) == digest(cut)
        assert verify(cut).ok
        assert rebuild(cut).digest_after == digest(whole)


class Plain:
    """A `Book` of dictionaries, as the state of correlate has it."""

    def __init__(self) -> None:
        self.incidents: dict[str, domain.Incident] = {}
        self.all_members: dict[str, domain.Member] = {}

    def incident(self, incident_id: str) -> domain.Incident | None:
        return self.incidents.get(incident_id)

    def put(self, incident: domain.Incident) -> None:
        self.incidents[incident.id] = incident

    def drop(self, incident_id: str) -> None:
        """Views keep what is retired."""

    def member(self, alert_id: str) -> domain.Member | None:
        return self.all_members.get(alert_id)

    def members(self, incident_id: str) -> list[domain.Member]:
        return [member for member in self.all_members.values() if member.incident_id == incident_id]

    def attach(self, member: domain.Member, facts: AlertFacts) -> None:
        self.all_members[member.alert_id] = member

    def move(self, member: domain.Member, incident_id: str) -> None:
        member.incident_id = incident_id


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_views_say_what_the_fold_in_memory_says(tale: int, cuts: int) -> None:
    journals = random_journals(Random(tale), 150)
    book = Plain()
    for record in journals[INCIDENTS.name, 0]:
        domain.apply(book, decode(record.headers, record.value))
    with TemporaryDirectory() as directory:
        path = Path(directory, "events.sqlite3")
        asyncio.run(feed(path, journals, Random(cuts)))
        log = EventLog.open(path)
        connection = log._connection
        stored = {row[0]: row[1] for row in connection.execute("SELECT id, doc FROM incidents")}
        members = {row[0]: row[1] for row in connection.execute("SELECT alert_id, doc FROM alerts")}
        assert stored == {key: msgspec.json.encode(value).decode() for key, value in book.incidents.items()}
        assert members == {key: msgspec.json.encode(value).decode() for key, value in book.all_members.items()}
        log.close()


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.data())
def test_any_changed_row_is_found(tale: int, data: st.DataObject) -> None:
    journals = random_journals(Random(tale), 40, 2)
    with TemporaryDirectory() as directory:
        path = Path(directory, "events.sqlite3")
        asyncio.run(feed(path, journals, Random(tale)))
        log = EventLog.open(path)
        columns = [row[1] for row in log._connection.execute("PRAGMA table_info(log)")]
        (rows,) = log._connection.execute("SELECT COUNT(*) FROM log").fetchone()
        place = data.draw(st.integers(1, rows))
        topic, partition, offset = log._connection.execute(
            "SELECT topic, partition, offset FROM log WHERE id = ?", (place,)
        ).fetchone()
        column = data.draw(st.sampled_from(sorted(set(columns) - {"id", "offset", "partition", "topic"})))
        old = log._connection.execute(f"SELECT {column} FROM log WHERE id = ?", (place,)).fetchone()[0]
        kinds: dict[type, st.SearchStrategy[object]] = {int: st.integers(0, 2**40), str: st.text("abc", max_size=9)}
        new = data.draw(kinds.get(type(old), st.binary(max_size=40)))
        if new != old:
            log._connection.execute(f"UPDATE log SET {column} = ? WHERE id = ?", (new, place))
            report = verify(path)
            assert not report.ok
            assert f"{topic}/{partition}: the row at offset {offset} " in (report.problem or "")
        log.close()


def test_the_errors_are_ours() -> None:
    """Callers catch by kind: everything that persist raises on purpose has the common root."""
    for kind in (lock.Held, schema.Unusable, sqlite.LostPosition, views.BrokenHistory):
        assert issubclass(kind, TocsinError)
