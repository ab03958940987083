"""Webhooks: a JSON POST, signed after Standard Webhooks (https://www.standardwebhooks.com) when there is a secret.

In: an effect. Out: what the receiver made of it. 2xx is delivered; 408, 425, 429, 5xx and every fault of the network
is worth another attempt; all other answers, redirects among them, are refused.
Invariants: one delivery has one `webhook-id` and `Idempotency-Key` over all attempts; a send ends within its time-out;
the address and the secret appear in no detail. Proxies and certificates come from the environment, as with any HTTP
client.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from tocsin import __version__
from tocsin.notify.channel import Sent
from tocsin.notify.channels.session import Session
from tocsin.notify.message import one_line
from tocsin.stage import Effect

ANSWER_BYTES_MAX: Final = 4096
"""As much of an answer as can matter to a reader of the ledger."""
DETAIL_MAX: Final = 300
RETRY: Final = frozenset({408, 425, 429})
"""4xx that say later, not never."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the mark of a secret, not one


class Webhook:
    """One receiver.

    Raises:
        ValueError: the address or the secret cannot be used; the message repeats neither.
    """

    kind = "webhook"

    def __init__(
        self, name: str, url: str, *, secret: str = "", timeout_seconds: float = 10.0, in_flight_max: int = 8
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._url = checked_url(url)
        self._key = key_of(secret) if secret else None
        self._hidden = hidden_parts(url, secret)
        self._session = Session(self._url, connections=in_flight_max, user_agent=f"tocsin/{__version__}")

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """POST the message once."""
        if self._session.closed:
            return Sent("failed", "the channel is closed")
        body = orjson.dumps(body_of(effect, possible_duplicate=possible_duplicate), default=str)
        sent: Sent | None = None
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._session.post(body, self._headers(effect, body)) as response,
            ):
                sent = judged(response.status, response.headers)
                answer = await _beginning(response)
                sent = Sent(sent.outcome, self._detail(sent.detail, answer), sent.retry_after_seconds)
        except TimeoutError:
            return sent or Sent("failed", f"no answer within {self.timeout_seconds:g} s")
        except aiohttp.InvalidURL as error:
            return sent or Sent("refused", self._detail(type(error).__name__, str(error)))
        except (aiohttp.ClientError, OSError) as error:  # before ValueError: a certificate's error is one, too
            return sent or Sent("failed", self._detail(type(error).__name__, str(error)))
        except ValueError as error:
            return sent or Sent("refused", self._detail(type(error).__name__, str(error)))
        return sent

    async def close(self) -> None:
        await self._session.close()

    def _headers(self, effect: Effect, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": effect.delivery_id,
            "webhook-timestamp": stamp,
            "idempotency-key": effect.delivery_id,
        }
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, effect.delivery_id, stamp, body)
        return headers

    def _detail(self, first: str, rest: str) -> str:
        text = f"{first}: {rest}" if rest else first
        for part in self._hidden:
            text = text.replace(part, "(hidden)")
        return one_line(text, DETAIL_MAX)


def body_of(effect: Effect, *, possible_duplicate: bool) -> dict[str, Any]:
    """The JSON document: envelope, then the context as it was planned."""
    context = dict(effect.context)
    return {
        "type": context.pop("type", ""),
        "timestamp": context.pop("recorded_at", ""),
        "delivery_id": effect.delivery_id,
        "attempt": effect.attempt,
        "possible_duplicate": possible_duplicate,
        "page": effect.page,
        "recipient": effect.recipient,
        "incident": context.pop("incident", {}),
        "escalation": context.pop("escalation", None),
        **context,
    }


def signature(key: bytes, identifier: str, stamp: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((identifier.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 behind `whsec_`, else its own bytes.

    Raises:
        ValueError: behind `whsec_` there is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("secret: behind whsec_ there must be base64")
    return key


def checked_url(url: str) -> str:
    """`url`, if it can be posted to.

    Raises:
        ValueError: it cannot; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        URL(url)
    except ValueError:
        good = False
    if not good or any(ord(letter) <= 32 for letter in url):
        raise ValueError("url: not an address; write http://host/path or https://host/path")
    return url


def hidden_parts(url: str, secret: str) -> tuple[str, ...]:
    """What must not be shown, the longest first: receivers echo, and errors quote."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    found = {url, secret, secret.removeprefix(SECRET_PREFIX), target, parts.query, parts.password or ""}
    found |= {piece for piece in parts.path.split("/") if len(piece) >= 16}
    return tuple(sorted((part for part in found if len(part) > 1), key=len, reverse=True))


def judged(status: int, headers: Mapping[str, str]) -> Sent:
    """What an answer means."""
    if 200 <= status < 300:
        return Sent("delivered", f"HTTP {status}")
    if status in RETRY or status >= 500:
        return Sent("failed", f"HTTP {status}", retry_after(headers))
    return Sent("refused", f"HTTP {status}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the receiver asks for (RFC 9110 §10.2.3: seconds, or a date, read against its own clock if told)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    until = _date(value)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first bytes of an answer, as it came over the wire."""
    read = bytearray()
    while len(read) < ANSWER_BYTES_MAX and (piece := await response.content.read(ANSWER_BYTES_MAX - len(read))):
        read += piece
    return read.decode("utf-8", "replace")
