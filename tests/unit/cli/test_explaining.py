"""`tocsin explain`, `playbooks`, `runbooks` and `acceptance`: offline and against a running tocsin."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tocsin.cli import main

Run = Callable[..., Result]

SETTINGS = """
escalate:
  rules: [{escalate_to: dba, escalate_after_minutes: 7, notification_channels: sms}]
notify:
  channels: {sms: {type: webhook, url: "http://127.0.0.1:9/"}}
people:
  catch_all: dba
  teams: {dba: {contacts: {phone: "+1"}}}
"""


def offline(*words: str) -> Result:
    return CliRunner(env={"TOCSIN_URL": None, "TOCSIN_CONFIG": None}).invoke(main, ["explain", *words])


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "tocsin.yaml"
    file.write_text(SETTINGS)
    return str(file)


def test_times_after_the_opening_are_written_as_durations(path: str) -> None:
    file = Path(path)
    file.write_text(file.read_text().replace("minutes: 7,", "minutes: 0.25,"))
    done = offline("route", "--labels", "severity=critical,service=shop", "--settings", path)
    (row,) = [line.split("\t") for line in done.stdout.splitlines() if "\tlevel 1 " in line]
    assert row[1] == "15s"
    assert "nobody is called" not in done.stderr


def test_that_nobody_is_called_is_said(path: str) -> None:
    file = Path(path)
    file.write_text(file.read_text().replace("rules: [{", "rules: [{condition: {severity: low}, "))
    done = offline("route", "--labels", "severity=high,service=shop", "--settings", path)
    assert done.stderr.startswith("nobody is called: ")


def test_a_settings_file_is_asked_without_a_running_tocsin(path: str) -> None:
    done = offline("route", "--labels", "severity=critical,service=shop", "--settings", path, "-o", "json")
    assert done.exit_code == 0, done.output
    (call,) = [row for row in json.loads(done.stdout)["escalation"] if row.get("level") == 1]
    assert (call["after_minutes"], call["reached"][0]["channels"]) == (7, ["sms"])


def test_the_calls_are_a_table_with_their_minutes(path: str) -> None:
    words = ("--labels", "severity=critical", "--at", "2026-12-24T23:00Z", "--settings", path)
    done = offline("escalation", *words)
    assert done.exit_code == 0, done.output
    assert "2026-12-24T23:07:00Z\t7m\tto_come\tlevel 1 to dba\tteam:dba\tsms\t" in done.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("route",), "--labels"),
        (("route", "--labels", "severity", "--settings", "{path}"), "name=value"),
        (("route", "--labels", "a=b", "--at", "soon", "--settings", "{path}"), "no instant"),
        (("escalation",), "name an INCIDENT"),
        (("escalation", "INC-2026-11-21-001", "--labels", "a=b"), "name an INCIDENT"),
        (("escalation", "INC-2026-11-21-001", "--at", "2026-12-24T23:00Z"), "go with --labels"),
    ],
)
def test_what_is_wrong_with_the_question_is_said(path: str, words: tuple[str, ...], part: str) -> None:
    done = offline(*(word.replace("{path}", path) for word in words))
    assert (done.exit_code, part in done.output) == (2, True), done.output


def test_a_running_tocsin_explains_and_shows_its_playbooks(run: Run) -> None:
    done = run("incidents", "declare", "Slow", "--category", "database", "--severity", "high", "-o", "json")
    incident = json.loads(done.stdout)[0]["incident"]
    # The answer to a command is there before the plan that escalate makes for it is in the views.
    ends = time.monotonic() + 20
    while "level 1 to" not in run("explain", "escalation", incident).stdout:
        assert time.monotonic() < ends
    assert "incident.opened" in run("explain", "why", incident, "--all").stdout
    assert run("explain", "why", "INC-2026-01-01-001").exit_code == 3
    listed = run("playbooks", "list", "--category", "database", "-o", "name").stdout.split()
    assert listed == ["database-connection-failure"]
    assert run("incidents", "playbook-start", incident, "--playbook", listed[0]).exit_code == 0
    assert run("incidents", "playbook-step", incident, "--outcome", "done", "--note", "all fine").exit_code == 0
    shown = run("incidents", "show", incident).stdout
    assert f"Playbook {listed[0]}" in shown
    assert "\tall fine\t" in shown
    steps = run("playbooks", "show", listed[0]).stdout
    assert "database_admin" in steps
    assert run("playbooks", "show", "nothing").exit_code == 3


def test_runbooks_are_printed_by_name() -> None:
    runner = CliRunner()
    assert "rollback" in runner.invoke(main, ["runbooks", "-o", "name"]).stdout.split()
    assert runner.invoke(main, ["runbooks", "rollback"]).stdout.startswith("# Rollback\n")
    assert runner.invoke(main, ["runbooks", "nothing"]).exit_code == 3
