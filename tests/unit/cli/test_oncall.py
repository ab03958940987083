"""`tocsin oncall` against a running tocsin, and the drawing of a schedule."""

import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from tocsin.cli.oncall_grid import grid

Run = Callable[..., Result]

SETTINGS = """
people:
  users: {ana: {contacts: {email: ana@example.org}}, bo: {}}
  teams: {everyone: {members: [ana, bo], schedule: ops}}
correlate: {assignment: {by_category: {}, by_severity: {}}}
escalate: {rules: []}
schedules:
  ops:
    time_zone: Europe/London
    layers: [{name: daily, users: [ana, bo], starts_at: 2026-01-05T09:00, unit: day}]
  empty: {}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("tocsin")
    (found / "tocsin.yaml").write_text(SETTINGS, encoding="utf-8")
    return found


def rows(done: Result) -> list[list[str]]:
    assert done.exit_code == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_who_is_on_call(run: Run) -> None:
    head, row = rows(run("oncall", "now", "ops", "--at", "2026-03-29T08:30"))
    assert head == ["SCHEDULE", "USER", "BY", "SOURCE", "UNTIL", "NEXT"]
    at = "2026-03-29T08:00:00Z"
    assert row == ["ops", "ana", "layer", "daily", at, f"bo from {at}"]
    assert run("oncall", "now", "ops", "--at", "2026-03-29T08:30", "-o", "name").stdout == "ana\n"
    everybody = json.loads(run("oncall", "now", "-o", "json").stdout)
    assert [one["schedule"] for one in everybody] == ["empty", "ops"]
    assert rows(run("oncall", "now", "empty"))[1][:2] == ["empty", "nobody"]


def test_a_schedule_as_a_table_is_by_its_clock(run: Run) -> None:
    words = ("oncall", "calendar", "ops", "--from", "2026-03-28T09:00", "--to", "2026-03-30T09:00")
    found = rows(run(*words))
    assert found[1:] == [
        ["ana", "Sat 2026-03-28 09:00", "Sun 2026-03-29 09:00", "layer", "daily", ""],
        ["bo", "Sun 2026-03-29 09:00", "Mon 2026-03-30 09:00", "layer", "daily", ""],
    ]
    assert run(*words).stderr == "times of Europe/London\n"
    assert json.loads(run(*words, "-o", "json").stdout)[0]["end"] == "2026-03-29T08:00:00Z"
    assert "Sun 2026-03-29  a aaaaaaabbbbbbbbbbbbbbb\n" in run(*words, "--grid").stdout


def test_somebody_takes_over_and_gives_back(run: Run) -> None:
    words = ("--from", "2031-03-29T10:00", "--to", "2031-03-29T12:00", "--reason", "dentist", "--as", "leo")
    made = rows(run("oncall", "override", "ops", "ana", *words))[1]
    assert made[1:] == ["ana", "", "2031-03-29T10:00:00Z", "2031-03-29T12:00:00Z", "leo", "dentist"]
    assert run("oncall", "now", "ops", "--at", "2031-03-29T11:00", "-o", "name").stdout == "ana\n"
    assert rows(run("oncall", "overrides", "ops"))[1] == made
    assert run("oncall", "cancel", made[0]).exit_code == 0
    assert run("oncall", "overrides", "ops", "-o", "name").stdout == ""
    assert run("oncall", "cancel", made[0]).exit_code == 3


def test_a_swap(run: Run) -> None:
    done = run("oncall", "swap", "ops", "bo", "ana", "--at", "2031-03-29T12:00", "--for", "2031-03-30T12:00")
    assert len(rows(done)) == 3
    wrong = run("oncall", "swap", "ops", "ana", "ana")
    assert (wrong.exit_code, "cannot swap" in wrong.stderr) == (2, True)
    for name in run("oncall", "overrides", "ops", "-o", "name").stdout.split():
        run("oncall", "cancel", name)


def test_load_next_shifts_and_handover(run: Run) -> None:
    found = rows(run("oncall", "report", "ops", "--from", "2026-01-05T09:00", "--to", "2026-01-09T09:00"))
    assert found[1] == ["ana", "48.0", "16.0", "0.0", "0.0", "2"]
    assert rows(run("oncall", "report", "empty"))[1][:2] == ["nobody", "336.0"]
    assert len(rows(run("oncall", "next", "ana", "--limit", "2"))) == 3
    done = run("oncall", "handover", "ops", "--at", "2026-03-29T08:30")
    assert "giving  ana\ntaking  bo\n" in done.stdout
    assert "nobody hands over" in run("oncall", "handover", "empty").stderr


def test_a_calendar_file_goes_out_and_comes_in(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ops.ics"
    assert run("oncall", "export-ics", "ops", "--into", str(file)).exit_code == 0
    assert file.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    mine = run("oncall", "export-ics", "--user", "ana").stdout
    assert 0 < mine.count("BEGIN:VEVENT") < file.read_text().count("BEGIN:VEVENT")
    same = run("oncall", "import-ics", "ops", str(file))
    assert (same.exit_code, "0 taken" in same.stderr) == (0, True)
    file.write_text(file.read_text().replace("END:VCALENDAR", "BEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR"))
    done = run("oncall", "import-ics", "empty", str(file), "--dry-run")
    assert (done.exit_code, "it has no DTSTART" in done.stderr) == (1, True)
    assert run("oncall", "overrides", "empty", "-o", "name").stdout == ""
    assert run("oncall", "export-ics").exit_code == 2


def test_mistakes_are_named(run: Run) -> None:
    for words, code, message in (
        (("now", "opps"), 3, "did you mean 'ops'?"),
        (("now", "ops", "--at", "noon"), 2, "is no time"),
        (("override", "ops", "anna", "--from", "2031-01-01", "--to", "2031-01-02"), 2, "did you mean 'ana'?"),
        (("calendar", "ops", "--from", "2026-01-01", "--to", "2025-01-01"), 2, "is not after"),
        (("next", "zoe"), 3, "no user 'zoe'"),
    ):
        done = run("oncall", *words)
        assert (done.exit_code, message in done.stderr) == (code, True), done.stderr


def shift(user: str, start: str, end: str) -> dict[str, str]:
    return {"user": user, "start": start, "end": end}


def test_the_drawing() -> None:
    place = ZoneInfo("Europe/London")
    shifts = [
        shift("ana", "2026-03-28T06:00:00Z", "2026-03-29T08:00:00Z"),
        shift("", "2026-03-29T08:00:00Z", "2026-03-29T12:00:00Z"),
        shift("bo", "2026-03-29T12:00:00Z", "2026-03-29T20:00:00Z"),
    ]
    assert list(grid(shifts, place)) == [
        "                0     6     12    18",
        "Sat 2026-03-28        aaaaaaaaaaaaaaaaaa",
        "Sun 2026-03-29  a aaaaaaa....bbbbbbbb",
        "",
        "a  ana",
        "b  bo",
        ".  nobody",
    ]
    assert list(grid([], place)) == []
