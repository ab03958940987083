"""What doctor finds on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tocsin.cli.doctor_local import FREE_FAIL_BYTES, FREE_WARN_BYTES, data_findings, settings_findings, space
from tocsin.runtime.finding import Finding
from tocsin.settings import Settings

NOBODY = 65534


def settings(tmp_path: Path, **others: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", **others})


def of(findings: list[Finding], check: str) -> list[Finding]:
    return [one for one in findings if one.check.startswith(check)]


def test_wrong_settings_are_said_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yaml"
    file.write_text("instnce: a\nbroker: nats://x\n")
    found, said = settings_findings(file, {})
    assert found is None
    assert [one.outcome for one in said] == ["FAIL", "FAIL"]
    assert "1:1: unknown field 'instnce'" in said[0].found


def test_warnings_of_the_settings_are_warnings(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yaml"
    file.write_text(
        "broker: kafka://a\nkafka: {security: {protocol: SASL_PLAINTEXT, username: u, password: hunter2}}\n"
    )
    found, (said,) = settings_findings(file, {})
    assert found is not None
    assert (said.outcome, said.remedy) == ("warn", "write kafka.security.protocol: SASL_SSL")
    assert "hunter2" not in f"{said}"


def test_good_settings_and_a_new_directory_are_fine(tmp_path: Path) -> None:
    _, said = settings_findings(None, {})
    assert [one.outcome for one in said] == ["ok"]
    found = list(data_findings(settings(tmp_path)))
    assert not of(found, "file")
    assert of(found, "event log")[0].found.endswith("is made at the first start")
    assert not (tmp_path / "data").exists(), "a doctor changes nothing"


def test_a_directory_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    (said, _) = of(list(data_findings(settings(tmp_path))), "directory")
    assert (said.outcome, said.remedy) == ("warn", f"chmod 700 {tmp_path / 'data'}")


def test_a_file_in_the_place_of_the_directory_fails(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    (said,) = of(list(data_findings(settings(tmp_path))), "directory")
    assert said.outcome == "FAIL"
    assert "no directory" in said.found


@contextmanager
def powerless() -> Iterator[None]:
    """Without the rights of root, who may write everywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_directory_that_cannot_be_made_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with powerless():
        (said,) = of(list(data_findings(settings(tmp_path))), "directory")
    assert said.outcome == "FAIL"
    assert "cannot be made: " in said.found
    assert "set data_dir" in said.remedy


def test_a_damaged_event_log_fails(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "events.sqlite3").write_bytes(b"no database at all" * 100)
    (said,) = of(list(data_findings(settings(tmp_path))), "event log")
    assert said.outcome == "FAIL"
    assert "tocsin eventlog verify" in said.remedy


def test_who_does_not_persist_has_no_event_log(tmp_path: Path) -> None:
    worker = settings(tmp_path, broker="kafka://a", run={"groups": ["core"]})
    assert not of(list(data_findings(worker)), "event log")


@pytest.mark.parametrize(
    ("free", "outcome"),
    [(FREE_FAIL_BYTES - 1, "FAIL"), (FREE_FAIL_BYTES, "warn"), (FREE_WARN_BYTES - 1, "warn"), (FREE_WARN_BYTES, "ok")],
)
def test_room(free: int, outcome: str) -> None:
    assert space("directory x", free).outcome == outcome
