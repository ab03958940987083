"""Tokens for OAUTHBEARER: fetched with the client credentials grant (RFC 6749 §4.4), or read from a file.

In: where tokens come from. Out: what aiokafka asks for a token at each new connection. A fetched token is kept until
shortly before it expires and shared by all clients of the process; they live in several threads with loops of their
own, so the fetch is a blocking call in a worker thread, one at a time. Neither token nor secret appears in an error.
It does not renew the login of an open connection: a broker that ends those at expiry gets a new one with a new token.
"""

import asyncio
import re
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from tocsin.runtime.kafka.errors import Meaning

__all__ = ["ClientCredentials", "TokenFile", "TokenMissing"]

FETCH_SECONDS: Final = 5.0
"""For each phase of a fetch; a connection to a broker waits for it, and has 10 s in all."""
ANSWER_BYTES_MAX: Final = 64 * 1024
"""An answer with a token, groups and all, is a few KB."""
LEFT_SECONDS: Final = 30.0
"""A token that ends sooner is not used for a new connection."""
UNKNOWN_LIFE_SECONDS: Final = 60.0
"""Kept when the answer does not say how long the token lives."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""RFC 6750 §2.1; Kafka's own servers take nothing else."""


class TokenMissing(KafkaError):  # type: ignore[misc]
    """No token can be had now; every new connection tries again. aiokafka takes it as a connection that failed."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__(str(meaning))
        self.meaning = meaning

    def __str__(self) -> str:
        return str(self.meaning)


class _Answer(msgspec.Struct):
    access_token: str = ""
    expires_in: float | None = None
    error: str = ""


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens from an identity provider."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: str,
        scope: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._tls, self._monotonic = url, tls, monotonic
        self._auth = httpx.BasicAuth(client_id, secret)
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    async def token(self) -> str:
        """A token that is good for at least `LEFT_SECONDS`, as far as known.

        Raises:
            TokenMissing: naming the endpoint and what is wrong.
        """
        return await asyncio.to_thread(self._current)

    def _current(self) -> str:
        with self._lock:
            left = self._ends_at - self._monotonic()
            if left >= LEFT_SECONDS:
                return self._token
            try:
                answer = self._fetch()
            except TokenMissing:
                if left > 0:  # better than none; the next connection asks again
                    return self._token
                raise
            life = UNKNOWN_LIFE_SECONDS if answer.expires_in is None else max(answer.expires_in, 0.0)
            self._token, self._ends_at = answer.access_token, self._monotonic() + life
            return self._token

    def _fetch(self) -> _Answer:
        try:
            with (
                httpx.Client(verify=self._tls or True, timeout=FETCH_SECONDS, auth=self._auth) as client,
                client.stream("POST", self._url, data=self._form, headers={"accept": "application/json"}) as response,
            ):
                content = b""
                for chunk in response.iter_bytes(ANSWER_BYTES_MAX):
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        raise self._missing(f"answered with more than {ANSWER_BYTES_MAX} bytes", "correct it")
                status = response.status_code
        except httpx.HTTPError as error:
            what = "no answer in time" if isinstance(error, httpx.TimeoutException) else f"no connection ({error})"
            raise self._missing(what, "check that it can be reached") from None
        return self._read(status, content)

    def _read(self, status: int, content: bytes) -> _Answer:
        try:
            answer = msgspec.json.decode(content, type=_Answer)
        except msgspec.DecodeError:
            answer = _Answer()
        if status != 200:
            word = f", {answer.error!r}" if re.fullmatch(r"[a-z_]{1,40}", answer.error) else ""
            what = f"refused with status {status}{word}"
            raise self._missing(what, "check client_id, client_secret and scope below it")
        if not _TOKEN.fullmatch(answer.access_token):
            raise self._missing("answered without an access_token", "check the path of the URL")
        return answer

    def _missing(self, what: str, remedy: str) -> TokenMissing:
        place = self._url.split("?", 1)[0]
        return TokenMissing(Meaning(f"no token: {what}", place, f"kafka.security.oauth.token_url: {remedy}"))


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """The token that something else keeps fresh in a file, such as a service account's in Kubernetes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """What the file holds now.

        Raises:
            TokenMissing: naming the file and what is wrong.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        try:
            with self._path.open("rb") as file:
                text = file.read(ANSWER_BYTES_MAX + 1).decode("ascii", "replace").strip()
        except OSError as error:
            raise self._missing(f"cannot be read: {error.strerror}") from None
        if len(text) > ANSWER_BYTES_MAX or not _TOKEN.fullmatch(text):
            raise self._missing("holds no token")
        return text

    def _missing(self, what: str) -> TokenMissing:
        remedy = "correct kafka.security.oauth.token_file, or what writes it"
        return TokenMissing(Meaning(f"the file {what}", str(self._path), remedy))
