"""People, severities and the page to try the way, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

SETTINGS = """
severity: {scheme: p1-p4}
sla: {critical: {acknowledge: 3m, resolve: 30m}}
people:
  users:
    ana: {name: Ana, contacts: {email: ana@example.org}, channels: console}
    bob: {away: [{start: 2020-01-01, end: 2040-01-01, reason: sailing}]}
  teams:
    dba: {members: [ana, bob], manager: bob}
    everyone: {contacts: {email: all@example.org}}
services:
  shop: {team: dba}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("tocsin")
    (found / "tocsin.yaml").write_text(SETTINGS)
    return found


def test_who_there_is(run: Run) -> None:
    done = run("people", "list")
    assert done.exit_code == 0
    assert "ana\tAna" in done.stdout
    assert "away until 2040-01-01T00:00+00:00 (sailing)" in done.stdout
    assert run("people", "list", "-o", "name").stdout == "ana\nbob\n"
    assert json.loads(run("people", "list", "-o", "json").stdout)["teams"]["dba"]["manager"] == "bob"


def test_who_is_reached(run: Run) -> None:
    done = run("people", "reached", "dba")
    assert "user:ana" in done.stdout
    assert "passed over: user:bob, away until 2040" in done.stderr
    done = run("people", "reached", "management", "--team", "dba")
    assert "team:everyone" in done.stdout
    assert "management reached nobody; called instead: catch_all" in done.stderr
    assert run("people", "reached", "dba", "--at", "2019-01-01", "-o", "name").stdout == "user:ana\nuser:bob\n"


def test_a_page_is_tried(run: Run) -> None:
    done = run("page-me", "ana", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["outcome"]) == (0, "delivered")
    assert run("page-me", "anna").exit_code == 3


def test_changes_are_reported_and_listed(run: Run) -> None:
    done = run(
        "changes", "add", "shop 4.2", "--service", "shop", "--label", "env=prod", "--id", "deploy-17", "--as", "Ana"
    )
    assert done.stdout.startswith("applied\tchg_")
    assert run("changes", "list", "--service", "shop").stdout.splitlines()[1].split("\t")[1:4] == [
        "shop",
        "shop 4.2",
        "Ana",
    ]
    wrong = run("changes", "add", "x", "--label", "env")
    assert (wrong.exit_code, "'env' is not NAME=TEXT" in wrong.stderr) == (2, True)


def test_severities_are_called_as_the_scheme_does(run: Run) -> None:
    listed = run("severity", "list").stdout
    assert "P1\tcritical\t3m\t30m\t\t" in listed  # the settings promise other than the scheme
    assert "P2\thigh\t\t\t\t" in listed
    assert "high\tcritical\thigh\tmedium" in listed
    assert run("severity", "list", "-o", "name").stdout == "P1\nP2\nP3\nP4\n"
    assert run("severity", "of", "high", "high").stdout == "P1 (critical)\n"
    assert run("severity", "of", "high", "high", "-o", "name").stdout == "P1\n"
    wrong = run("severity", "of", "hgh", "high")
    assert (wrong.exit_code, "did you mean 'high'?" in wrong.stderr) == (2, True)
