"""What people do to incidents on the command line."""

import json
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import Result

from tocsin.cli.incident_verbs import EXAMPLES, minutes_of, word_of
from tocsin.cli.incidents import incidents
from tocsin.domain.command import VERBS

Run = Callable[..., Result]


def declared(run: Run, title: str, *options: str) -> str:
    """Declare an incident; its number."""
    done = run("incidents", "declare", title, *options, "-o", "json")
    assert done.exit_code == 0, done.stderr
    [outcome] = json.loads(done.stdout)
    return str(shown(run, outcome["incident"])["number"])


def shown(run: Run, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("incidents", "show", reference, "-o", "json").stdout)
    return found


def test_every_verb_has_its_command_with_examples_that_name_it() -> None:
    assert {word_of(verb) for verb in VERBS} <= set(incidents.commands)
    for verb, lines in EXAMPLES.items():
        assert all(line.startswith(word_of(verb) + " ") for line in lines)


@pytest.mark.parametrize(("text", "minutes"), [("30m", 30), ("2h", 120), ("1d2h3m", 1563), (" 1d ", 1440)])
def test_spans_are_written_as_people_say_them(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "30", "2 h", "h", "-1h", "1h2d"])
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(click.BadParameter):
        minutes_of(text)


def test_what_is_said_of_an_incident_is_shown(run: Run) -> None:
    number = declared(run, "Orders are slow", "--region", "eu-1", "--label", "host=db1", "--severity", "high")
    for words in (
        ("change", number, "--users-affected", "1200", "--root-cause", "a full disk", "--severity", "low"),
        ("set-roles", number, "--commander", "ada", "--expert", "linus", "--expert", "grace"),
        ("evidence", number, "98 % full", "--link", "https://dashboards.example/disk"),
        ("follow-up", number, "alert on it earlier", "--owner", "grace", "--due", "2026-12-01T09:00:00Z"),
        ("follow-up-done", number, "f1"),
        ("snooze", number, "--for", "1h"),
        ("request-update", number, "--text", "how long?"),
    ):
        done = run("incidents", *words)
        assert done.exit_code == 0, (words, done.stderr)
    found = shown(run, number)
    assert (found["impact"]["users_affected"], found["impact"]["regions"]) == (1200, ["eu-1"])
    assert (found["severity"], found["root_cause"], found["suppressed_by"]) == ("low", "a full disk", "snooze")
    assert found["roles"]["experts"] == ["linus", "grace"]
    assert found["follow_ups"][0]["done_at"] is not None
    assert found["labels"] == {"host": "db1"}
    assert found["incident_summary"]["users_affected"] == 1200
    text = run("incidents", "show", number).stdout
    for line in ("incident commander", "98 % full", "alert on it earlier", "users affected", "root cause", "snooze"):
        assert line in text


def test_an_option_that_is_empty_empties_and_one_that_is_left_out_does_not(run: Run) -> None:
    number = declared(run, "Empty", "--service", "shop")
    assert run("incidents", "change", number, "--team", "dba").exit_code == 0
    assert run("incidents", "change", number, "--service", "").exit_code == 0
    assert (shown(run, number)["service"], shown(run, number)["team"]) == ("", "dba")
    done = run("incidents", "change", number)
    assert (done.exit_code, "change needs one of title" in done.stderr) == (2, True)


def test_many_are_acknowledged_by_what_they_are(run: Run) -> None:
    numbers = [declared(run, f"Bulk {n}", "--service", "warehouse") for n in range(3)]
    done = run("incidents", "ack", "--where", "service=warehouse", "--where", "status=open", "-o", "json")
    assert done.exit_code == 0, done.stderr
    assert {one["outcome"] for one in json.loads(done.stdout)} == {"applied"}
    assert {shown(run, number)["status"] for number in numbers} == {"acknowledged"}
    done = run("incidents", "resolve", *numbers[:2], "INC-2020-01-01-001")
    assert done.exit_code == 3, "one of several is not there: the rest is done"
    assert [shown(run, number)["status"] for number in numbers] == ["resolved", "resolved", "acknowledged"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ack",), "name the incidents"),
        (("ack", "INC-2026-11-21-001", "--where", "status=open"), "name the incidents, or say which by --where"),
        (("ack", "--where", "colour=red"), "'colour' is not one of"),
        (("ack", "--where", "status"), "is not NAME=VALUE"),
        (("snooze", "INC-2026-11-21-001", "--for", "ever"), "no time like 30m"),
        (("merge", "INC-2026-11-21-001"), "Missing option '--into'"),
        (("change", "INC-2026-11-21-001", "--root-cause-category", "gremlins"), "configuration_error"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(run: Run, words: tuple[str, ...], message: str) -> None:
    done = run("incidents", *words)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_a_merge_by_numbers(run: Run) -> None:
    one, two, three = (declared(run, f"The same {n}") for n in range(3))
    done = run("incidents", "merge", one, two, "--into", three, "--reason", "one cause")
    assert done.exit_code == 0, done.stderr
    assert {shown(run, number)["merged_into"] for number in (one, two)} == {shown(run, three)["id"]}


def test_what_is_voided_leaves_the_lists(run: Run) -> None:
    number = declared(run, "A slip of the hand")
    assert run("incidents", "void", number, "--reason", "test").exit_code == 0
    assert run("incidents", "list", "-q", "slip of the hand", "-o", "name").stdout == ""
    assert shown(run, number)["voided"]
