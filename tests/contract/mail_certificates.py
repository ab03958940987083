"""Certificates for mail servers on loopback: a good one and the ways in which one can be bad. Made by openssl."""

import ssl
import subprocess
from pathlib import Path
from typing import Final

CERTIFICATES: Final = ("good", "expired", "other_host", "strange")
"""`strange` is signed by an authority that nobody here trusts."""

_EC: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class MailCertificates:
    """`authority` is the file that a client trusts; `pair(name)` has key and certificate of a server."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = directory / "authority.pem"
        for name in ("authority", "stranger"):
            self._openssl(
                "req", "-x509", *_EC, "-days", "2", "-subj", f"/CN={name}",
                "-keyout", self._path(f"{name}.key"), "-out", self._path(f"{name}.pem"),
            )  # fmt: skip
        for name in CERTIFICATES:
            self._sign(
                name,
                by="stranger" if name == "strange" else "authority",
                host="DNS:mail.elsewhere.example" if name == "other_host" else "IP:127.0.0.1,DNS:localhost",
                days="-1" if name == "expired" else "2",
            )

    def _sign(self, name: str, *, by: str, host: str, days: str) -> None:
        names = self.directory / f"{name}.names"
        names.write_text(f"subjectAltName={host}\n")
        key, request = self._path(f"{name}.key"), self._path(f"{name}.csr")
        self._openssl("req", *_EC, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self._path(f"{by}.pem"), "-CAkey", self._path(f"{by}.key"),
            "-CAcreateserial", "-days", days, "-extfile", str(names), "-out", self._path(f"{name}.crt"),
        )  # fmt: skip
        self.pair(name).write_text(Path(key).read_text() + Path(self._path(f"{name}.crt")).read_text())

    def pair(self, name: str) -> Path:
        return self.directory / f"{name}.pair.pem"

    def server(self, name: str = "good") -> ssl.SSLContext:
        """What a server with that certificate speaks."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pair(name))
        return context

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    @staticmethod
    def _openssl(*words: str) -> None:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
