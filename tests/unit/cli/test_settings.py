"""`tocsin settings` and `tocsin silence` against a running tocsin."""

import json
from pathlib import Path
from typing import Any

import yaml
from click.testing import Result

from tocsin.cli.settings import path_of


def versions(run: Any, key: str, count: int) -> list[dict[str, Any]]:
    """The history of a document, once the event log has so many versions."""
    while True:
        done: Result = run("settings", "history", key, "-o", "json")
        if done.exit_code == 0 and len(found := json.loads(done.stdout)) == count:
            items: list[dict[str, Any]] = found
            return items


def test_a_document_is_written_read_changed_and_deleted(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "ana.yaml"
    file.write_text("name: Ana\naway:\n  - {start: 2026-01-05T09:00:00Z, end: 2026-01-06T09:00:00Z}\n")
    done = run("settings", "put", "user/ana", "-f", str(file), "--new", "--reason", "joined", "--as", "leo")
    assert done.exit_code == 0, done.stderr
    read = run("settings", "get", "user/ana")
    assert yaml.safe_load(read.stdout)["name"] == "Ana"
    assert "by leo" in read.stderr
    version = json.loads(run("settings", "list", "user", "-o", "json").stdout)[0]["version"]
    again = run("settings", "put", "user/ana", "--new", stdin="name: Ana\n")
    assert (again.exit_code, "is at version" in again.stderr) == (1, True)
    changed = run("settings", "put", "user/ana", "--version", str(version), stdin='{"name": "Ana B."}')
    assert changed.exit_code == 0, changed.stderr
    assert run("settings", "delete", "user/ana", "--reason", "left").exit_code == 0
    assert [one["reason"] for one in versions(run, "user/ana", 3)] == ["left", "", "joined"]
    table = run("settings", "history", "user/ana").stdout.splitlines()
    assert table[0].split("\t")[4] == "CHANGE"
    assert [line.split("\t")[4] for line in table[1:]] == ["deleted", "away, name", "created"]
    assert run("settings", "get", "user/ana").exit_code == 3


def test_mistakes_are_named(run: Any) -> None:
    for words, stdin, code, message in (
        (("get", "user"), None, 2, "no KIND/NAME"),
        (("get", "usr/ana"), None, 3, "'user/…'"),
        (("put", "user/ana"), "nam: Ana", 2, "did you mean 'name'"),
        (("put", "user/ana"), "", 2, "is empty"),
        (("put", "user/ana"), "[", 2, "expected the node content"),
        (("put", "user/ana", "--new", "--version", "3"), "{}", 2, "exclude each other"),
        (("list", "usr"), None, 2, "did you mean 'user'"),
        (("delete", "user/nobody"), None, 3, "user/nobody"),
    ):
        done = run("settings", *words, stdin=stdin)
        assert (done.exit_code, message in done.stderr) == (code, True), done.stderr


def test_a_silence_is_previewed_added_listed_and_ended(run: Any) -> None:
    label = ("--label", "host=silent1", "--label", "alertname=Quiet")
    assert run("alerts", "send", "--title", "Quiet", *label, "-o", "name").exit_code == 0
    while not run("alerts", "list", "-q", "silent1", "-o", "name").stdout.strip():
        pass
    seen = run("silence", "preview", "host=~silent.*", "alertname=Quiet")
    assert "whole\tQuiet" in seen.stdout, seen.stderr
    added = run("silence", "add", "host=~silent.*", "--for", "2h", "--comment", "new disks", "--as", "ana")
    assert added.exit_code == 0, added.stderr
    head, row = (line.split("\t") for line in added.stdout.splitlines())
    found = dict(zip(head, row, strict=True))
    assert (found["STATE"], found["CREATED_BY"], found["MATCHERS"]) == ("active", "ana", '{host=~"silent.*"}')
    assert run("silence", "list", "-o", "name").stdout.split() == [found["ID"]]
    assert run("silence", "expire", found["ID"]).exit_code == 0
    assert run("silence", "list", "-o", "name").stdout == ""
    assert run("silence", "list", "--expired", "-o", "name").stdout.split() == [found["ID"]]
    assert run("silence", "expire", "nobody").exit_code == 3


def test_a_silence_that_cannot_be_is_refused(run: Any) -> None:
    for words, message in (
        (("host~x",), "is expected at column 5"),
        (("host=a", "--for", "2 hours"), "--for"),
        (("host=a", "--start", "tomorrow"), "is no instant"),
        (("host=a", "--start", "2026-11-21T22:00"), "needs a zone"),
        (("host=~.*",), "silence everything"),
    ):
        done = run("silence", "add", *words)
        assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_a_name_cannot_lead_elsewhere() -> None:
    assert path_of("user/a b?x") == "/api/v1/settings/user/a%20b%3Fx"


def test_a_template_that_is_written_is_what_channels_say_from_then_on(run: Any) -> None:
    def said() -> str:
        return str(run("explain", "message", "--event", "incident.opened", "--channel", "console").stdout)

    assert "PAGE late: Disk" not in said()
    put = run("settings", "put", "template/late", stdin="{subject_template: 'late: {title}', channel: console}")
    assert put.exit_code == 0, put.stderr
    assert "PAGE late: Disk of orders-db will be full in 4 hours" in said()
    wrong = run("settings", "put", "template/late", stdin="{subject_template: 'late: {titel}'}")
    assert (wrong.exit_code, "did you mean 'title'?" in wrong.stderr) == (2, True)
    assert run("settings", "delete", "template/late").exit_code == 0
    assert "PAGE late: Disk" not in said()
