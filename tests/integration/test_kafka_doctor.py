"""`tocsin doctor` on a real cluster: what is well, and for each thing that is not the remedy."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.kafka_user import (
    GROUP,
    TOPIC,
    allow_again,
    delete,
    deny,
    findings,
    settings_file,
    tocsin,
)
from integration.running import TOCSIN
from kafka.cluster import Cluster, free_ports
from kafka.security import PASSWORD, USER, UnsignedToken
from tocsin.runtime.kafka.requests import DESCRIBE, READ, WRITE
from tocsin.topics import INCIDENTS, RAW

pytestmark = pytest.mark.integration

PREFIX = "doctor."
"""On the secure cluster: it is of this session alone."""


@pytest.fixture(scope="session")
def secured(secure_kafka: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The secure cluster with all topics below PREFIX."""
    file = settings_file(tmp_path_factory.mktemp("secured"), secure_kafka.servers, PREFIX)
    assert tocsin(file, "topics", "apply").exit_code == 0
    return secure_kafka


def failures(file: Path, **environ: str) -> dict[str, dict[str, Any]]:
    done = tocsin(file, "doctor", "-o", "json", **environ)
    found = {check: one for check, one in findings(done).items() if one["outcome"] == "FAIL"}
    assert done.exit_code == (1 if found else 0), done.output
    assert all(one["remedy"] for one in found.values())
    return found


def sasl(directory: Path, cluster: Cluster, mechanism: str = "PLAIN", **security: Any) -> Path:
    login = {"username": USER, "password": PASSWORD} if mechanism != "OAUTHBEARER" else {}
    given = {"protocol": "SASL_PLAINTEXT", "mechanism": mechanism, **login, **security}
    return settings_file(directory, cluster.listener("SASL"), PREFIX, security=given)


