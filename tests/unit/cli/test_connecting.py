"""From the settings to a connection: TLS that verifies, keys that open, secrets that stay inside."""

import ssl
import subprocess
from pathlib import Path

import pytest

from tocsin.cli.connecting import BadSecurity, connection_of
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.token import ClientCredentials, TokenFile
from tocsin.settings import Settings


def connection(**security: object) -> Connection:
    tree = {"broker": "kafka://kafka.example.org", "kafka": {"prefix": "p.", "security": security}}
    return connection_of(Settings.model_validate(tree))


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with an encrypted and a plain key, and the key of another."""
    directory = tmp_path_factory.mktemp("tls")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=a", "-days", "2")
    for name in ("own", "other"):
        openssl(*new, "-nodes", "-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.pem"))
    openssl(
        "pkey",
        "-in",
        str(directory / "own.key"),
        "-aes128",
        "-passout",
        "pass:right",
        "-out",
        str(directory / "locked.key"),
    )
    return directory


def test_without_security_there_is_none() -> None:
    found = connection()
    assert found.servers == ("kafka.example.org:9092",)
    assert (found.protocol, found.ssl_context, found.prefix) == ("PLAINTEXT", None, "p.")


def test_certificates_and_host_names_are_always_checked(files: Path) -> None:
    for security in ({}, {"ca_file": files / "own.pem"}):
        context = connection(protocol="SSL", **security).ssl_context
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.cert_store_stats()["x509_ca"] > 0


def test_a_login_arrives_and_is_not_shown() -> None:
    found = connection(protocol="SASL_SSL", mechanism="SCRAM-SHA-512", username="u", password="hunter2")
    assert (found.mechanism, found.username, found.password) == ("SCRAM-SHA-512", "u", "hunter2")
    assert "hunter2" not in repr(found)


def test_tokens_come_from_the_endpoint_or_the_file() -> None:
    oauth = {"token_url": "https://id.example.org/token", "client_id": "a", "client_secret": "b"}
    kinds = ((oauth, ClientCredentials), ({"token_file": Path("/token")}, TokenFile))
    for given, kind in kinds:
        found = connection(protocol="SASL_SSL", mechanism="OAUTHBEARER", oauth=given)
        assert found.token_provider is not None
        provider = found.token_provider()
        assert isinstance(provider, kind)
        assert found.token_provider() is provider, "clients share a token"


def test_a_key_opens_with_its_password(files: Path) -> None:
    own = {"protocol": "SSL", "cert_file": files / "own.pem"}
    assert connection(**own, key_file=files / "own.key").ssl_context is not None
    assert connection(**own, key_file=files / "locked.key", key_password="right").ssl_context is not None


@pytest.mark.parametrize(
    ("security", "said"),
    [
        ({"ca_file": "missing.pem"}, "kafka.security.ca_file: {}/missing.pem cannot be read: No such file"),
        ({"ca_file": "own.key"}, "kafka.security.ca_file: {}/own.key holds no certificates (PEM)"),
        ({"cert_file": "own.key", "key_file": "own.key"}, "kafka.security.cert_file: {}/own.key holds no certificate"),
        ({"cert_file": "own.pem"}, "kafka.security.key_file: {}/own.pem holds no key (PEM)"),
        ({"cert_file": "own.pem", "key_file": "none"}, "kafka.security.key_file: {}/none cannot be read"),
        ({"cert_file": "own.pem", "key_file": "other.key"}, "kafka.security.key_file: {}/other.key is not the key of"),
        ({"cert_file": "own.pem", "key_file": "locked.key"}, "kafka.security.key_file: {}/locked.key does not open"),
        (
            {"cert_file": "own.pem", "key_file": "locked.key", "key_password": "wrong"},
            "kafka.security.key_file: {}/locked.key does not open with kafka.security.key_password",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(files: Path, security: dict[str, str], said: str) -> None:
    paths = {name: files / value if name.endswith("_file") else value for name, value in security.items()}
    with pytest.raises(BadSecurity) as caught:
        connection(protocol="SSL", **paths)
    assert str(caught.value).startswith(said.format(files))
    assert "wrong" not in str(caught.value)


def test_the_embedded_log_has_no_connection() -> None:
    with pytest.raises(ValueError, match="no Kafka"):
        connection_of(Settings())
