"""The command line against a running tocsin: real sockets, real files."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tocsin.cli import main
from tocsin.cli.client import login_name

Run = Callable[..., Result]


def declared(run: Run, title: str, *options: str) -> str:
    """Declare an incident; its number."""
    done = run("incidents", "declare", title, *options, "-o", "json")
    assert done.exit_code == 0, done.stderr
    [outcome] = json.loads(done.stdout)
    return str(json.loads(run("incidents", "show", outcome["incident"], "-o", "json").stdout)["number"])


def test_an_alert_is_sent_and_its_incident_acknowledged(run: Run) -> None:
    sent = run("alerts", "send", "--title", "Disk full", "--label", "host=db1", "--severity", "critical", "-o", "name")
    assert sent.exit_code == 0
    assert sent.stdout.startswith("alt_")
    number = ""
    while not number:
        number = run("incidents", "list", "-q", "Disk full", "-o", "name").stdout.strip()
    done = run("incidents", "ack", number, "--reason", "on it")
    assert done.exit_code == 0
    head, row = done.stdout.splitlines()
    assert head.split("\t") == ["NUMBER", "STATUS", "OUTCOME", "MESSAGE"]
    assert row.split("\t") == [number, "acknowledged", "applied", ""]
    shown = run("incidents", "show", number).stdout
    assert f"acknowledged by  {login_name()}" in shown
    assert f"incident.acknowledged\t{login_name()}\ton it" in shown
    assert "Disk full" in run("alerts", "list", "--incident", number).stdout


def test_who_acts_can_be_named(run: Run) -> None:
    number = declared(run, "Named")
    assert run("incidents", "acknowledge", number, "--as", "Zoë", "-o", "name").stdout == f"{number}\n"
    assert json.loads(run("incidents", "show", number, "-o", "json").stdout)["acknowledged_by"] == "Zoë"
    done = run("incidents", "note", number, "hello", "--as", "z" * 65)
    assert (done.exit_code, "at most 64 printable characters" in done.stderr) == (2, True)


def test_what_is_equal_is_one_line_of_the_timeline(run: Run) -> None:
    number = declared(run, "Storm")
    for _ in range(3):
        assert run("incidents", "note", number, "still looking").exit_code == 0
    assert run("incidents", "note", number, "found it").exit_code == 0
    shown, wide = run("incidents", "show", number).stdout, run("incidents", "show", number, "-o", "wide").stdout
    assert "\t3 times: still looking\n" in shown
    assert shown.count("incident.noted") == 2
    assert wide.count("incident.noted") == 4
    assert ("delivery.attempted" in shown, "delivery.attempted" in wide) == (False, True)


def test_every_format_of_output_is_that_format(run: Run) -> None:
    number = declared(run, "Formats")
    listed = ("incidents", "list", "-q", "Formats", "-o")
    [of_json] = json.loads(run(*listed, "json").stdout)
    assert of_json["number"] == number
    assert [json.loads(line) for line in run(*listed, "jsonl").stdout.splitlines()] == [of_json]
    assert yaml.safe_load(run(*listed, "yaml").stdout) == [of_json]
    assert run(*listed, "name").stdout == f"{number}\n"
    table, wide = (run(*listed, kind).stdout.splitlines() for kind in ("table", "wide"))
    assert wide[0].startswith(table[0])
    assert len(wide[0].split("\t")) > len(table[0].split("\t")) == len(table[1].split("\t"))


def test_several_incidents_at_once_and_the_worst_outcome_counts(run: Run) -> None:
    one, two = declared(run, "One"), declared(run, "Two")
    assert run("incidents", "close", one, two).exit_code == 0
    done = run("incidents", "investigate", one, declared(run, "Three"), "-o", "json")
    assert done.exit_code == 1
    assert [outcome["outcome"] for outcome in json.loads(done.stdout)] == ["rejected", "applied"]
    assert "possible: reopen" in done.stderr


def test_every_verb(run: Run) -> None:
    number = declared(run, "Verbs", "--severity", "low", "--service", "shop")
    for arguments in (
        ("investigate", number),
        ("assign", number, "--to", "ada"),
        ("note", number, "looking"),
        ("mitigate", number),
        ("resolve", number),
        ("close", number),
        ("reopen", number),
    ):
        done = run("incidents", *arguments)
        assert done.exit_code == 0, done.stderr
    shown = json.loads(run("incidents", "show", number, "-o", "json").stdout)
    assert (shown["status"], shown["assignee"], shown["service"]) == ("open", "ada", "shop")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("incidents", "show", "INC-2020-01-01-001"), 3, "no incident 'INC-2020-01-01-001'"),
        (("incidents", "ack", "INC-2020-01-01-001"), 3, "there is no incident"),
        (("incidents", "ack", "seven"), 2, "neither an incident id"),
        (("incidents", "list", "--status", "opn"), 2, "did you mean 'open'?"),
        (("rejected", "show", "0/99"), 3, "no rejected record"),
        (("topics", "export", "alerts.raw"), 3, "did you mean 'alerts.raw.v1'?"),
    ],
)
def test_exit_codes(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr


def test_alerts_from_a_file_and_from_standard_input(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_text(json.dumps([{"title": "A"}, {"titel": "B"}]))
    done = run("alerts", "send", str(path), "-o", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["accepted"] == 1
    assert "alert 1:" in done.stderr
    assert run("alerts", "send", "-", stdin='{"title": "C"}').exit_code == 0
    assert run("alerts", "send", stdin='{"title": "D"}').exit_code == 0
    wrong = run("alerts", "send", "-", stdin="{")
    assert wrong.exit_code == 1
    assert run("alerts", "send", str(path), "--title", "E").exit_code == 2


def test_topics_are_exported_whole_and_tailed(run: Run) -> None:
    declared(run, "Topics")
    assert "incidents.commands.v1" in run("topics", "list", "-o", "name").stdout.split()
    lines = [json.loads(line) for line in run("topics", "export", "incidents.events.v1").stdout.splitlines()]
    assert [line["offset"] for line in lines] == list(range(len(lines)))
    tail = [
        json.loads(line)
        for line in run("topics", "tail", "incidents.events.v1", "-n", "2", "--no-follow").stdout.splitlines()
    ]
    assert tail == lines[-2:]


def test_the_event_log_is_verified_beside_a_running_tocsin_and_not_rebuilt(run: Run, directory: Path) -> None:
    declared(run, "Event log")
    environ = {"TOCSIN_DATA_DIR": str(directory), "TOCSIN_CONFIG": None}
    done = CliRunner(env=environ).invoke(main, ["eventlog", "verify", "-o", "json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["ok"] is True
    done = CliRunner(env=environ).invoke(main, ["eventlog", "rebuild"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "is in use by tocsin run" in done.stderr


def test_an_edited_byte_is_located_and_not_carried_into_the_views(run: Run, directory: Path, tmp_path: Path) -> None:
    declared(run, "Edited")
    with contextlib.closing(sqlite3.connect(directory / "events.sqlite3")) as whole:
        whole.execute("VACUUM INTO ?", (str(tmp_path / "events.sqlite3"),))
    with contextlib.closing(sqlite3.connect(tmp_path / "events.sqlite3")) as copy, copy:
        copy.execute(
            "UPDATE log SET value = CAST(replace(CAST(value AS TEXT), '\"Edited\"', '\"Edit3d\"') AS BLOB)"
            " WHERE topic = 'incidents.events.v1'"
        )
    runner = CliRunner(env={"TOCSIN_DATA_DIR": str(tmp_path), "TOCSIN_CONFIG": None})
    verified = runner.invoke(main, ["eventlog", "verify", "-o", "json"], catch_exceptions=False)
    assert verified.exit_code == 1
    assert "incidents.events.v1/0: the row at offset" in json.loads(verified.stdout)["problem"]
    rebuilt = runner.invoke(main, ["eventlog", "rebuild"], catch_exceptions=False)
    assert (rebuilt.exit_code, rebuilt.stdout) == (1, "")
    assert "its views stay as they are: incidents.events.v1/0: the row at offset" in rebuilt.stderr
    rebuilt = runner.invoke(main, ["eventlog", "rebuild", "--damaged", "-o", "json"], catch_exceptions=False)
    assert (rebuilt.exit_code, json.loads(rebuilt.stdout)["same"]) == (0, False)
    assert "the views were not what the log says; now they are" in rebuilt.stderr


def started(tmp_path: Path) -> "subprocess.Popen[str]":
    environ = {**os.environ, "TOCSIN_DATA_DIR": str(tmp_path), "TOCSIN_HTTP__LISTEN": "127.0.0.1:0"}
    return subprocess.Popen(
        [sys.executable, "-c", "from tocsin.cli import main; main()", "run"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_run_says_where_it_is_names_itself_to_a_second_one_and_stops_on_sigterm(tmp_path: Path) -> None:
    with started(tmp_path) as first:
        assert first.stderr is not None
        assert first.stderr.readline().startswith("tocsin is ready: http://127.0.0.1:")
        with started(tmp_path) as second:
            out, words = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"{first.pid} " in words
        assert "Traceback" not in words
        first.send_signal(signal.SIGTERM)
        out, words = first.communicate(timeout=10)
        assert first.returncode == 0
        assert out == ""
        assert words == "stopping\n"
    environ = {"TOCSIN_DATA_DIR": str(tmp_path), "TOCSIN_CONFIG": None}
    done = CliRunner(env=environ).invoke(main, ["eventlog", "rebuild", "-o", "json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["same"] is True