def test_a_healthy_cluster(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    assert tocsin(file, "topics", "apply").exit_code == 0
    done = tocsin(file, "doctor", "-o", "json")
    assert done.exit_code == 0, done.output
    found = findings(done)
    assert {one["outcome"] for one in found.values()} == {"ok"}, done.output
    groups = {f"group {prefix}tocsin.{group}" for group in ("ingest", "core", "persist")}
    assert set(found) >= {f"server {kafka}", "version", "clock", "session", "topics", "rights", "codecs", *groups}
    assert "Kafka 4" in found["version"]["found"]
    assert "tocsin can run here" in done.stderr


def test_a_missing_topic(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    delete(kafka, prefix + INCIDENTS.name)
    ((check, one),) = failures(file).items()
    assert check == f"topic {prefix}{INCIDENTS.name}"
    assert (one["found"], one["remedy"]) == ("does not exist", "run `tocsin topics apply`")


def test_a_foreign_topic_that_is_not_there(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    ((check, one),) = failures(file, TOCSIN_INGEST__TOPICS=f"[{prefix}legacy]").items()
    assert check == f"topic {prefix}legacy"
    assert "ingest.topics" in one["remedy"]


def test_servers_that_cannot_be_reached(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = settings_file(tmp_path, f"127.0.0.1:{port},nohost.invalid:9092", "x.")
    found = failures(file)
    assert found[f"server 127.0.0.1:{port}"]["found"] == "port: nothing listens there"
    assert found["server nohost.invalid:9092"]["found"].startswith("name: the host name is not known")
    assert len(found) == 2, "nothing is asked that could only fail for the same reason"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_login_and_a_wrong_password(tmp_path: Path, secured: Cluster, mechanism: str) -> None:
    assert failures(sasl(tmp_path, secured, mechanism)) == {}
    done = tocsin(sasl(tmp_path, secured, mechanism, password="hunter2-wrong"), "doctor", "-o", "json")
    one = findings(done)[f"server {secured.listener('SASL')}"]
    assert (one["outcome"], one["found"]) == ("FAIL", "login: the login was refused")
    assert "kafka.security" in one["remedy"]
    assert "hunter2" not in done.output
    assert done.exit_code == 1


async def _token(valid_seconds: int) -> str:
    return await UnsignedToken(valid_seconds=valid_seconds).token()


async def test_a_token_makes_way_for_the_one_in_its_file(tmp_path: Path, secured: Cluster) -> None:
    file = tmp_path / "token"
    settings = sasl(tmp_path, secured, "OAUTHBEARER", oauth={"token_file": str(file)})
    file.write_text(await _token(3600))
    assert await asyncio.to_thread(failures, settings) == {}
    file.write_text(await _token(-3600))
    (one,) = (await asyncio.to_thread(failures, settings)).values()
    assert one["found"].startswith("login: ")
    file.unlink()
    (one,) = (await asyncio.to_thread(failures, settings)).values()
    assert "cannot be read" in one["found"]
    assert "token_file" in one["remedy"]


def tls(directory: Path, cluster: Cluster, listener: str, **security: Any) -> Path:
    return settings_file(directory, cluster.listener(listener), PREFIX, security={"protocol": "SSL", **security})


def test_tls_with_the_right_and_the_wrong_authority(tmp_path: Path, secured: Cluster) -> None:
    certificates = secured.certificates
    assert certificates is not None
    assert failures(tls(tmp_path, secured, "SSL", ca_file=str(certificates.authority))) == {}
    (one,) = failures(tls(tmp_path, secured, "SSL", ca_file=str(certificates.stranger))).values()
    assert one["found"].startswith("tls: the broker's certificate was not accepted")
    assert "kafka.security.ca_file" in one["remedy"]
    (one,) = failures(tls(tmp_path, secured, "SSL")).values()
    assert one["found"].startswith("tls: "), "the public authorities have not signed it"


def test_a_host_name_that_is_not_in_the_certificate(tmp_path: Path, secured: Cluster) -> None:
    certificates = secured.certificates
    assert certificates is not None
    server = secured.listener("SSL").replace("127.0.0.1", "localhost")
    file = settings_file(tmp_path, server, PREFIX, security={"protocol": "SSL", "ca_file": str(certificates.authority)})
    (one,) = failures(file).values()
    assert "tls: the broker's certificate was not accepted" in one["found"]
    assert "name that stands in the certificate" in one["remedy"]


def test_a_broker_that_asks_for_a_certificate(tmp_path: Path, secured: Cluster) -> None:
    certificates = secured.certificates
    assert certificates is not None
    own = {"cert_file": str(certificates.client), "key_file": str(certificates.client_key)}
    authority = str(certificates.authority)
    assert failures(tls(tmp_path, secured, "MTLS", ca_file=authority, **own)) == {}
    (one,) = failures(tls(tmp_path, secured, "MTLS", ca_file=authority)).values()
    assert "cert_file" in one["remedy"]


def test_the_wrong_protocol_for_the_port(tmp_path: Path, secured: Cluster) -> None:
    plain_to_tls = settings_file(tmp_path, secured.listener("SSL"), PREFIX)
    (one,) = failures(plain_to_tls).values()
    assert "kafka.security.protocol" in one["remedy"]
    certificates = secured.certificates
    assert certificates is not None
    tls_to_plain = tls(tmp_path, secured, "PLAINTEXT", ca_file=str(certificates.authority))
    (one,) = failures(tls_to_plain).values()
    assert "kafka.security.protocol" in one["remedy"]


@pytest.fixture
def denied(secured: Cluster, request: pytest.FixtureRequest) -> Iterator[tuple[int, str, int]]:
    """One right that USER does not have for the time of a test."""
    kind, name, operation = request.param
    deny(secured.servers, kind, name, operation)
    yield kind, name, operation
    allow_again(secured.servers, kind, name, operation)


@pytest.mark.parametrize(
    ("denied", "check", "remedy"),
    [
        ((TOPIC, PREFIX + INCIDENTS.name, WRITE), f"topic {PREFIX}{INCIDENTS.name}", "grant Write on topic"),
        ((TOPIC, PREFIX + RAW.name, READ), f"topic {PREFIX}{RAW.name}", "grant Read on topic"),
        ((TOPIC, PREFIX + RAW.name, DESCRIBE), f"topic {PREFIX}{RAW.name}", "grant Describe"),
        ((GROUP, f"{PREFIX}tocsin.core", READ), f"group {PREFIX}tocsin.core", "grant Read on group"),
        ((GROUP, f"{PREFIX}tocsin.core", DESCRIBE), f"group {PREFIX}tocsin.core", "grant Describe"),
    ],
    indirect=["denied"],
)
def test_a_right_that_was_taken(tmp_path: Path, secured: Cluster, denied: Any, check: str, remedy: str) -> None:
    found = failures(sasl(tmp_path, secured))
    assert check in found, found
    assert found[check]["remedy"].startswith(remedy)


def test_a_codec_whose_library_is_missing(tmp_path: Path, kafka: str, prefix: str) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "cramjam.py").write_text("raise ImportError('no cramjam here')\n")
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    done = subprocess.run(
        [str(TOCSIN), "doctor", "-c", str(file), "-o", "json"],
        env={**os.environ, "PYTHONPATH": str(shadow)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (one,) = (one for one in json.loads(done.stdout) if one["outcome"] == "FAIL")
    assert one["check"] == "codecs"
    assert "snappy, lz4, zstd" in one["found"]
    assert "aiokafka[lz4,snappy,zstd]" in one["remedy"]


def test_a_broker_that_answers_nothing_holds_nobody_up(tmp_path: Path, secured: Cluster) -> None:
    file = settings_file(tmp_path, secured.servers, PREFIX)
    secured.nodes[0].pause()
    try:
        (one,) = failures(file).values()
    finally:
        secured.nodes[0].resume()
    assert "does not answer" in one["found"]
    secured.settled()
