"""How the settings become a connection to Kafka: certificates loaded, login ready, nothing connected yet.

In: settings with `broker: kafka://…`. Out: `Connection`. Certificates and keys are read here, so that what is wrong
with them is said before anything starts.
"""

import ssl
from pathlib import Path

from tocsin.domain.errors import TocsinError
from tocsin.notify.channels.session import certificates
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.token import ClientCredentials, TokenFile
from tocsin.settings import Settings
from tocsin.settings.kafka import OauthPart, SecurityPart

__all__ = ["BadSecurity", "connection_of"]

TLS_MIN = ssl.TLSVersion.TLSv1_2
"""What Kafka's own clients refuse to go below, too."""


class BadSecurity(TocsinError):
    """A file below `kafka.security` cannot be used. The message names the setting, the file and what is wrong."""


def connection_of(settings: Settings) -> Connection:
    """How every client of this process reaches the cluster.

    Raises:
        BadSecurity: a certificate, key or key password cannot be used.
        ValueError: the settings name no Kafka.
    """
    if not settings.servers:
        raise ValueError(f"broker is {settings.broker}, which is no Kafka")
    security = settings.kafka.security
    provider = _provider(security.oauth) if security.mechanism == "OAUTHBEARER" and security.oauth else None
    return Connection(
        servers=settings.servers,
        prefix=settings.kafka.prefix,
        protocol=security.protocol,
        ssl_context=_tls(security) if security.protocol.endswith("SSL") else None,
        mechanism=security.mechanism,
        username=security.username or None,
        password=security.password.reveal() if security.password else None,
        token_provider=(lambda: provider) if provider else None,
        client_name=settings.instance,
    )


def _tls(security: SecurityPart) -> ssl.SSLContext:
    """Certificates are verified and host names checked, always: there is no setting to do without."""
    context = _roots("ca_file", security.ca_file)
    context.minimum_version = TLS_MIN
    if security.cert_file is not None:
        _own_certificate(context, security)
    return context


def _roots(setting: str, path: Path | None) -> ssl.SSLContext:
    if path is None:
        return certificates()
    _readable(setting, path)
    try:
        return ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError):
        raise _bad(setting, path, "holds no certificates (PEM)") from None


def _own_certificate(context: ssl.SSLContext, security: SecurityPart) -> None:
    certificate, key = security.cert_file, security.key_file
    assert certificate is not None
    _readable("cert_file", certificate)
    if key is not None:
        _readable("key_file", key)
    password = security.key_password.reveal() if security.key_password else ""
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:
        raise _bad("cert_file", certificate, "holds no certificate (PEM)") from None
    try:
        # Always a password: without one OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        raise _bad("key_file", key or certificate, _why(error, key or certificate, certificate)) from None


def _why(error: ssl.SSLError, key: Path, certificate: Path) -> str:
    """OpenSSL tells a key of another certificate; everything else it calls "PEM lib"."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"is not the key of cert_file {certificate}"
    content = key.read_bytes()
    if b"ENCRYPTED" in content:
        return "does not open with kafka.security.key_password"
    return "holds no key (PEM)" if b"PRIVATE KEY" not in content else "holds a key that cannot be used"


def _readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise _bad(setting, path, f"cannot be read: {error.strerror}") from None


def _bad(setting: str, path: Path, what: str) -> BadSecurity:
    return BadSecurity(f"kafka.security.{setting}: {path} {what}")


def _provider(oauth: OauthPart) -> ClientCredentials | TokenFile:
    if oauth.token_file is not None:
        return TokenFile(oauth.token_file)
    assert oauth.token_url is not None
    return ClientCredentials(
        oauth.token_url,
        oauth.client_id,
        oauth.client_secret.reveal() if oauth.client_secret else "",
        oauth.scope,
        tls=_roots("oauth.ca_file", oauth.ca_file),
    )
