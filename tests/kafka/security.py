"""The secure listeners of a test cluster: who may come in, how, and with which files.

SASL: PLAIN, SCRAM-SHA-512 and OAUTHBEARER (tokens nobody has signed) without encryption. SSL: the server has a
certificate of our authority. MTLS: the client needs one, too. ACLs hold for USER and for the holders of client
certificates; whoever comes without a login (the plain listener, SSL) may do everything.
"""

import base64
import json
import ssl
import subprocess
import time
from pathlib import Path

from aiokafka.abc import AbstractTokenProvider

USER, PASSWORD = "tocsin", "canary-of-the-broker-password"
CLIENT = "CN=tocsin-client"
"""The name in the client certificate; its principal is `User:` + this."""

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """An authority, a server's and a client's certificate signed by it, and another authority that signed nothing."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.authority = directory / "authority.pem"
        self.stranger = directory / "stranger.pem"
        self.client, self.client_key = directory / "client.pem", directory / "client.key"
        self.server = directory / "server.pem"
        """Key and certificate in one file, as Kafka takes them."""
        for name in ("authority", "stranger"):
            self._openssl(
                "req", "-x509", *_EC, "-days", "2", "-subj", f"/CN={name}",
                "-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.pem"),
            )  # fmt: skip
        for name, subject in (("server", "/CN=127.0.0.1"), ("client", f"/{CLIENT}")):
            self._sign(directory, name, subject)
        key = (directory / "server.key").read_text()
        self.server.write_text(key + self.server.read_text())

    def _sign(self, directory: Path, name: str, subject: str) -> None:
        request, names = directory / f"{name}.csr", directory / f"{name}.names"
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl(
            "req", *_EC, "-subj", subject, "-keyout", str(directory / f"{name}.key"), "-out", str(request)
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.authority), "-CAkey", str(directory / "authority.key"),
            "-CAcreateserial", "-days", "2", "-extfile", str(names), "-out", str(directory / f"{name}.pem"),
        )  # fmt: skip

    @staticmethod
    def _openssl(*words: str) -> None:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def context(self, *, client: bool = False, stranger: bool = False) -> ssl.SSLContext:
        """What a client needs; `client` shows the client's certificate, `stranger` trusts the wrong authority."""
        context = ssl.create_default_context(cafile=str(self.stranger if stranger else self.authority))
        if client:
            context.load_cert_chain(self.client, self.client_key)
        return context


class UnsignedToken(AbstractTokenProvider):
    """A token that says who somebody is, without proof; Kafka's own validator for development takes it."""

    def __init__(self, user: str = USER, *, valid_seconds: int = 3600) -> None:
        self.user = user
        self.valid_seconds = valid_seconds

    async def token(self) -> str:
        now = int(time.time())
        claims = {"sub": self.user, "iat": now, "exp": now + self.valid_seconds}
        return ".".join((_part({"alg": "none"}), _part(claims), ""))


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def listener_properties(certificates: Certificates) -> dict[str, str]:
    """What turns the listeners SASL, SSL and MTLS on."""
    jaas = "org.apache.kafka.common.security"
    sasl = "listener.name.sasl"
    settings = {
        "listener.security.protocol.map": (
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL,MTLS:SSL"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
        f"{sasl}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
        f"{sasl}.plain.sasl.jaas.config": (f'{jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'),
        f"{sasl}.scram-sha-512.sasl.jaas.config": f"{jaas}.scram.ScramLoginModule required;",
        f"{sasl}.oauthbearer.sasl.jaas.config": (
            f'{jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        ),
        "listener.name.mtls.ssl.client.auth": "required",
    }
    for listener in ("ssl", "mtls"):
        settings |= {
            f"listener.name.{listener}.ssl.keystore.type": "PEM",
            f"listener.name.{listener}.ssl.keystore.location": str(certificates.server),
            f"listener.name.{listener}.ssl.truststore.type": "PEM",
            f"listener.name.{listener}.ssl.truststore.location": str(certificates.authority),
        }
    return settings
