"""Webhooks: a JSON POST, signed after Standard Webhooks (https://www.standardwebhooks.com) when there is a secret.

In: an effect; a signed call of the receiver. Out: what the receiver made of it; what it asks for. 2xx is delivered;
408, 425, 429, 5xx and every fault of the network is worth another attempt; all other answers, redirects among them, are
refused. Invariants: one delivery has one `webhook-id` and `Idempotency-Key` over all attempts; a send ends within its
time-out; addresses and secrets appear in no detail. The channel's own address may be any, and its proxy and
certificates come from the environment, as with any HTTP client; that of a recipient was set by somebody else: it is
guarded (`guard.py`).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from tocsin import __version__
from tocsin.domain.address import is_http
from tocsin.domain.instant import Instant
from tocsin.notify.channel import BuiltIn, Forged, Heard, Sent, Wording, Words
from tocsin.notify.channels.guard import Guard
from tocsin.notify.channels.session import Anywhere, Session
from tocsin.notify.channels.signing import SECRET_PREFIX, keys_of, signatures, verify
from tocsin.notify.channels.webhook_call import asked_of
from tocsin.notify.message import one_line
from tocsin.stage import Effect

ANSWER_BYTES_MAX: Final = 4096
"""As much of an answer as can matter to a reader of the ledger."""
DETAIL_MAX: Final = 300
RETRY: Final = frozenset({408, 425, 429})
"""4xx that say later, not never."""
CONTACT: Final = "webhook"
"""Kind of contact: where a recipient wants messages posted to."""


class Webhook:
    """One receiver, and those of recipients that have one of their own.

    Raises:
        ValueError: the address, a secret or a network cannot be used; the message repeats no address and no secret.
    """

    kind = "webhook"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        secret: str = "",
        secrets: Sequence[str] = (),
        inbound_secret: Sequence[str] = (),
        allow_networks: Sequence[str] = (),
        timeout_seconds: float = 10.0,
        in_flight_max: int = 8,
        wording: Wording | None = None,
    ) -> None:
        """`secret` signs first, then `secrets`; `inbound_secret` are the keys of calls from the receiver, others than
        those, so that nobody can send back to us what we have signed."""
        self.name = name
        self._wording = wording or BuiltIn()
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._url = checked_url(url)
        self._keys = keys_of((secret, *secrets))
        self._inbound = keys_of(inbound_secret, "inbound_secret")
        if set(self._keys) & set(self._inbound):
            raise ValueError("inbound_secret: another key than those that sign what goes out")
        self._hidden = hidden_parts(url, secret, *secrets)
        agent = f"tocsin/{__version__}"
        self._session = Session(self._url, connections=in_flight_max, user_agent=agent)
        self._own = Anywhere(connections=in_flight_max, user_agent=agent, guard=Guard(allow_networks))

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """POST the message once: to the recipient's own address, else to the channel's."""
        if self._session.closed:
            return Sent("failed", "the channel is closed")
        words = self._wording.words(self.name, self.kind, effect.context)
        body = document_of(effect, possible_duplicate=possible_duplicate, words=words)
        headers = self._headers(effect, body)
        own = next(iter(effect.contacts.get(CONTACT, ())), "")
        hidden = (*hidden_parts(own), *self._hidden) if own else self._hidden
        sent: Sent | None = None
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._own.post(own, body, headers) if own else self._session.post(body, headers) as response,
            ):
                sent = judged(response.status, response.headers)
                answer = await _beginning(response)
                sent = Sent(sent.outcome, _detail(hidden, sent.detail, answer), sent.retry_after_seconds)
        except TimeoutError:
            return sent or Sent("failed", f"no answer within {self.timeout_seconds:g} s")
        except aiohttp.InvalidURL as error:
            return sent or Sent("refused", _detail(hidden, type(error).__name__, str(error)))
        except (aiohttp.ClientError, OSError) as error:  # before ValueError: a certificate's error is one, too
            return sent or Sent("failed", _detail(hidden, type(error).__name__, str(error)))
        except ValueError as error:
            return sent or Sent("refused", _detail(hidden, type(error).__name__, str(error)))
        return sent

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """A signed `{verb, incident, reason?, arguments?, sender?, sender_name?}`: see `webhook_call.asked_of`."""
        if not self._inbound:
            raise Forged("this channel takes no calls: it has no inbound_secret")
        return Heard(body=b"{}", asked=(asked_of(verify(self._inbound, headers, body, now), body),))

    def shown(self, effect: Effect) -> str:
        """See `Shows`."""
        words = self._wording.words(self.name, self.kind, effect.context)
        document = document_of(effect, possible_duplicate=False, words=words)
        return orjson.dumps(orjson.loads(document), option=orjson.OPT_INDENT_2).decode()

    async def close(self) -> None:
        await self._session.close()
        await self._own.close()

    def _headers(self, effect: Effect, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": effect.delivery_id,
            "webhook-timestamp": stamp,
            "idempotency-key": effect.delivery_id,
        }
        if self._keys:
            headers["webhook-signature"] = signatures(self._keys, effect.delivery_id, stamp, body)
        return headers


def _detail(hidden: Sequence[str], first: str, rest: str) -> str:
    text = f"{first}: {rest}" if rest else first
    for part in hidden:
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


def document_of(effect: Effect, *, possible_duplicate: bool, words: Words | None = None) -> bytes:
    """What is posted: the text of a template that is JSON as it is; other words go into the document of every message,
    as `subject` and `text`."""
    if words is not None and words.body.startswith(("{", "[")):
        try:
            orjson.loads(words.body)
        except orjson.JSONDecodeError:
            pass
        else:
            return words.body.encode()
    said = {"subject": words.subject, "text": words.body} if words is not None else {}
    document = body_of(effect, possible_duplicate=possible_duplicate)
    return orjson.dumps({**document, **{name: text for name, text in said.items() if text}}, default=str)


def checked_url(url: str) -> str:
    """`url`, if it can be posted to.

    Raises:
        ValueError: it cannot; the message does not repeat it.
    """
    try:
        URL(url)  # what will be asked for
        good = is_http(url)
    except ValueError:
        good = False
    if not good:
        raise ValueError("url: not an address; write http://host/path or https://host/path")
    return url


def hidden_parts(url: str, *secrets: str) -> tuple[str, ...]:
    """What must not be shown, the longest first: receivers echo, and errors quote."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    found = {url, *secrets, *(secret.removeprefix(SECRET_PREFIX) for secret in secrets)}
    found |= {target, parts.query, parts.password or ""}
    found |= {piece for piece in parts.path.split("/") if len(piece) >= 16}
    return tuple(sorted((part for part in found if len(part) > 1), key=len, reverse=True))


def judged(status: int, headers: Mapping[str, str]) -> Sent:
    """What an answer means."""
    if 200 <= status < 300:
        return Sent("delivered", f"HTTP {status}")
    if status in RETRY or status >= 500:
        return Sent("failed", f"HTTP {status}", retry_after(headers))
    return Sent("denied" if status == 401 else "refused", f"HTTP {status}")


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
