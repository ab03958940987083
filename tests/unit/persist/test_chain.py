"""Whatever is done to a row is found, and where."""

# ruff: noqa: S608  the statements are the damage under test, put together from fixed texts

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from tocsin.domain.errors import Retry
from tocsin.persist.chain import GENESIS, encode_headers, link, seal, verify
from tocsin.persist.sqlite import EventLog
from tocsin.stage import Portion
from tocsin.topics import INCIDENTS
from unit.persist.rig import Teller

TOPIC = INCIDENTS.name
LAST = 5


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Two partitions of six events each, closed."""
    path = tmp_path / "events.sqlite3"
    log = EventLog.open(path)
    for partition in (0, 1):
        teller = Teller(partition)
        incident = teller.open(0)
        for minute in range(LAST):
            teller.attach(incident, minute)
        await log.append([Portion(TOPIC, partition, teller.journals[TOPIC, partition], LAST + 1)])
    log.close()
    return path


def do(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_hash_is_the_one_that_is_written_down() -> None:
    """RECORDS §7, spelled out by hand: previous, then each field with its length in eight bytes before it."""

    def sized(field: bytes) -> bytes:
        return len(field).to_bytes(8, "big") + field

    plain = GENESIS + b"".join(map(sized, (b"t", b"3", b"12", b"k", b"a", b"1", b"a", b"0", b"b", b"2", b"v")))
    headers = (("b", b"2"), ("a", b"1"), ("a", b"0"))
    assert link(GENESIS, "t", 3, 12, b"k", headers, b"v") == sha256(plain).digest()


def test_absent_and_empty_differ() -> None:
    assert len({link(GENESIS, "t", 0, 0, key, (), value) for key in (None, b"") for value in (None, b"")}) == 4


def test_an_untouched_log_is_whole(path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = verify(path, lambda done, total: told.append((done, total)))
    assert (report.ok, report.rows, report.partitions, report.problem) == (True, 12, 2, None)
    assert told[-1] == (12, 12)


ROW = "WHERE partition = 1 AND offset"
COPY = "INSERT INTO log SELECT NULL, topic, partition"


@pytest.mark.parametrize(
    ("statements", "offset"),
    [
        ([f"UPDATE log SET value = replace(value, 'Alert 3', 'Alert X') {ROW} = 3"], 3),
        ([f"UPDATE log SET value = NULL {ROW} = 5"], 5),
        ([f"UPDATE log SET value = 7 {ROW} = 2"], 2),
        ([f"UPDATE log SET key = x'00' {ROW} = 0"], 0),
        ([f"UPDATE log SET timestamp = timestamp + 1 {ROW} = 4"], 4),
        ([f"UPDATE log SET type = 'incident.closed' {ROW} = 4"], 4),
        ([f"UPDATE log SET subject = '' {ROW} = 4"], 4),
        ([f"UPDATE log SET recorded_at = '2020-01-01T00:00:00Z' {ROW} = 4"], 4),
        ([f"UPDATE log SET headers = x'90' {ROW} = 1"], 1),
        ([f"UPDATE log SET headers = x'ffff' {ROW} = 1"], 1),
        ([f"UPDATE log SET hash = zeroblob(32) {ROW} = 2"], 2),
        ([f"UPDATE log SET hash = 'text' {ROW} = 2"], 2),
        ([f"UPDATE log SET seal = 0 {ROW} = 2"], 2),
        ([f"UPDATE log SET offset = 9 {ROW} = 5"], 9),
        ([f"UPDATE log SET partition = 7 {ROW} = 5"], 5),
        ([f"DELETE FROM log {ROW} = 0"], 1),
        ([f"DELETE FROM log {ROW} = 3"], 4),
        ([f"DELETE FROM log {ROW} = 5"], 4),
        ([f"DELETE FROM log {ROW} >= 2"], 1),
        ([f"DELETE FROM log {ROW} >= 0"], -1),
        (["DELETE FROM position WHERE partition = 1"], 0),
        (["UPDATE position SET next = 3 WHERE partition = 1"], 5),
        (["UPDATE position SET rows = 5 WHERE partition = 1"], 5),
        (["UPDATE position SET head = zeroblob(32) WHERE partition = 1"], 5),
        ([f"UPDATE log SET offset = 77 {ROW} = 2", f"UPDATE log SET offset = 2 {ROW} = 3"], 2),
        ([f"UPDATE log SET id = 99 {ROW} = 2"], 3),
        (
            [
                f"{COPY}, 6, timestamp, key, value, headers, type, subject, recorded_at, hash, seal FROM log {ROW} = 5",
                "UPDATE position SET next = 7 WHERE partition = 1",
            ],
            6,
        ),
    ],
)
def test_what_was_done_to_a_row_is_found_and_located(path: Path, statements: list[str], offset: int) -> None:
    do(path, *statements)
    report = verify(path)
    assert not report.ok
    assert report.problem is not None
    assert report.problem.startswith((f"{TOPIC}/1: ", f"{TOPIC}/7: "))
    assert f"offset {offset}" in report.problem.replace("the rows after offset", "offset")


def test_a_row_between_two_others_is_found(path: Path) -> None:
    do(path, f"UPDATE log SET offset = offset + 10 {ROW} > 2", f"UPDATE log SET offset = offset - 9 {ROW} > 9")
    do(
        path,
        f"{COPY}, 3, timestamp, key, value, headers, type, subject, recorded_at, hash, seal FROM log {ROW} = 2",
    )
    report = verify(path)
    assert "the row at offset 3 breaks the chain" in (report.problem or "")


def test_a_forged_row_at_the_end_is_found_though_it_fits_the_chain(path: Path) -> None:
    connection = sqlite3.connect(path)
    (head,) = connection.execute(f"SELECT hash FROM log {ROW} = 5").fetchone()
    forged = link(head, TOPIC, 1, 6, None, (), b"{}")
    connection.execute(
        "INSERT INTO log VALUES (NULL, ?, 1, 6, 0, NULL, ?, ?, '', '', '', ?, ?)",
        (TOPIC, b"{}", encode_headers(()), forged, seal(forged, 0, encode_headers(()), "", "", "")),
    )
    connection.commit()
    connection.close()
    assert "the row at offset 6 was inserted" in (verify(path).problem or "")


def test_a_flipped_bit_in_the_file_is_found(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(b'"reason":"joined_open_group"')
    content[place] ^= 1
    path.write_bytes(content)
    assert not verify(path).ok


def test_a_file_that_is_cut_is_reported_not_raised(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    report = verify(path)
    assert not report.ok
    assert "cannot be read" in (report.problem or "")


def test_a_missing_file_is_no_whole_log(tmp_path: Path) -> None:
    with pytest.raises(Retry, match=r"none\.sqlite3"):
        verify(tmp_path / "none.sqlite3")


async def test_it_runs_beside_a_writer(path: Path) -> None:
    log = EventLog.open(path)
    teller = Teller(2)
    incident = teller.open(0)
    await log.append([Portion(TOPIC, 2, teller.journals[TOPIC, 2], 1)])
    assert verify(path).rows == 13
    teller.attach(incident, 1)
    await log.append([Portion(TOPIC, 2, teller.journals[TOPIC, 2], 2)])
    assert verify(path).rows == 14
    log.close()
