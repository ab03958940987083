"""The links of an installation, from its settings.

In: settings, a clock. Out: `SignedLinks`. Invariant: on the embedded log there is always a secret: without one in the
settings it is made once, in a file in the data directory that only its user reads. Processes on Kafka have no such file
in common, so there it has to be in the settings.
"""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.notify.links import SignedLinks
from tocsin.settings import Settings
from tocsin.settings.values import LINK_SECRET_MIN

FILE: Final = "link_secret"
SECRET_BYTES: Final = 32
"""As long as the hash that it keys."""


def links_of(settings: Settings, now: Callable[[], Instant], *, keep: bool = True) -> SignedLinks:
    """The links of this installation.

    Args:
        keep: whether a secret that is missing is made and kept; else only one that is there is used.

    Raises:
        OSError: the file of the secret cannot be read or made.
    """
    given = [secret.reveal().encode() for secret in settings.http.link_secret]
    if not given and not settings.servers and settings.http.external_url:
        given = kept_secret(settings.data_dir / FILE, make=keep)
    return SignedLinks(
        settings.http.external_url,
        given,
        now,
        form_secret=secrets.token_bytes(SECRET_BYTES),
        acknowledge_lasts=settings.http.link_expiry,
        signs_views=bool(settings.http.tokens),
    )


def kept_secret(file: Path, *, make: bool = True) -> list[bytes]:
    """The secret in `file`, which is made when it is not there, whole or not at all."""
    try:
        found = file.read_bytes().strip()
    except FileNotFoundError:
        found = b""
    if len(found) >= LINK_SECRET_MIN:
        return [found]
    if not make:
        return []
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = secrets.token_hex(SECRET_BYTES).encode()
    descriptor, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(made + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, file)
    except OSError:
        Path(scratch).unlink(missing_ok=True)
        raise
    return [made]
