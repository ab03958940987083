"""Channels and messages on the command line: listed, tried, and what they would say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

SETTINGS = """
notify:
  channels:
    dead: {type: webhook, url: "http://127.0.0.1:9/secret-path", timeout: 1s}
    mail: {type: email, host: 127.0.0.1, port: 9, from: t@a.example, to: [ops@b.example], tls: none, timeout: 1s}
  routes: [{channels: console}]
  templates:
    line: {channel: console, subject_template: "{severity}: {title}", body_template: "{{ service }}"}
    broken: {channel: mail, body_template: "{{ 1 / (alerts - alerts) }}"}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("tocsin")
    (found / "tocsin.yaml").write_text(SETTINGS)
    return found


def test_channels_are_listed_without_secrets(run: Run) -> None:
    done = run("channels", "list")
    assert done.exit_code == 0
    assert "dead\twebhook\thttp://127.0.0.1\t" in done.stdout
    assert "mail\temail\t127.0.0.1 port 9 from t@a.example to ops@b.example\t" in done.stdout
    assert "secret-path" not in run("channels", "list", "-o", "json").stdout
    assert run("channels", "list", "-o", "name").stdout == "console\ndead\nmail\n"


def test_a_channel_that_works_is_tried(run: Run) -> None:
    done = run("channels", "test", "console", "--wait", "30")
    assert done.exit_code == 0, done.stderr
    assert "channel:console\tconsole\tdelivered\t1\tprinted" in done.stdout


def test_one_that_does_not_work_ends_with_1_and_the_answer(run: Run) -> None:
    done = run("channels", "test", "mail", "--to", "ana@example.org", "--wait", "3")
    assert done.exit_code == 1
    assert "not delivered" in done.stderr
    assert run("channels", "test", "mial").exit_code == 3
    assert run("channels", "test", "console", "--to", "x").exit_code == 2


def test_what_a_message_would_say(run: Run, tmp_path: Path) -> None:
    done = run("explain", "message", "--event", "incident.opened", "--channel", "console")
    assert done.exit_code == 0, done.stderr
    assert "critical: Disk of orders-db will be full in 4 hours orders-db -> channel:console" in done.stdout
    done = run("explain", "message", "--event", "incident.opened", "--channel", "dead", "-o", "wide")
    assert "[CRITICAL] INC-2026-11-21-007" in done.stdout
    assert '"delivery_id": "ntf_explained"' in done.stdout
    done = run("explain", "message", "--channel", "mail")
    assert "ZeroDivisionError" in done.stderr
    assert "Subject: [CRITICAL]" in done.stdout
    file = tmp_path / "new.txt"
    file.write_text("{{ title|upper }}")
    done = run("explain", "message", "--channel", "mail", "--template", str(file), "-o", "json")
    assert json.loads(done.stdout)["body"] == "DISK OF ORDERS-DB WILL BE FULL IN 4 HOURS"
    file = tmp_path / "new.yaml"
    file.write_text("subject_template: '{titel}'")
    done = run("explain", "message", "--template", str(file))
    assert (done.exit_code, "did you mean 'title'?" in done.stderr) == (2, True)


def test_the_variables_are_listed_without_a_tocsin(run: Run) -> None:
    done = run("explain", "message", "--variables")
    assert "severity\ttext\t" in done.stdout
    assert "incident.labels\ttable\tThe labels that the group was made by." in done.stdout
