"""A token that lies in files: containers share it without anybody typing it."""

import hashlib
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tocsin.cli import main
from tocsin.settings import SettingsError, load


def run(*words: str, token: str | None = None) -> Result:
    return CliRunner(env={"TOCSIN_TOKEN": token, "TOCSIN_URL": None}).invoke(main, list(words))


def settings_with(directory: Path, reference: str) -> Path:
    path = directory / "tocsin.yaml"
    path.write_text(f"http: {{listen: '0.0.0.0:9393', tokens: [{{name: monitoring, hash: '{reference}'}}]}}\n")
    return path


def test_the_files_fit_each_other_and_the_settings(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    done = run("token", "create", "monitoring", "--into", str(secrets))
    assert (done.exit_code, done.stdout) == (0, "")
    token, digest = (secrets / "token").read_text().strip(), (secrets / "hash").read_text().strip()
    assert token not in done.output
    assert digest == f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    assert stat.S_IMODE((secrets / "token").stat().st_mode) & 0o027 == 0
    settings = load(settings_with(tmp_path, f"file:{secrets / 'hash'}"), {})
    assert settings.http.tokens[0].hash == digest
    settings = load(settings_with(tmp_path, "env:MONITORING_HASH"), {"MONITORING_HASH": digest})
    assert settings.http.tokens[0].hash == digest


def test_a_token_that_is_there_stays_and_a_half_is_made_anew(tmp_path: Path) -> None:
    run("token", "create", "--into", str(tmp_path))
    before = (tmp_path / "token").read_text()
    assert "already" in run("token", "create", "--into", str(tmp_path)).stderr
    assert (tmp_path / "token").read_text() == before
    (tmp_path / "hash").unlink()
    run("token", "create", "--into", str(tmp_path))
    after = (tmp_path / "token").read_text().strip()
    assert after != before.strip()
    assert (tmp_path / "hash").read_text().strip() == f"sha256:{hashlib.sha256(after.encode()).hexdigest()}"


def test_a_file_that_holds_no_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hash").write_text("tocsin_abc\n")
    with pytest.raises(SettingsError, match="does not have the form"):
        load(settings_with(tmp_path, f"file:{tmp_path / 'hash'}"), {})
    with pytest.raises(SettingsError, match="cannot be read"):
        load(settings_with(tmp_path, f"file:{tmp_path / 'nothing'}"), {})


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("token", "create", "--into", str(tmp_path / "file" / "below"))
    assert done.exit_code == 1
    assert "Not a directory" in done.stderr


def test_a_client_reads_its_token_from_a_file(tmp_path: Path) -> None:
    done = run("incidents", "list", token=f"file:{tmp_path / 'nothing'}")
    assert done.exit_code == 2
    assert "cannot read the token" in done.stderr
    (tmp_path / "token").write_text("tocsin_abc\n")
    done = run("incidents", "list", "--url", "http://127.0.0.1:9", token=f"file:{tmp_path / 'token'}")
    assert done.exit_code == 4  # got as far as the network
