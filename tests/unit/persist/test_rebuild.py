"""A rebuild from the log gives the same views, replaces them whole or not at all, and never beside a running tocsin."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

from tocsin.persist.chain import verify
from tocsin.persist.rebuild import digest, rebuild
from tocsin.persist.schema import INDEXES, VIEWS, open_reader
from tocsin.persist.sqlite import BrokenHistory, EventLog, Held
from tocsin.stage import Portion
from unit.persist.rig import random_journals


@pytest.fixture
async def path(tmp_path: Path, seed: int) -> Path:
    path = tmp_path / "events.sqlite3"
    log = EventLog.open(path)
    for (topic, partition), records in random_journals(Random(seed), 300, 2).items():
        await log.append([Portion(topic, partition, records, len(records))])
    log.close()
    return path


def do(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_views_come_out_the_same(path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = rebuild(path, lambda done, total: told.append((done, total)))
    assert report.digest_before == report.digest_after == digest(path)
    assert report.events == verify(path).rows == told[-1][0] == told[-1][1]
    assert report.seconds > 0
    assert sorted(each.name for each in path.parent.iterdir() if "rebuild" in each.name) == []


@pytest.mark.parametrize("table", sorted(set(VIEWS) - {"gaps"}))
def test_a_view_that_was_changed_is_seen_and_mended(path: Path, table: str) -> None:
    before = digest(path)
    do(path, f"DELETE FROM {table}")  # noqa: S608 names of our own tables
    report = rebuild(path)
    assert report.digest_before != before
    assert report.digest_after == before


async def test_the_log_goes_on_after_a_rebuild(path: Path) -> None:
    rebuild(path)
    connection = open_reader(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql != ''")}
    assert names == set(INDEXES)
    connection.close()
    log = EventLog.open(path)
    assert await log.position("incidents.events.v1", 0) > 0
    assert log.queries.totals()["incidents_opened"] > 0
    log.close()


def test_a_running_tocsin_is_named_and_nothing_changes(path: Path) -> None:
    log = EventLog.open(path, holder="tocsin run")
    with pytest.raises(Held, match=r"in use by tocsin run \(process"):
        rebuild(path)
    log.close()
    rebuild(path)


def test_a_log_that_does_not_fold_leaves_the_old_views(path: Path) -> None:
    before = digest(path)
    do(path, "DELETE FROM log WHERE id = (SELECT MIN(id) FROM log WHERE type = 'incident.opened')")
    with pytest.raises(BrokenHistory):
        rebuild(path)
    assert digest(path) == before
    assert not path.with_name("events.sqlite3.rebuild").exists()
    EventLog.open(path).close()  # the lock is free again


def test_a_file_left_by_a_killed_rebuild_does_not_matter(path: Path) -> None:
    path.with_name("events.sqlite3.rebuild").write_bytes(b"half a file")
    report = rebuild(path)
    assert report.digest_before == report.digest_after
