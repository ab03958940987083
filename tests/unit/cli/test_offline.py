"""The command line where no tocsin runs: what works locally, exit codes, manners."""

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

import tocsin
from tocsin.cli import main
from tocsin.cli.output import fitting, json_text, pairs, plain, table
from tocsin.settings import load


def run(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
    return CliRunner(env={"TOCSIN_CONFIG": None, "TOCSIN_URL": None, "TOCSIN_TOKEN": None, **environ}).invoke(
        main, list(arguments), input=stdin, catch_exceptions=False
    )


def test_version() -> None:
    assert run("version").stdout == f"{tocsin.__version__}\n"
    assert json.loads(run("version", "-o", "json").stdout)["version"] == tocsin.__version__


def test_version_loads_neither_the_http_stack_nor_rich() -> None:
    code = "import sys; from tocsin.cli import main; main(['version'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"fastapi", "uvicorn", "httpx", "rich", "pydantic", "yaml", "sqlite3", "faust", "asyncio"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["incidets"], "unknown command 'incidets', did you mean 'incidents'?"),
        (["incidents", "lst"], "unknown command 'lst', did you mean 'list'?"),
        (["alerts", "send"], "nothing to send: the input is empty"),
        (["incidents", "list", "--limit", "0"], "0 is not in the range"),
        (["incidents", "ack"], "name the incidents, or say which by --where"),
        (["alerts", "send", "--label", "a"], "--label takes NAME=VALUE, not 'a'"),
        (["rejected", "show", "x"], "'x' is not an id such as 0/17"),
        (["rejected", "requeue"], "give the IDs of records, or --all"),
        (["rejected", "requeue", "0/1", "--all"], "give the IDs of records, or --all"),
        (["rejected", "requeue", "0/1", "--reason", "bad_json"], "--reason goes with --all"),
        (["rejected", "requeue", "0/1", "0-2"], "'0-2' is not an id such as 0/17"),
        (["incidents", "list", "--url", "::"], "is not an address"),
        (["incidents", "list", "-o", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


COLUMNS = ("number", "severity", "status", "title", "opened_at")
WIDTHS = (18, 8, 12, 45, 19)


@pytest.mark.parametrize(
    ("available", "count"),
    [(200, 5), (18 + 8 + 12 + 20 + 19 + 8, 5), (18 + 8 + 12 + 20 + 19 + 7, 4), (30, 2), (10, 1), (0, 1)],
)
def test_columns_that_do_not_fit_are_left_out_from_the_right(available: int, count: int) -> None:
    assert fitting(COLUMNS, WIDTHS, available) == count


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(every_command(main)), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    done = run(*path, "--help")
    assert done.exit_code == 0
    assert any(line.startswith(f"  tocsin {' '.join(path)}") for line in done.stdout.splitlines()), done.stdout


def test_unreachable_is_4() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for arguments in (["incidents", "list"], ["alerts", "send", "--title", "x"], ["topics", "list"]):
            done = run(*arguments, TOCSIN_URL=url)
            assert done.exit_code == 4
            assert f"cannot reach {url}" in done.stderr
            assert done.stdout == ""


def test_config_check_reports_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text("instance: a\nhttp:\n  listn: x\n")
    done = run("config", "check", "-c", str(path))
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        f"{path}:3:3: unknown field 'listn', did you mean 'listen'?",
        "Error: 1 problem in the settings",
    ]


def test_config_check_warns(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text("escalate: {rules: [{escalate_to: oops, escalate_after_minutes: 1}]}")
    done = run("config", "check", TOCSIN_CONFIG=str(path))
    assert done.exit_code == 0
    assert "warning: escalate_to 'oops': people names nobody" in done.stderr
    assert "note: people names nobody: every page goes to 'everyone', over console" in done.stderr


def test_config_show_prints_settings_that_can_be_used_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text("notify: {channels: {chat: {type: webhook, url: 'https://x/hunter2', secret: hunter2}}}")
    done = run("config", "show", "-c", str(path))
    assert done.exit_code == 0
    assert "hunter2" not in done.output
    shown = yaml.safe_load(done.stdout)
    assert shown["notify"]["channels"]["chat"]["secret"] == "(secret)"
    assert json.loads(run("config", "show", "-c", str(path), "-o", "json").stdout) == shown


def test_a_token_fits_its_hash_and_the_settings() -> None:
    made = json.loads(run("token", "create", "ci", "-o", "json").stdout)
    assert made["hash"] == f"sha256:{hashlib.sha256(made['token'].encode()).hexdigest()}"
    done = run("token", "create", "ci")
    token, line = done.stdout.splitlines()
    assert token.startswith("tocsin_")
    [entry] = yaml.safe_load(line)
    settings = load(None, {"TOCSIN_HTTP__TOKENS": json.dumps([entry]), "TOCSIN_HTTP__LISTEN": "0.0.0.0:1"})
    assert settings.http.tokens[0].name == "ci"
    assert len({run("token", "create").stdout for _ in range(3)}) == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert "_TOCSIN_COMPLETE" in run("completion", shell).stdout


def test_schemas_are_checked(tmp_path: Path) -> None:
    done = run("schemas", "export", str(tmp_path), "--check")
    assert done.exit_code == 1
    assert "commands/command.v1.json: missing" in done.stdout.splitlines()
    assert list(tmp_path.iterdir()) == []


def test_docs_lists_chapters_and_names_them_when_one_is_unknown() -> None:
    names = run("docs", "-o", "name").stdout.split()
    done = run("docs", "no-such-chapter")
    assert done.exit_code == 3
    for name in names:
        assert name in done.stderr
        assert run("docs", name).stdout.startswith("# ")


def test_eventlog_without_a_file_is_3(tmp_path: Path) -> None:
    for verb in ("verify", "rebuild"):
        assert run("eventlog", verb, TOCSIN_DATA_DIR=str(tmp_path)).exit_code == 3


def test_what_comes_from_outside_commands_no_terminal() -> None:
    hostile = "a\x1b[2Jb\r\n\x9b1mc\u202ed"
    assert plain(hostile) == "a\\x1b[2Jb\\r\\n\\x9b1mc\\u202ed"
    text = json_text({"title": hostile})
    assert not set(text) & set("\x1b\x9b\r\n\u202e")
    assert json.loads(text) == {"title": hostile}


def test_times_on_a_terminal_say_their_zone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table([{"at": "2026-11-21T21:52:13.232686Z", "title": "x"}], ("at", "title"))
    pairs({"opened_at": "2026-11-21T21:52:13.232686Z"}, ("opened_at",))
    head, _, row, pair = capsys.readouterr().out.splitlines()
    assert "AT UTC" in head
    assert row.split() == ["2026-11-21", "21:52:13", "x"]
    assert pair.endswith("2026-11-21 21:52:13 UTC")
