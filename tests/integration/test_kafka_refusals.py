"""`tocsin run` on a cluster that it must not or cannot use: it ends at once, with exit 1 and a remedy."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.kafka_user import change, settings_file, tocsin
from integration.running import TOCSIN
from kafka.cluster import Cluster
from kafka.security import USER
from tocsin.topics import INCIDENTS, TOPICS

pytestmark = pytest.mark.integration

ENDS_WITHIN = 50
"""Seconds, for a machine that does ten other things; alone it takes two."""


def refused(directory: Path, file: Path, **environ: str) -> str:
    """What `tocsin run` says before it ends with 1."""
    done = subprocess.run(
        [str(TOCSIN), "run", "-c", str(file)],
        env={"TOCSIN_HTTP__LISTEN": "127.0.0.1:0", "HOME": str(directory), **environ},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_without_topics(tmp_path: Path, kafka: str, prefix: str) -> None:
    said = refused(tmp_path, settings_file(tmp_path, kafka, prefix))
    for name in TOPICS:
        assert f"topic {prefix}{name} does not exist; run `tocsin topics apply`" in said


def test_with_another_number_of_partitions(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    said = refused(tmp_path, file, TOCSIN_PARTITIONS="2")
    assert f"topic {prefix}{INCIDENTS.name} has 1 partitions, the settings say 2" in said
    assert "set partitions: 1" in said


def test_with_a_journal_that_is_compacted(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    change(kafka, prefix + INCIDENTS.name, {"cleanup.policy": "compact"})
    said = refused(tmp_path, file)
    assert (
        f"topic {prefix}{INCIDENTS.name} has cleanup.policy=compact instead of delete; run `tocsin topics apply`"
        in said
    )


@pytest.mark.parametrize(
    ("listener", "security", "words"),
    [
        (
            "SASL",
            {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "username": USER, "password": "hunter2"},
            "the login was refused; check username, password",
        ),
        ("SSL", {"protocol": "SSL"}, "the broker's certificate was not accepted"),
    ],
)
def test_with_a_login_or_certificate_that_is_wrong(
    tmp_path: Path, secure_kafka: Cluster, listener: str, security: dict[str, Any], words: str
) -> None:
    said = refused(tmp_path, settings_file(tmp_path, secure_kafka.listener(listener), "x.", security=security))
    assert f"server {secure_kafka.listener(listener)}: {words}" in said
    assert "hunter2" not in said


def test_with_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    file = settings_file(tmp_path, "127.0.0.1:1", "x.", security={"protocol": "SSL", "ca_file": "/nowhere/ca.pem"})
    assert "kafka.security.ca_file: /nowhere/ca.pem cannot be read: No such file" in refused(tmp_path, file)
    checked = tocsin(file, "config", "check")
    assert checked.exit_code == 1
    assert "kafka.security.ca_file: /nowhere/ca.pem cannot be read" in checked.stderr
